//! A request's body on its way to whoever reads it: bounded in size and time.

use super::request::cleanse_trailers;
use crate::body::{Body, BodyError, Waited, declared_length};
use crate::fault::{Fault, FaultKind};
use crate::limits::HandlerLimits;
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// What became of a request's body, for the side that answers the client.
#[derive(Debug, Default)]
pub(super) struct BodyWatch {
    received: AtomicU64,
    fault: OnceLock<FaultKind>,
    waker: AtomicWaker,
    pub(super) waited: Arc<Waited>,
}

impl BodyWatch {
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// How the client has broken a limit with its body, if it has.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.get().map(|kind| Fault::plain(*kind))
    }

    /// Ready if the client breaks a limit with its body.
    pub(super) fn poll_broken(&self, cx: &mut Context<'_>) -> Poll<Fault> {
        self.waker.register(cx.waker());
        self.fault().map_or(Poll::Pending, Poll::Ready)
    }

    fn set(&self, kind: FaultKind) {
        let _ = self.fault.set(kind);
        self.waker.wake();
    }
}

/// Bounds `incoming`, or refuses it by the length that it declares. Where there is
/// no body there is nothing to watch.
pub(super) fn bounded(
    incoming: Incoming,
    headers: &HeaderMap,
    limits: &HandlerLimits,
) -> Result<(Body, Option<Arc<BodyWatch>>), Fault> {
    if incoming.is_end_stream() {
        return Ok((Body::empty(), None));
    }
    let limit = limits.body_size.get();
    if let Some(declared) = declared_length(headers)
        && declared > limit
    {
        let text = format!("{declared} bytes, and `body_size` is {}", limits.body_size);
        return Err(Fault::new(FaultKind::BodyTooLarge, text));
    }
    let watch = Arc::new(BodyWatch::default());
    let body = Bounded {
        incoming,
        left: limit,
        limit,
        gap: limits.body_gap,
        total: limits.body_time,
        began: None,
        timer: None,
        watch: watch.clone(),
    };
    Ok((Body::stream(body), Some(watch)))
}

struct Bounded {
    incoming: Incoming,
    left: u64,
    limit: u64,
    gap: Duration,
    total: Duration,
    /// When it was first waited for: a client is not to blame while nobody reads.
    began: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    watch: Arc<BodyWatch>,
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.timer = None;
                this.watch.waited.end();
                Poll::Ready(Some(this.admit(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(this.broken(&error)))),
            Poll::Ready(None) => {
                this.watch.waited.end();
                Poll::Ready(None)
            }
            Poll::Pending => this.poll_time(cx).map(|error| Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Bounded {
    fn admit(&mut self, mut frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        if let Some(trailers) = frame.trailers_mut() {
            cleanse_trailers(trailers);
        }
        let Some(data) = frame.data_ref() else { return Ok(frame) };
        let len = data.len() as u64;
        self.watch.received.fetch_add(len, Ordering::Relaxed);
        if len > self.left {
            self.watch.set(FaultKind::BodyTooLarge);
            return Err(BodyError::TooLarge { limit: self.limit });
        }
        self.left -= len;
        Ok(frame)
    }

    fn broken(&self, error: &hyper::Error) -> BodyError {
        use std::io::ErrorKind::{InvalidData, InvalidInput};
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        // hyper's words for a chunk that is none.
        if cause.is_some_and(|cause| matches!(cause.kind(), InvalidData | InvalidInput)) {
            self.watch.set(FaultKind::BadBody);
            return BodyError::Malformed;
        }
        // A request that never becomes whole needs no answer.
        self.watch.set(FaultKind::Cancelled);
        BodyError::Gone
    }

    /// Nothing is here: how long may that last?
    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let now = Instant::now();
        self.watch.waited.begin();
        let end = *self.began.get_or_insert(now) + self.total;
        let (gap, total) = (self.gap, self.total);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end.min(now + gap))));
        std::task::ready!(timer.as_mut().poll(cx));
        self.watch.set(FaultKind::BodyTimeout);
        Poll::Ready(if Instant::now() >= end {
            BodyError::TooSlow(total)
        } else {
            BodyError::Stalled(gap)
        })
    }
}
