//! A body that comes from the host bit by bit: of a request, or of a response to one
//! that this component has sent.

use super::super::{CHUNK, exact};
use super::bindings::squall::web::types::{
    Body as WebBody, BodyError as WebError, BodyStream, Fields,
};
use super::fields::Unread;
use crate::{Body, BodyError};
use bytes::Bytes;
use http_body::Frame;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use wit_bindgen::{FutureReader, StreamReader, StreamResult};

pub(super) type Ending = Result<Option<Fields>, WebError>;

pub(crate) struct IncomingBody {
    state: State,
    /// It is the body of a response, so an upstream is to blame for its faults.
    upstream: bool,
}

enum State {
    Idle(Source),
    /// The read is kept here and not in the future that waits for it, so that a
    /// chunk is not lost when that future is dropped.
    Reading(Pin<Box<dyn Future<Output = Step> + Send>>),
    Done,
}

struct Source {
    contents: StreamReader<u8>,
    length: Option<u64>,
    ending: FutureReader<Ending>,
}

enum Step {
    Chunk(Vec<u8>, Source),
    End(Ending),
}

impl IncomingBody {
    /// A body from the host, which is bytes if it is complete.
    pub(super) fn body(body: WebBody, upstream: bool) -> Body {
        match body {
            WebBody::Empty => Body::empty(),
            WebBody::Bytes(bytes) => bytes.into(),
            WebBody::Stream(BodyStream { contents, length, ending }) => {
                let state = State::Idle(Source { contents, length, ending });
                Self { state, upstream }.into()
            }
        }
    }

    pub(crate) fn is_upstream(&self) -> bool {
        self.upstream
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The body itself, to be passed on without a byte of it coming in here. Fails
    /// if a read is under way, or there is nothing left.
    pub(super) fn into_stream(self) -> Result<BodyStream, Self> {
        match self.state {
            State::Idle(Source { contents, length, ending }) => {
                Ok(BodyStream { contents, length, ending })
            }
            state @ (State::Reading(_) | State::Done) => Err(Self { state, ..self }),
        }
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            self.state = match mem::replace(&mut self.state, State::Done) {
                State::Idle(source) => State::Reading(Box::pin(source.read())),
                State::Reading(mut read) => match read.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.state = State::Reading(read);
                        return Poll::Pending;
                    }
                    Poll::Ready(Step::Chunk(chunk, source)) => {
                        self.state = State::Idle(source);
                        return Poll::Ready(Some(Ok(Frame::data(exact(chunk)))));
                    }
                    Poll::Ready(Step::End(ending)) => return Poll::Ready(self.end(ending)),
                },
                State::Done => return Poll::Ready(None),
            };
        }
    }

    fn end(&self, ending: Ending) -> Option<Result<Frame<Bytes>, BodyError>> {
        let reason = match ending {
            Ok(None) => return None,
            Ok(Some(trailers)) => {
                return Some(Ok(Frame::trailers(Unread::from(trailers).read())));
            }
            Err(WebError::Incomplete(reason) | WebError::Failed(reason)) => reason,
            Err(WebError::TooLarge(limit)) => format!("it is larger than {limit} bytes"),
        };
        Some(Err(BodyError::incomplete(reason, self.upstream)))
    }
}

impl Source {
    async fn read(mut self) -> Step {
        let (result, chunk) = self.contents.read(Vec::with_capacity(CHUNK)).await;
        // Of what is passed on after a read nobody knows the length.
        self.length = None;
        match result {
            StreamResult::Complete(_) => Step::Chunk(chunk, self),
            StreamResult::Dropped | StreamResult::Cancelled => Step::End(self.ending.await),
        }
    }
}
