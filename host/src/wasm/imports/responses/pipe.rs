//! A body between the guest that writes it and the client that reads it. Small writes
//! join into one piece, and a slow client slows its guest down.
//!
//! Until its response is returned nobody knows whether there will be a client. What is
//! held by then is bounded for the whole instance, and trailers stay in its table.

use super::super::super::data::Data;
use super::super::outbound::CHUNK;
use super::budget::{Budget, Charge};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use parking_lot::{Mutex, MutexGuard};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use wasmtime::StoreContextMut;
use wasmtime::component::{FutureConsumer, Resource, Source, StreamConsumer, StreamResult};
use wasmtime::error::Context as _;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error as WasiError, FieldMap};

/// Both ends of a new body.
pub(super) fn pipe(budget: &Arc<Budget>) -> (Arc<Shared>, PipeBody) {
    let shared = Arc::new(Shared(Mutex::new(State {
        piece: Vec::new(),
        charge: Some(budget.charge()),
        contents: End::Open(None),
        trailers: Given::NotYet,
        client: End::Open(None),
    })));
    (shared.clone(), PipeBody(shared))
}

pub(super) struct Shared(Mutex<State>);

struct State {
    /// Taken from the guest, and not yet asked for by the client.
    piece: Vec<u8>,
    /// While the response is not returned: what the piece costs.
    charge: Option<Charge>,
    contents: End,
    trailers: Given,
    client: End,
}

/// One end of the pipe.
enum End {
    /// With whom to wake, if it waits.
    Open(Option<Waker>),
    Closed,
}

/// What the guest has said of its trailers.
enum Given {
    NotYet,
    /// They wait in the guest's table, with whom to wake once they are wanted.
    Waiting(Waker),
    Wanted,
    Here(Result<Option<HeaderMap>, ErrorCode>),
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

impl State {
    /// Trailers need not wait any more.
    fn want_trailers(&mut self) {
        if let Given::NotYet | Given::Waiting(_) = self.trailers
            && let Given::Waiting(waker) = std::mem::replace(&mut self.trailers, Given::Wanted)
        {
            waker.wake();
        }
    }
}

impl Shared {
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
    fn defer_trailers(&self, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        let is_held = state.charge.is_some() && matches!(state.client, End::Open(_));
        if !is_held || matches!(state.trailers, Given::Wanted) {
            return false;
        }
        state.trailers = Given::Waiting(cx.waker().clone());
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

/// Takes what the guest writes.
pub(super) struct Contents(Arc<Shared>);

impl Contents {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Contents(shared)
    }
}

impl StreamConsumer<Data> for Contents {
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

impl Drop for Contents {
    fn drop(&mut self) {
        self.0.contents_end();
    }
}

/// Takes the trailers, or the guest's word that there are none.
pub(super) struct Trailers {
    shared: Arc<Shared>,
    /// Given by the guest, and not yet wanted.
    fields: Option<Resource<FieldMap>>,
}

impl Trailers {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Trailers { shared, fields: None }
    }

    fn give(&self, trailers: Result<Option<HeaderMap>, ErrorCode>) {
        let mut state = self.shared.lock();
        state.trailers = Given::Here(trailers);
        state.client.wake();
    }
}

impl FutureConsumer<Data> for Trailers {
    type Item = Result<Option<Resource<FieldMap>>, ErrorCode>;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, Data>,
        mut source: Source<'_, Self::Item>,
        finish: bool,
    ) -> Poll<wasmtime::Result<()>> {
        if self.fields.is_none() {
            let mut read = None;
            source.read(&mut store, &mut read)?;
            match read.context("a future was written without a value")? {
                Ok(fields) => self.fields = fields,
                Err(code) => {
                    self.give(Err(code));
                    return Poll::Ready(Ok(()));
                }
            }
        }
        if self.fields.is_some() && !finish && self.shared.defer_trailers(cx) {
            return Poll::Pending;
        }
        let fields = self.fields.take();
        let fields = fields.map(|fields| store.data_mut().table.delete(fields)).transpose();
        self.give(Ok(fields.context("no such trailers")?.map(HeaderMap::from)));
        Poll::Ready(Ok(()))
    }
}

impl Drop for Trailers {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if !matches!(state.trailers, Given::Here(_) | Given::Over) {
            state.trailers = Given::Over;
            state.client.wake();
        }
    }
}

/// What the client reads.
pub(super) struct PipeBody(Arc<Shared>);

impl Body for PipeBody {
    type Data = Bytes;
    type Error = WasiError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WasiError>>> {
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
            Given::Here(Err(code)) => Poll::Ready(Some(Err(code.into()))),
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

impl Drop for PipeBody {
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
