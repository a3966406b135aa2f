//! A body between the guest that writes it and the client that reads it. Small writes
//! join into one piece, and a slow client slows its guest down.
//!
//! Until its response is returned nobody knows whether there will be a client. What is
//! held by then is bounded for the whole instance, and trailers stay in its table.

mod budget;

pub(super) use budget::Budget;

use super::data::Data;
use budget::Charge;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use parking_lot::{Mutex, MutexGuard};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use wasmtime::StoreContextMut;
use wasmtime::component::{Source, StreamConsumer, StreamResult};

/// Bytes that one write of a guest may put on their way; a larger write takes
/// several turns. Bounds what a slow client makes us hold per response.
pub(super) const CHUNK: usize = 64 << 10;

/// Both ends of the body of a response that is not returned yet.
pub(super) fn unreturned<E>(budget: &Arc<Budget>) -> (Arc<Shared<E>>, PipeBody<E>) {
    Shared::both(Some(budget.charge()), Given::NotYet)
}

/// Both ends of a body that is on its way.
pub(super) fn pipe<E>() -> (Arc<Shared<E>>, PipeBody<E>) {
    Shared::both(None, Given::Wanted)
}

/// `E` is the guest's word for why a body broke off.
pub(super) struct Shared<E>(Mutex<State<E>>);

struct State<E> {
    /// Taken from the guest, and not yet asked for by the client.
    piece: Vec<u8>,
    /// While the response is not returned: what the piece costs.
    charge: Option<Charge>,
    contents: End,
    trailers: Given<E>,
    client: End,
}

/// One end of the pipe.
enum End {
    /// With whom to wake, if it waits.
    Open(Option<Waker>),
    Closed,
}

/// What the guest has said of its trailers.
enum Given<E> {
    NotYet,
    /// They wait in the guest's table, with whom to wake once they are wanted.
    Waiting(Waker),
    Wanted,
    Here(Result<Option<HeaderMap>, E>),
    /// They were passed on, or will never be given.
    Over,
}

impl End {
    fn wake(&mut self) {
        if let End::Open(waiting) = self
            && let Some(waker) = waiting.take()
        {
            waker.wake();
        }
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if let End::Open(waiting) = self {
            *waiting = Some(cx.waker().clone());
        }
    }
}

impl<E> State<E> {
    /// Trailers need not wait any more.
    fn want_trailers(&mut self) {
        if let Given::NotYet | Given::Waiting(_) = self.trailers
            && let Given::Waiting(waker) = std::mem::replace(&mut self.trailers, Given::Wanted)
        {
            waker.wake();
        }
    }
}

impl<E> Shared<E> {
    fn both(charge: Option<Charge>, trailers: Given<E>) -> (Arc<Self>, PipeBody<E>) {
        let (piece, contents, client) = (Vec::new(), End::Open(None), End::Open(None));
        let shared =
            Arc::new(Shared(Mutex::new(State { piece, charge, contents, trailers, client })));
        (shared.clone(), PipeBody(shared))
    }

    /// The guest has no more to write.
    pub(super) fn contents_end(&self) {
        let mut state = self.lock();
        state.contents = End::Closed;
        state.client.wake();
    }

    /// The response is an answer.
    pub(super) fn returned(&self) {
        let mut state = self.lock();
        state.charge = None;
        state.contents.wake();
        state.want_trailers();
    }

    /// Whether trailers are to wait: until their response is returned, or until all before
    /// them was read by the guest itself.
    pub(super) fn defer_trailers(&self, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        let is_held = state.charge.is_some() && matches!(state.client, End::Open(_));
        if !is_held || matches!(state.trailers, Given::Wanted) {
            return false;
        }
        state.trailers = Given::Waiting(cx.waker().clone());
        true
    }

    /// What comes after the contents, or why nothing more does.
    pub(super) fn give_trailers(&self, trailers: Result<Option<HeaderMap>, E>) {
        let mut state = self.lock();
        state.trailers = Given::Here(trailers);
        state.client.wake();
    }

    /// Nobody will give trailers any more.
    pub(super) fn trailers_end(&self) {
        let mut state = self.lock();
        if !matches!(state.trailers, Given::Here(_) | Given::Over) {
            state.trailers = Given::Over;
            state.client.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.0.lock()
    }
}

/// Takes what the guest writes.
pub(super) struct Contents<E>(Arc<Shared<E>>);

impl<E> Contents<E> {
    pub(super) fn new(shared: Arc<Shared<E>>) -> Self {
        Contents(shared)
    }
}

impl<E: Send + 'static> StreamConsumer<Data> for Contents<E> {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, Data>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut state = self.0.lock();
        if matches!(state.client, End::Closed) {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        let mut source = source.as_direct(store);
        let bytes = source.remaining();
        let mut taken = bytes.len().min(CHUNK - state.piece.len());
        if let Some(charge) = &mut state.charge {
            taken = charge.more(taken);
        }
        // A write of nothing asks whether there is room.
        if taken == 0 && (!bytes.is_empty() || state.piece.len() == CHUNK) {
            if finish {
                return Poll::Ready(Ok(StreamResult::Cancelled));
            }
            state.contents.wait(cx);
            return Poll::Pending;
        }
        if taken > 0 {
            state.piece.extend_from_slice(&bytes[..taken]);
            source.mark_read(taken);
            state.client.wake();
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl<E> Drop for Contents<E> {
    fn drop(&mut self) {
        self.0.contents_end();
    }
}

/// What the client reads.
pub(super) struct PipeBody<E>(Arc<Shared<E>>);

impl<E> Body for PipeBody<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        let mut state = self.0.lock();
        if !state.piece.is_empty() {
            let piece = std::mem::take(&mut state.piece);
            let charge = state.charge.as_mut().map(Charge::split);
            state.contents.wake();
            return Poll::Ready(Some(Ok(Frame::data(bytes(piece, charge)))));
        }
        if matches!(state.contents, End::Open(_)) {
            state.client.wait(cx);
            return Poll::Pending;
        }
        state.want_trailers();
        match std::mem::replace(&mut state.trailers, Given::Over) {
            Given::Here(Ok(Some(trailers))) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Given::Here(Err(error)) => Poll::Ready(Some(Err(error))),
            Given::Here(Ok(None)) | Given::Over => Poll::Ready(None),
            Given::NotYet | Given::Waiting(_) | Given::Wanted => {
                state.trailers = Given::Wanted;
                state.client.wait(cx);
                Poll::Pending
            }
        }
    }
}

/// A piece on its way. What a guest reads of its own responses costs until it is gone.
fn bytes(piece: Vec<u8>, charge: Option<Charge>) -> Bytes {
    struct Charged(Vec<u8>, #[expect(dead_code, reason = "held")] Charge);
    impl AsRef<[u8]> for Charged {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    match charge {
        Some(charge) => Bytes::from_owner(Charged(piece, charge)),
        None => piece.into(),
    }
}

impl<E> Drop for PipeBody<E> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.client = End::Closed;
        state.piece = Vec::new();
        state.charge = None;
        // The guest learns of it at once if it waits, and at its next write if not.
        state.contents.wake();
        if let Given::Waiting(waker) = std::mem::replace(&mut state.trailers, Given::Over) {
            waker.wake();
        }
    }
}
