//! `wasi:http/types@0.3`, `response.new`: a response's body is on its way from the
//! moment the response is made.
//!
//! wasmtime-wasi-http connects it only once the guest has returned the response. A
//! guest that writes a small body by then has to wait, to be told that its bytes were
//! taken, to be told that its trailers were, and to end: four turns of its task where
//! one does.

mod trailers;
mod unreturned;

pub(in crate::wasm) use unreturned::Unreturned;

use super::super::data::Data;
use super::super::pipe::{self, Contents};
use http::Response;
use http_body_util::BodyExt;
use std::sync::Arc;
use trailers::Trailers;
use wasmtime::component::{Access, FutureReader, Linker, Resource, StreamAny, StreamReader};
use wasmtime::error::Context as _;
use wasmtime::{AsContextMut, StoreContextMut};
use wasmtime_wasi_http::p3::Response as GuestResponse;
use wasmtime_wasi_http::p3::bindings::http::types::{ErrorCode, HostResponseWithStore};
use wasmtime_wasi_http::{Error as WasiError, FieldMap, WasiHttp, WasiHttpView};

type TrailersReader = FutureReader<Result<Option<Resource<FieldMap>>, ErrorCode>>;
type Params = (Resource<FieldMap>, Option<StreamReader<u8>>, TrailersReader);
type Made = (Resource<GuestResponse>, FutureReader<Result<(), ErrorCode>>);

pub(super) fn add_to_linker(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    let mut types = linker.instance("wasi:http/types@0.3.0")?;
    types.func_wrap("[static]response.new", |store, params: Params| Ok((new(store, params)?,)))
}

fn new(
    mut store: StoreContextMut<'_, Data>,
    (fields, contents, trailers): Params,
) -> wasmtime::Result<Made> {
    let contents = match contents.map(|contents| maker(&mut store, contents)).transpose()? {
        // Passed on: wasmtime hands over the body itself, with its length and its errors.
        Some(Maker::Host(contents)) => {
            let access = Access::<_, WasiHttp>::new(store.as_context_mut(), Data::http);
            let made = <WasiHttp as HostResponseWithStore<Data>>::new(
                access,
                fields,
                Some(contents),
                trailers,
            )?;
            store.data_mut().unreturned.passed_on(&made.0);
            return Ok(made);
        }
        Some(Maker::Guest(contents)) => Some(contents),
        None => None,
    };
    let (shared, body) = pipe::unreturned(store.data().unreturned.budget());
    match contents {
        Some(contents) => contents.pipe(&mut store, Contents::new(shared.clone()))?,
        None => shared.contents_end(),
    }
    trailers.pipe(&mut store, Trailers::new(shared.clone()))?;
    let data = store.data_mut();
    let mut headers = data.table.delete(fields).context("no such fields")?;
    headers.set_immutable();
    let (mut response, delivered) =
        GuestResponse::from_http(&mut data.outbound, Response::new(body.map_err(WasiError::from)));
    response.headers = headers;
    let response = data.table.push(response)?;
    data.unreturned.made(&response, shared);
    let delivered = async move {
        let delivered = delivered.await;
        wasmtime::error::Ok(delivered.map_err(|error| guest_words(&error)))
    };
    Ok((response, FutureReader::new(&mut store, delivered)?))
}

/// Who writes a stream.
enum Maker {
    Guest(StreamReader<u8>),
    Host(StreamReader<u8>),
}

/// wasmtime does not tell. But it knows a guest's stream by its WIT type, which is that
/// of several Rust types, and the host's by its one Rust type.
fn maker(
    store: &mut StoreContextMut<'_, Data>,
    stream: StreamReader<u8>,
) -> wasmtime::Result<Maker> {
    let any = StreamAny::try_from_stream_reader(store.as_context_mut(), stream)?;
    let is_guests = any.clone().try_into_stream_reader::<Arc<u8>>().is_ok();
    let stream = any.try_into_stream_reader()?;
    Ok(if is_guests { Maker::Guest(stream) } else { Maker::Host(stream) })
}

/// Why a response did not reach its client, as far as a guest is told.
fn guest_words(error: &WasiError) -> ErrorCode {
    match error {
        WasiError::ConnectionTerminated => ErrorCode::ConnectionTerminated,
        WasiError::HttpResponseBodySize(size) => ErrorCode::HttpResponseBodySize(*size),
        other => ErrorCode::InternalError(Some(other.to_string())),
    }
}
