//! A body between the guest that writes it and the client that reads it. Small writes
//! join into one piece, and a slow client slows its guest down.

use super::super::super::data::Data;
use super::super::outbound::CHUNK;
use super::take_trailers;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use wasmtime::StoreContextMut;
use wasmtime::component::{FutureConsumer, Resource, Source, StreamConsumer, StreamResult};
use wasmtime::error::Context as _;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error as WasiError, FieldMap};

/// Both ends of a new body.
pub(super) fn pipe() -> (Arc<Shared>, PipeBody) {
    let shared = Arc::new(Shared::default());
    (shared.clone(), PipeBody(shared))
}

#[derive(Default)]
pub(super) struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    /// Taken from the guest, and not yet asked for by the client.
    piece: Vec<u8>,
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
#[derive(Default)]
enum Given {
    #[default]
    NotYet,
    Here(Result<Option<HeaderMap>, ErrorCode>),
    /// They were passed on, or will never be given.
    Over,
}

impl Default for End {
    fn default() -> Self {
        End::Open(None)
    }
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

impl Shared {
    /// The guest has no more to write.
    pub(super) fn contents_end(&self) {
        let mut state = self.lock();
        state.contents = End::Closed;
        state.client.wake();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds this, so poison means nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        let room = CHUNK - state.piece.len();
        if room == 0 {
            if finish {
                return Poll::Ready(Ok(StreamResult::Cancelled));
            }
            state.contents.wait(cx);
            return Poll::Pending;
        }
        let mut source = source.as_direct(store);
        let bytes = source.remaining();
        let taken = bytes.len().min(room);
        // A write of nothing asks whether there is room.
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
pub(super) struct Trailers(Arc<Shared>);

impl Trailers {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Trailers(shared)
    }
}

impl FutureConsumer<Data> for Trailers {
    type Item = Result<Option<Resource<FieldMap>>, ErrorCode>;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut store: StoreContextMut<'_, Data>,
        mut source: Source<'_, Self::Item>,
        _: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut read = None;
        source.read(&mut store, &mut read)?;
        let read = read.context("a future was written without a value")?;
        let trailers = take_trailers(store.data_mut(), read)?;
        let mut state = self.0.lock();
        state.trailers = Given::Here(trailers);
        state.client.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Trailers {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if matches!(state.trailers, Given::NotYet) {
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
            state.contents.wake();
            return Poll::Ready(Some(Ok(Frame::data(piece.into()))));
        }
        if matches!(state.contents, End::Open(_)) || matches!(state.trailers, Given::NotYet) {
            state.client.wait(cx);
            return Poll::Pending;
        }
        match std::mem::replace(&mut state.trailers, Given::Over) {
            Given::Here(Ok(Some(trailers))) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Given::Here(Err(code)) => Poll::Ready(Some(Err(code.into()))),
            Given::Here(Ok(None)) | Given::Over | Given::NotYet => Poll::Ready(None),
        }
    }
}

impl Drop for PipeBody {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.client = End::Closed;
        state.piece = Vec::new();
        // The guest learns of it at once if it waits, and at its next write if not.
        state.contents.wake();
    }
}
