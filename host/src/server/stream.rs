//! HTTP/2 streams whose clients take nothing. Each has a window of its own, and all
//! share one, so the socket, which the connection's clock looks at, does not tell.
//!
//! hyper asks a body for more only when the client has room for more. Whoever is asked
//! notes it here, so what is left waits for the client.

use super::clock::ConnectionClock;
use crate::body::{Body, BodyError};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::rt::Executor;
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// Runs the streams of one HTTP/2 connection.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    /// The limit `write_gap`.
    pub(super) gap: Duration,
    pub(super) clock: Arc<ConnectionClock>,
}

/// On a connection that is slow as a whole, by its socket or by the window that all
/// share, a stream waits for the others: so many times the gap. The whole of them is
/// the connection's clock's to judge.
const PATIENCE: u32 = 6;

/// What happened while a stream was polled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// The client's window is closed.
    Nothing,
    /// The client had room for a piece.
    Taken,
    /// The client waits for us.
    Awaited,
}

tokio::task_local! {
    static STREAM: Stream;
}

/// The stream that is being polled.
struct Stream {
    seen: Cell<Seen>,
    clock: Arc<ConnectionClock>,
}

/// The client of the stream that is being polled was given a piece.
pub(super) fn taken() {
    // Other protocols have no streams.
    let _ = STREAM.try_with(|stream| {
        stream.seen.set(Seen::Taken);
        stream.clock.took();
    });
}

/// The client of the stream that is being polled waits for the answer, or more of it.
pub(super) fn awaited() {
    let _ = STREAM.try_with(|stream| stream.seen.set(Seen::Awaited));
}

impl<S> Executor<S> for Streams
where
    S: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: S) {
        let noted = Stream { seen: Cell::new(Seen::Nothing), clock: self.clock.clone() };
        tokio::spawn(STREAM.scope(noted, until_stalled(stream, self.gap)));
    }
}

/// Runs a stream to its end, or until its client has taken nothing for `gap`: what is
/// dropped before its end is reset.
async fn until_stalled(stream: impl Future<Output = ()>, gap: Duration) {
    let mut stream = pin!(stream);
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    let mut gaps = 0;
    poll_fn(|cx| {
        STREAM.with(|stream| stream.seen.set(Seen::Nothing));
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match STREAM.with(|stream| stream.seen.get()) {
            Seen::Awaited => {
                timer = None;
                return Poll::Pending;
            }
            Seen::Taken => timer = None,
            Seen::Nothing => {}
        }
        if timer.is_none() {
            gaps = 0;
        }
        loop {
            let timer = timer.get_or_insert_with(|| Box::pin(sleep(gap)));
            ready!(timer.as_mut().poll(cx));
            gaps += 1;
            let waits = STREAM.with(|stream| stream.clock.was_busy_within(gap));
            if gaps >= PATIENCE || !waits {
                return Poll::Ready(());
            }
            timer.as_mut().reset(Instant::now() + gap);
        }
    })
    .await;
}

/// What a client is handed at once. Only a whole piece tells that something was taken,
/// so it is as small as the frame that it becomes (RFC 9113 section 4.2).
const PIECE: usize = 16 << 10;

/// `body`, with no frame of data larger than a piece.
pub(super) fn in_pieces(body: Body) -> Body {
    match body.size_hint().upper() {
        Some(most) if most <= PIECE as u64 => body,
        _ => Body::stream(Pieces { body, rest: Bytes::new() }),
    }
}

struct Pieces {
    body: Body,
    /// What is left of the frame that goes out now.
    rest: Bytes,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.rest.is_empty() {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let length = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
