//! A body of a guest's on its way out.

use super::super::data::Data;
use super::super::pipe::{self, Contents, PipeBody, Shared};
use super::incoming::Incoming;
use super::{Body as WebBody, BodyError as WebError, Fields, from_fields};
use crate::body::{Body, declared_length};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use wasmtime::StoreContextMut;
use wasmtime::component::{FutureConsumer, Source};
use wasmtime::error::Context as _;

pub(in crate::wasm) enum Outgoing {
    /// Given whole, or passed on as it came.
    Host(Body),
    /// With its length, if the guest knows it.
    Pipe(PipeBody<WebError>, Option<u64>),
}

/// Takes a guest's body. `fields` bounds its trailers, in bytes.
pub(in crate::wasm) fn from_body(
    store: &mut StoreContextMut<'_, Data>,
    body: WebBody,
    fields: usize,
) -> wasmtime::Result<Outgoing> {
    let mut stream = match body {
        WebBody::Empty => return Ok(Outgoing::Host(Body::empty())),
        WebBody::Bytes(bytes) => return Ok(Outgoing::Host(Body::full(bytes))),
        WebBody::Stream(stream) => stream,
    };
    let contents = match stream.contents.try_into::<Incoming>(&mut *store) {
        Ok(incoming) => {
            stream.ending.close(store)?;
            return Ok(Outgoing::Host(incoming.into_body()));
        }
        Err(contents) => contents,
    };
    let (shared, body) = pipe::pipe();
    contents.pipe(&mut *store, Contents::new(shared.clone()))?;
    stream.ending.pipe(store, Ending { shared, fields })?;
    Ok(Outgoing::Pipe(body, stream.length))
}

/// What a guest said of a body that it broke off.
pub(in crate::wasm) fn why(error: WebError) -> String {
    match error {
        WebError::Incomplete(text) | WebError::Failed(text) => text,
        WebError::TooLarge(limit) => format!("it is larger than {limit} bytes"),
    }
}

/// The length of a body is neither of these.
#[derive(Debug, thiserror::Error)]
#[error("a `content-length` says another length than the stream of the body has: {0} bytes")]
pub(in crate::wasm) struct TwoLengths(u64);

/// Says among `headers` what length a stream has, if that is known.
pub(in crate::wasm) fn declare(
    length: Option<u64>,
    headers: &mut HeaderMap,
) -> Result<(), TwoLengths> {
    let Some(length) = length else { return Ok(()) };
    if !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if declared_length(headers) == Some(length) { Ok(()) } else { Err(TwoLengths(length)) }
}

/// Takes a body's trailers, or the guest's word on how it ended.
struct Ending {
    shared: Arc<Shared<WebError>>,
    fields: usize,
}

impl FutureConsumer<Data> for Ending {
    type Item = Result<Option<Fields>, WebError>;

    fn poll_consume(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut store: StoreContextMut<'_, Data>,
        mut source: Source<'_, Self::Item>,
        _finish: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut read = None;
        source.read(&mut store, &mut read)?;
        let ending = read.context("a future was written without a value")?;
        let trailers = ending.and_then(|trailers| {
            let trailers = trailers.map(|trailers| from_fields(trailers, self.fields)).transpose();
            trailers.map_err(|error| WebError::Failed(error.to_string()))
        });
        self.shared.give_trailers(trailers);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.shared.trailers_end();
    }
}
