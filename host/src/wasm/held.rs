//! The body of an outbound response, held for a guest that may never read it: it
//! ends with the call that it is for, whether the guest looks or not.

use crate::body::{Body, BodyError};
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::{Mutex, MutexGuard};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;

pub(crate) struct HeldBody {
    /// Empty once the call is over: then the connection is free or closed.
    content: Mutex<Option<Content>>,
    waker: AtomicWaker,
}

struct Content {
    body: Body,
    _permit: OwnedSemaphorePermit,
}

impl HeldBody {
    pub(crate) fn new(body: Body, permit: OwnedSemaphorePermit) -> Arc<Self> {
        Arc::new(HeldBody {
            content: Mutex::new(Some(Content { body, _permit: permit })),
            waker: AtomicWaker::new(),
        })
    }

    /// The side that the guest reads.
    pub(crate) fn reader(
        self: &Arc<Self>,
    ) -> impl HttpBody<Data = Bytes, Error = BodyError> + Send + 'static {
        Reader(self.clone())
    }

    /// Nobody wants it any more.
    pub(crate) fn cut(&self) {
        let content = self.lock().take();
        drop(content);
        self.waker.wake();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Content>> {
        self.content.lock()
    }
}

struct Reader(Arc<HeldBody>);

impl HttpBody for Reader {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.waker.register(cx.waker());
        match &mut *self.0.lock() {
            Some(content) => Pin::new(&mut content.body).poll_frame(cx),
            None => Poll::Ready(Some(Err(BodyError::Gone))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().as_ref().is_some_and(|content| content.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().as_ref().map_or_else(SizeHint::new, |content| content.body.size_hint())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.cut();
    }
}
