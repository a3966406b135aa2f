//! A response's body as its guest produces it.

use super::super::call::{Call, Reads};
use super::early::Early;
use super::length::Length;
use super::{Content, fail};
use crate::body::{BodyError, Cause};
use crate::fault::Fault;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Dropped before the client has all of it, it abandons the call. What is left then is
/// discarded.
pub(super) struct GuestBody {
    early: Early,
    inner: Content,
    call: Arc<Call>,
    reads: Reads,
    /// As far as it was given to the client.
    length: Length,
    ended: bool,
}

impl GuestBody {
    /// `early` has been counted in `length` already.
    pub(super) fn new(
        early: Early,
        inner: Content,
        call: Arc<Call>,
        reads: Reads,
        length: Length,
    ) -> Self {
        GuestBody { early, inner, call, reads, length, ended: false }
    }

    /// The next frame, counted.
    fn poll_counted(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(early) = self.early.pop() {
            return Poll::Ready(Some(Ok(early)));
        }
        let next = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        Poll::Ready(match next {
            Some(Ok(frame)) => Some(self.length.take(&frame).map(|()| frame)),
            Some(Err(fault)) => Some(Err(fault)),
            None => match self.call.fault() {
                // The stream ended because its instance did.
                Some(fault) => Some(Err(fault.clone())),
                None => self.length.end().err().map(Err),
            },
        })
    }

    /// Whether the client wants no more: it has as much as the head declared, or asked
    /// for the head only.
    fn is_delivered(&self) -> bool {
        self.reads == Reads::Head || (self.length.is_reached() && self.early.len() == 0)
    }

    fn end(&mut self) {
        self.ended = true;
        self.call.finish();
    }

    fn break_off(&mut self, fault: Fault) -> BodyError {
        self.ended = true;
        if self.call.fault().is_none() {
            fail(&self.call, fault);
        }
        let fault = self.call.fault().cloned();
        fault.map_or(BodyError::Gone, |fault| BodyError::Failed(Cause(Arc::new(fault))))
    }
}

impl HttpBody for GuestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(this.poll_counted(cx)) {
            Some(Ok(frame)) => {
                // After trailers nobody asks for more.
                if frame.is_trailers() {
                    this.end();
                }
                Some(Ok(frame))
            }
            Some(Err(fault)) => Some(Err(this.break_off(fault))),
            None => {
                this.end();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        // Only `poll_frame` knows whether the end is a clean one.
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        let early = self.early.len();
        let rest = self.inner.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + early);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + early);
        }
        hint
    }
}

impl Drop for GuestBody {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if !self.is_delivered() {
            self.call.abandon();
        }
        let rest = std::mem::take(&mut self.inner);
        // Without a runtime there is no guest that could be hurt either.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(discard(rest, self.call.clone()));
        }
    }
}

/// Takes what is left of a body that nobody wants, within bounds, and closes it.
///
/// A guest that writes once more after it was told that its reader is gone traps,
/// and takes the other requests of its instance with it. Many guests do not look at
/// what a write came to: they come to their end here, in peace.
async fn discard(mut body: Content, call: Arc<Call>) {
    let mut left = call.discard.get();
    let taking = async {
        while let Some(Ok(frame)) = body.frame().await {
            let taken = frame.data_ref().map_or(0, |data| data.len() as u64);
            match left.checked_sub(taken) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // Too slow is as good as too much.
    let _ = timeout(call.post_return, taking).await;
    drop(body);
    call.finish();
}
