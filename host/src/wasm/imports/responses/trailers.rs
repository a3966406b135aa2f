//! A response's trailers, from the guest's table to its client.

use super::super::super::data::Data;
use super::super::super::pipe::Shared;
use http::HeaderMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use wasmtime::StoreContextMut;
use wasmtime::component::{FutureConsumer, Resource, Source};
use wasmtime::error::Context as _;
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;

/// Takes the trailers, or the guest's word that there are none.
pub(super) struct Trailers {
    shared: Arc<Shared<ErrorCode>>,
    /// Given by the guest, and not yet wanted.
    fields: Option<Resource<FieldMap>>,
}

impl Trailers {
    pub(super) fn new(shared: Arc<Shared<ErrorCode>>) -> Self {
        Trailers { shared, fields: None }
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
                    self.shared.give_trailers(Err(code));
                    return Poll::Ready(Ok(()));
                }
            }
        }
        if self.fields.is_some() && !finish && self.shared.defer_trailers(cx) {
            return Poll::Pending;
        }
        let fields = self.fields.take();
        let fields = fields.map(|fields| store.data_mut().table.delete(fields)).transpose();
        self.shared.give_trailers(Ok(fields.context("no such trailers")?.map(HeaderMap::from)));
        Poll::Ready(Ok(()))
    }
}

impl Drop for Trailers {
    fn drop(&mut self) {
        self.shared.trailers_end();
    }
}
