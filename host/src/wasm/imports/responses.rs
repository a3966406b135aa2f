//! `wasi:http/types@0.3`, `response.new`: a response's body is on its way from the
//! moment the response is made.
//!
//! wasmtime-wasi-http connects it only once the guest has returned the response. A
//! guest that writes a small body by then has to wait, to be told that its bytes were
//! taken, to be told that its trailers were, and to end: four turns of its task where
//! one does.

mod pipe;

use super::super::data::Data;
use http::{HeaderMap, Response};
use pipe::{Contents, Trailers};
use wasmtime::StoreContextMut;
use wasmtime::component::{FutureReader, Linker, Resource, StreamReader};
use wasmtime::error::Context as _;
use wasmtime_wasi_http::p3::Response as GuestResponse;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error as WasiError, FieldMap};

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
    let (shared, body) = pipe::pipe();
    match contents {
        Some(contents) => contents.pipe(&mut store, Contents::new(shared.clone()))?,
        None => shared.contents_end(),
    }
    trailers.pipe(&mut store, Trailers::new(shared))?;
    let data = store.data_mut();
    let mut headers = data.table.delete(fields).context("no such fields")?;
    headers.set_immutable();
    let (mut response, delivered) =
        GuestResponse::from_http(&mut data.outbound, Response::new(body));
    response.headers = headers;
    let response = data.table.push(response)?;
    let delivered = async move {
        let delivered = delivered.await;
        wasmtime::error::Ok(delivered.map_err(|error| guest_words(&error)))
    };
    Ok((response, FutureReader::new(&mut store, delivered)?))
}

/// Why a response did not reach its client, as far as a guest is told.
fn guest_words(error: &WasiError) -> ErrorCode {
    match error {
        WasiError::ConnectionTerminated => ErrorCode::ConnectionTerminated,
        WasiError::HttpResponseBodySize(size) => ErrorCode::HttpResponseBodySize(*size),
        other => ErrorCode::InternalError(Some(other.to_string())),
    }
}

/// The trailers that a guest gave, out of its table.
fn take_trailers(
    data: &mut Data,
    trailers: Result<Option<Resource<FieldMap>>, ErrorCode>,
) -> wasmtime::Result<Result<Option<HeaderMap>, ErrorCode>> {
    Ok(match trailers {
        Ok(Some(fields)) => {
            let fields = data.table.delete(fields).context("no such trailers")?;
            Ok(Some(fields.into()))
        }
        Ok(None) => Ok(None),
        Err(code) => Err(code),
    })
}
