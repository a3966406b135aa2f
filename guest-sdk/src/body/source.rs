//! Bodies made of other things: a stream, or a body of another crate.

use super::BodyError;
use crate::BoxError;
use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The inner thing is boxed because this crate has no `unsafe`, by which alone one
/// reaches a field of a pinned struct, and no dependency that hides it.
pub(super) struct FromStream<S>(Pin<Box<S>>);

impl<S> FromStream<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(Box::pin(stream))
    }
}

impl<S, T, E> HttpBody for FromStream<S>
where
    S: Stream<Item = Result<T, E>>,
    T: Into<Bytes>,
    E: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let chunk = ready!(self.0.as_mut().poll_next(cx));
        Poll::Ready(chunk.map(|chunk| match chunk {
            Ok(bytes) => Ok(Frame::data(bytes.into())),
            Err(error) => Err(BodyError::source(error)),
        }))
    }
}

pub(super) struct FromBody<B>(Pin<Box<B>>);

impl<B> FromBody<B> {
    pub(super) fn new(body: B) -> Self {
        Self(Box::pin(body))
    }
}

impl<B> HttpBody for FromBody<B>
where
    B: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(self.0.as_mut().poll_frame(cx));
        Poll::Ready(frame.map(|frame| match frame {
            Ok(frame) => Ok(frame.map_data(Into::into)),
            Err(error) => Err(BodyError::source(error)),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
