//! A response's body: as long as frames come it passes them on, and when none
//! come for the gap limit it ends with an error.

use super::error::Broken;
use super::lease::Lease;
use super::upload::{Turn, Watch};
use crate::body::BodyError;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

#[derive(Debug)]
pub(super) struct Download {
    body: Incoming,
    /// The connection, until the body has ended one way or the other.
    lease: Option<Lease>,
    watch: Watch,
    gap: Duration,
    /// Since when the reader waits for the peer.
    waiting: Option<Instant>,
    /// Made at the first wait: most bodies never wait.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Download {
    pub(super) fn new(body: Incoming, lease: Lease, watch: Watch, gap: Duration) -> Self {
        Download { body, lease: Some(lease), watch, gap, waiting: None, timer: None }
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.finish(&self.watch);
        }
    }

    fn give_up(&mut self) {
        self.watch.abandon();
        if let Some(lease) = self.lease.take() {
            lease.give_up();
        }
    }

    /// Ready when the peer has been silent for too long.
    fn poll_gap(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let waiting = *self.waiting.get_or_insert_with(Instant::now);
        loop {
            let due = match self.watch.turn() {
                // The peer may be waiting for the rest of the request.
                Turn::Producer => Instant::now() + self.gap,
                Turn::Peer(since) | Turn::Answer(since) => waiting.max(since) + self.gap,
            };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            // It was set for an earlier wait.
            timer.as_mut().reset(due);
        }
    }
}

impl HttpBody for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.waiting = None;
                // A reader that knows the length does not come back for the end.
                if self.body.is_end_stream() {
                    self.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let error = self.watch.failure().unwrap_or_else(|| Broken::from(error).into());
                self.give_up();
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Pending => {
                ready!(self.poll_gap(cx));
                self.give_up();
                Poll::Ready(Some(Err(BodyError::Stalled(self.gap))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A reader that leaves early ends the exchange, and with HTTP/1.1 the
/// connection.
impl Drop for Download {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.cancel(&self.watch);
        }
    }
}
