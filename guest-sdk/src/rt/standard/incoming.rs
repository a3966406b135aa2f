//! A body that comes from the host: of a request, or of a response to one that
//! this component has sent.

use super::super::{CHUNK, exact};
use super::request::header_map;
use crate::BodyError;
use bytes::Bytes;
use http_body::Frame;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use wasip3::http::types::{self, ErrorCode, Trailers};
use wasip3::wit_bindgen::{FutureReader, FutureWriter, StreamReader, StreamResult};
use wasip3::wit_future;

pub(crate) struct IncomingBody {
    state: State,
    /// It is the body of a response, so an upstream is to blame for its faults.
    upstream: bool,
}

enum State {
    UnreadRequest(types::Request),
    UnreadResponse(types::Response),
    Idle(Source),
    /// The read is kept here and not in the future that waits for it, so that a
    /// chunk is not lost when that future is dropped.
    Reading(Pin<Box<dyn Future<Output = Step> + Send>>),
    Done,
}

/// Where the bytes come from, and what comes after them.
pub(super) type Parts = (StreamReader<u8>, FutureReader<Ending>);
pub(super) type Ending = Result<Option<Trailers>, ErrorCode>;

struct Source {
    stream: StreamReader<u8>,
    ending: FutureReader<Ending>,
    /// Tells the host on drop that all is well on this side.
    _verdict: FutureWriter<Result<(), ErrorCode>>,
}

enum Step {
    Chunk(Vec<u8>, Source),
    End(Ending),
}

impl IncomingBody {
    pub(super) fn of_request(request: types::Request) -> Self {
        Self { state: State::UnreadRequest(request), upstream: false }
    }

    pub(super) fn of_response(response: types::Response) -> Self {
        Self { state: State::UnreadResponse(response), upstream: true }
    }

    pub(crate) fn is_upstream(&self) -> bool {
        self.upstream
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The body itself, to be passed on without a byte of it coming in here. Fails
    /// if a read is under way, or there is nothing left.
    pub(super) fn into_parts(self) -> Result<Parts, Self> {
        let Self { state, upstream } = self;
        let source = match state {
            State::UnreadRequest(request) => {
                open(|verdict| types::Request::consume_body(request, verdict))
            }
            State::UnreadResponse(response) => {
                open(|verdict| types::Response::consume_body(response, verdict))
            }
            State::Idle(source) => source,
            State::Reading(_) | State::Done => return Err(Self { state, upstream }),
        };
        Ok((source.stream, source.ending))
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            self.state = match mem::replace(&mut self.state, State::Done) {
                State::UnreadRequest(request) => {
                    State::Idle(open(|verdict| types::Request::consume_body(request, verdict)))
                }
                State::UnreadResponse(response) => {
                    State::Idle(open(|verdict| types::Response::consume_body(response, verdict)))
                }
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
        match ending {
            Ok(None) => None,
            Ok(Some(trailers)) => Some(Ok(Frame::trailers(header_map(&trailers)))),
            Err(error) => Some(Err(BodyError::incomplete(reason(&error), self.upstream))),
        }
    }
}

impl Source {
    async fn read(mut self) -> Step {
        let (result, chunk) = self.stream.read(Vec::with_capacity(CHUNK)).await;
        match result {
            StreamResult::Complete(_) => Step::Chunk(chunk, self),
            StreamResult::Dropped | StreamResult::Cancelled => Step::End(self.ending.await),
        }
    }
}

fn open(consume: impl FnOnce(FutureReader<Result<(), ErrorCode>>) -> Parts) -> Source {
    let (verdict, verdict_reader) = wit_future::new(|| Ok(()));
    let (stream, ending) = consume(verdict_reader);
    Source { stream, ending, _verdict: verdict }
}

/// What the host says of an error, for the log.
pub(super) fn reason(error: &ErrorCode) -> String {
    match error {
        ErrorCode::InternalError(Some(reason)) => reason.clone(),
        error => error.to_string().replace("ErrorCode::", ""),
    }
}
