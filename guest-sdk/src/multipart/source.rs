//! A body as `multer` reads it.
//!
//! It takes all that is there before it looks at any of it. So that a form that comes
//! quickly does not come into memory whole, the body pauses whenever it has given some.

use crate::{Body, BodyError};
use bytes::Bytes;
use futures_core::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

/// How much comes before a pause: the largest chunk that a server gives at once.
const PACE: usize = 64 * 1024;

pub(super) struct Paced<S> {
    chunks: S,
    delivered: Delivered,
    since_pause: usize,
}

/// How many bytes have been given so far.
#[derive(Clone, Default)]
pub(super) struct Delivered(Arc<AtomicUsize>);

impl Delivered {
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Relaxed)
    }

    pub(super) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Relaxed);
    }
}

impl Paced<()> {
    pub(super) fn new(
        body: Body,
        delivered: Delivered,
    ) -> Paced<impl Stream<Item = Result<Bytes, BodyError>> + Send + Unpin + 'static> {
        Paced { chunks: body.into_stream(), delivered, since_pause: 0 }
    }
}

impl<S: Stream<Item = Result<Bytes, BodyError>> + Unpin> Stream for Paced<S> {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.since_pause >= PACE {
            self.since_pause = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let chunk = ready!(Pin::new(&mut self.chunks).poll_next(cx));
        if let Some(Ok(bytes)) = &chunk {
            self.since_pause += bytes.len();
            self.delivered.add(bytes.len());
        }
        Poll::Ready(chunk)
    }
}
