//! A request's body on its way to the peer, and the watch over it.
//!
//! hyper takes the frames; whoever waits for the response asks the watch whose
//! turn it is. The peer is blamed only while it is the peer's turn: a body that
//! its producer has not written yet runs against no limit here.

use super::error::UpstreamError;
use crate::body::{Body, BodyError};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// The half that hyper gets.
#[derive(Debug)]
pub(super) struct Upload(Arc<Mutex<State>>);

/// The half of whoever waits for the response.
#[derive(Clone, Debug)]
pub(super) struct Watch(Arc<Mutex<State>>);

/// Who has to do something next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// The producer of the body.
    Producer,
    /// The peer, which has not taken the last frame yet.
    Peer(Instant),
    /// The peer, which has the whole request.
    Answer(Instant),
}

/// What is handed over at once. A peer is seen to take the body piece by piece,
/// even if its producer gave it whole.
const PIECE: usize = 32 << 10;

#[derive(Debug)]
struct State {
    source: Source,
    /// What has been read from the source and not been handed over.
    rest: Bytes,
    turn: Turn,
    /// What `content-length` still promises.
    owed: Option<u64>,
    failure: Option<BodyError>,
    /// Whether there was nothing to send from the beginning.
    empty: bool,
}

#[derive(Debug)]
enum Source {
    Open(Body),
    /// It came to its end, or to an error that has been passed on.
    Ended,
    /// Nobody wants the rest. The peer must not take what it has for the whole.
    Abandoned,
}

/// Splits off the watch. `declared` is what `content-length` says.
pub(super) fn upload(body: Body, declared: Option<u64>) -> (Upload, Watch) {
    let empty = body.is_end_stream();
    let source = if empty { Source::Ended } else { Source::Open(body) };
    let turn = Turn::Answer(Instant::now());
    let rest = Bytes::new();
    let state = State { source, rest, turn, owed: declared, failure: None, empty };
    let state = Arc::new(Mutex::new(state));
    let watch = Watch(state.clone());
    watch.start();
    (Upload(state), watch)
}

impl Watch {
    /// Starts the clock: the request is handed to a connection now.
    pub(super) fn start(&self) {
        let mut state = self.0.lock();
        let now = Instant::now();
        state.turn = match state.source {
            Source::Open(_) => Turn::Peer(now),
            Source::Ended | Source::Abandoned => Turn::Answer(now),
        };
    }

    pub(super) fn turn(&self) -> Turn {
        self.0.lock().turn
    }

    /// What went wrong with the body itself.
    pub(super) fn failure(&self) -> Option<BodyError> {
        self.0.lock().failure.clone()
    }

    /// When to look again, or what the peer has failed to do in time.
    pub(super) fn next_look(
        &self,
        head: Duration,
        gap: Duration,
    ) -> Result<Instant, UpstreamError> {
        let now = Instant::now();
        match self.turn() {
            // Soon enough for any deadline that can begin meanwhile.
            Turn::Producer => Ok(now + head.min(gap)),
            Turn::Peer(since) if now >= since + gap => Err(UpstreamError::UploadStalled(gap)),
            Turn::Peer(since) => Ok(since + gap),
            Turn::Answer(since) if now >= since + head => Err(UpstreamError::HeadTimeout(head)),
            Turn::Answer(since) => Ok(since + head),
        }
    }

    /// The same upload for a second attempt, which only an empty one allows.
    pub(super) fn again(&self) -> Option<Upload> {
        self.0.lock().empty.then(|| Upload(self.0.clone()))
    }

    /// Lets go of the rest of the body, if there is one. Returns whether there
    /// was: then the peer is left in the middle of a request.
    pub(super) fn abandon(&self) -> bool {
        let mut state = self.0.lock();
        if !matches!(state.source, Source::Open(_)) {
            return false;
        }
        let source = std::mem::replace(&mut state.source, Source::Abandoned);
        state.rest = Bytes::new();
        drop(state);
        // Outside the lock, because this may run a producer's code.
        drop(source);
        true
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.lock().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0.lock().source, Source::Ended)
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.0.lock();
        match &state.source {
            // hyper asks before the first frame only.
            Source::Open(body) if state.rest.is_empty() => body.size_hint(),
            Source::Open(_) => SizeHint::default(),
            Source::Ended => SizeHint::with_exact(0),
            Source::Abandoned => SizeHint::default(),
        }
    }
}

/// hyper drops a body that its peer has refused to take the rest of.
impl Drop for Upload {
    fn drop(&mut self) {
        Watch(self.0.clone()).abandon();
        let mut state = self.0.lock();
        if !matches!(state.turn, Turn::Answer(_)) {
            state.turn = Turn::Answer(Instant::now());
        }
    }
}

impl State {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = match &mut self.source {
            Source::Open(body) => body,
            Source::Ended => return Poll::Ready(None),
            Source::Abandoned => return Poll::Ready(Some(Err(BodyError::Gone))),
        };
        let frame = if self.rest.is_empty() {
            self.turn = Turn::Producer;
            let frame = ready!(Pin::new(&mut *body).poll_frame(cx)).transpose();
            let ended = body.is_end_stream() || matches!(frame, Ok(None));
            frame.and_then(|frame| self.count(frame, ended)).map(|frame| self.split(frame))
        } else {
            Ok(Some(self.piece()))
        };
        if let Err(error) = &frame {
            self.failure = Some(error.clone());
        }
        let last = matches!(&self.source, Source::Open(body) if body.is_end_stream());
        if !matches!(frame, Ok(Some(_))) || (last && self.rest.is_empty()) {
            self.source = Source::Ended;
            self.turn = Turn::Answer(Instant::now());
        } else {
            self.turn = Turn::Peer(Instant::now());
        }
        Poll::Ready(frame.transpose())
    }

    /// Keeps back what is more than one piece.
    fn split(&mut self, frame: Option<Frame<Bytes>>) -> Option<Frame<Bytes>> {
        match frame?.into_data() {
            Ok(data) => {
                self.rest = data;
                Some(self.piece())
            }
            Err(trailers) => Some(trailers),
        }
    }

    fn piece(&mut self) -> Frame<Bytes> {
        let length = self.rest.len().min(PIECE);
        Frame::data(self.rest.split_to(length))
    }

    /// Holds the body to its declared length: hyper would cut one that is too
    /// long, and after a short one the peer would take the missing bytes from
    /// the next request.
    fn count(
        &mut self,
        frame: Option<Frame<Bytes>>,
        ended: bool,
    ) -> Result<Option<Frame<Bytes>>, BodyError> {
        if let Some(owed) = &mut self.owed {
            let data = frame.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len);
            *owed = owed.checked_sub(data as u64).ok_or(BodyError::WrongLength)?;
            if ended && *owed > 0 {
                return Err(BodyError::WrongLength);
            }
        }
        Ok(frame)
    }
}
