//! A body of the host's on its way into a guest.

use super::super::data::Data;
use super::{Body as WebBody, BodyError as WebError, BodyStream, Fields, to_fields};
use crate::body::{Body, BodyError};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::any::{Any, TypeId};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::{Destination, FutureReader, StreamProducer, StreamReader, StreamResult};

type Ending = Result<Option<Fields>, WebError>;

/// What a guest sees of `body`. One that is complete goes in whole.
pub(in crate::wasm) fn to_body(
    store: &mut StoreContextMut<'_, Data>,
    body: Body,
) -> wasmtime::Result<WebBody> {
    let body = match body.into_whole() {
        Ok(bytes) if bytes.is_empty() => return Ok(WebBody::Empty),
        Ok(bytes) => return Ok(WebBody::Bytes(bytes.into())),
        Err(body) => body,
    };
    let length = body.size_hint().exact();
    let (end, ended) = oneshot::channel();
    let contents = StreamReader::new(&mut *store, Incoming::new(body, end))?;
    let ending = async move {
        // Dropped unread: nobody asks why.
        wasmtime::error::Ok(ended.await.unwrap_or(Ok(None)))
    };
    let ending = FutureReader::new(store, ending)?;
    Ok(WebBody::Stream(BodyStream { contents, length, ending }))
}

pub(super) struct Incoming {
    /// What the guest had no room for. Not in a buffer of wasmtime's, which would be lost if
    /// the guest passed on what is left.
    rest: Bytes,
    body: Body,
    end: Option<oneshot::Sender<Ending>>,
}

impl Incoming {
    fn new(body: Body, end: oneshot::Sender<Ending>) -> Self {
        Incoming { rest: Bytes::new(), body, end: Some(end) }
    }

    /// What the guest has not read of the body.
    pub(super) fn into_body(mut self) -> Body {
        let (rest, body) = (mem::take(&mut self.rest), mem::take(&mut self.body));
        if rest.is_empty() { body } else { Body::stream(Begun { rest, body }) }
    }

    /// The next bytes; none at the end, of which the guest is then told.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(mem::take(&mut self.rest)));
        }
        let ending = loop {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)).map(|f| f.map(Frame::into_data)) {
                Some(Ok(Ok(data))) if data.is_empty() => {}
                Some(Ok(Ok(data))) => return Poll::Ready(Some(data)),
                Some(Ok(Err(frame))) => break Ok(trailers(frame.into_trailers().ok())),
                Some(Err(error)) => break Err(words(&error)),
                None => break Ok(None),
            }
        };
        if let Some(end) = self.end.take() {
            // A guest that dropped its end does not want to know.
            let _ = end.send(ending);
        }
        Poll::Ready(None)
    }
}

impl StreamProducer<Data> for Incoming {
    type Item = u8;
    type Buffer = Bytes;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, Data>,
        mut destination: Destination<'a, u8, Bytes>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut data = match self.poll_data(cx) {
            Poll::Ready(Some(data)) => data,
            Poll::Ready(None) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
        };
        match destination.remaining(&mut store) {
            // A read of nothing asks whether there is something.
            Some(room) => {
                self.rest = data.split_off(room.min(data.len()));
                if !data.is_empty() {
                    let mut direct = destination.as_direct(store, data.len());
                    direct.remaining()[..data.len()].copy_from_slice(&data);
                    direct.mark_written(data.len());
                }
            }
            None => destination.set_buffer(data),
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }

    fn try_into(me: Pin<Box<Self>>, ty: TypeId) -> Result<Box<dyn Any>, Pin<Box<Self>>> {
        if ty != TypeId::of::<Self>() {
            return Err(me);
        }
        let me: Box<Self> = Pin::into_inner(me);
        Ok(me)
    }
}

/// A body of which something was taken and is to come first.
struct Begun {
    rest: Bytes,
    body: Body,
}

impl HttpBody for Begun {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.rest.is_empty() {
            return Pin::new(&mut self.body).poll_frame(cx);
        }
        Poll::Ready(Some(Ok(Frame::data(mem::take(&mut self.rest)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest + body.lower());
        if let Some(upper) = body.upper() {
            hint.set_upper(rest + upper);
        }
        hint
    }
}

fn trailers(trailers: Option<HeaderMap>) -> Option<Fields> {
    trailers.map(|trailers| to_fields(&trailers))
}

/// Why the body broke, as far as the guest is told.
fn words(error: &BodyError) -> WebError {
    match error {
        BodyError::TooLarge { limit } => WebError::TooLarge(*limit),
        BodyError::Gone
        | BodyError::Stalled(_)
        | BodyError::TooSlow(_)
        | BodyError::WrongLength
        | BodyError::Malformed => WebError::Incomplete(error.to_string()),
        BodyError::Failed(_) | BodyError::Other(_) => WebError::Failed(error.to_string()),
    }
}
