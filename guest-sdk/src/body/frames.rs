//! A body as others see it: frames for [`http_body`], chunks for a stream.

use super::{Body, BodyError, Content};
use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body as _, Frame, SizeHint};
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match &mut self.content {
            Content::Empty => None,
            Content::Bytes(bytes) => {
                let bytes = mem::take(bytes);
                self.content = Content::Empty;
                (!bytes.is_empty()).then(|| Ok(Frame::data(bytes)))
            }
            Content::Host(body) => ready!(body.poll_frame(cx)),
            Content::Stream(frames) => ready!(frames.as_mut().poll_frame(cx)),
        };
        let ends = frame.as_ref().is_none_or(|frame| frame.as_ref().is_ok_and(Frame::is_trailers));
        match self.trailers.take_if(|_| ends) {
            Some(trailers) => {
                self.content = Content::Empty;
                Poll::Ready(Some(Ok(Frame::trailers(*trailers))))
            }
            None => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        if self.trailers.is_some() {
            return false;
        }
        match &self.content {
            Content::Empty => true,
            Content::Bytes(bytes) => bytes.is_empty(),
            Content::Host(body) => body.is_done(),
            Content::Stream(frames) => frames.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Empty => SizeHint::with_exact(0),
            Content::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Host(_) => SizeHint::default(),
            Content::Stream(frames) => frames.size_hint(),
        }
    }
}

pub(super) struct Chunks(pub(super) Body);

impl Stream for Chunks {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_chunk(cx)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::Empty => f.write_str("Body(empty)"),
            Content::Bytes(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Content::Host(_) | Content::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}

impl Body {
    pub(super) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            let Some(frame) = ready!(Pin::new(&mut *self).poll_frame(cx)?) else {
                return Poll::Ready(None);
            };
            match frame.into_data() {
                Ok(chunk) if chunk.is_empty() => {}
                Ok(chunk) => return Poll::Ready(Some(Ok(chunk))),
                Err(frame) => self.seen = frame.into_trailers().ok().map(Box::new),
            }
        }
    }
}
