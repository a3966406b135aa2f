//! `wasi:http/service@0.3`.

use super::super::call::Call;
use super::super::data::Data;
use super::super::engine::Concurrency;
use super::super::pool::Instance;
use super::super::response::Content;
use super::super::slice;
use super::conclude;
use super::concurrent::{Handle, serve};
use crate::body::{Body, BodyError};
use crate::fault::{Fault, FaultKind};
use crate::told::Told;
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::Arc;
use wasmtime::component::{Resource, TypedFunc};
use wasmtime::{Store, StoreContextMut};
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p3::{Request, Response};
use wasmtime_wasi_http::{Error as WasiError, WasiHttpView};

pub(super) async fn run(instance: &Instance, service: &ServicePre<Data>) {
    let pool = &instance.pool;
    let (blueprint, concurrent) = (&pool.blueprint, pool.concurrency());
    let engine = service.engine();
    let mut store =
        blueprint.store(engine, Concurrency::Many, concurrent, &instance.seat, &pool.ticks);
    let end = slice::drive(start(&mut store, service, instance), instance).await;
    conclude(instance, &mut store, Concurrency::Many, end);
}

async fn start(
    store: &mut Store<Data>,
    service: &ServicePre<Data>,
    instance: &Instance,
) -> wasmtime::Result<()> {
    let service = service.instantiate_async(&mut *store).await?;
    serve(store, HttpHandle(service.wasi_http_handler().func_handle()), instance).await
}

#[derive(Clone, Copy)]
struct HttpHandle(TypedFunc<Params, Return>);

type Params = (Resource<Request>,);
type Return = (Result<Resource<Response>, ErrorCode>,);

impl Handle for HttpHandle {
    type Params = Params;
    type Return = Return;

    fn func(self) -> TypedFunc<Params, Return> {
        self.0
    }

    fn params(
        store: &mut StoreContextMut<'_, Data>,
        mut request: http::Request<Body>,
        told: Told,
    ) -> wasmtime::Result<Params> {
        told.write(request.headers_mut());
        let request = request.map(|body| body.map_err(wasi_error));
        let data = store.data_mut();
        // How the request's body fared is told to the guest by the body itself.
        let (request, _) = Request::from_http(&mut data.outbound, request);
        Ok((data.table.push(request)?,))
    }

    fn answered(
        store: &mut StoreContextMut<'_, Data>,
        (returned,): Return,
        call: Arc<Call>,
    ) -> wasmtime::Result<()> {
        let response = match returned {
            Ok(response) => response,
            Err(code) => {
                let text = format!("the handler returned {code:?}");
                call.fail(Fault::new(FaultKind::ErrorCode, text));
                call.finish();
                return Ok(());
            }
        };
        let data = store.data_mut();
        data.unreturned.returned(&response);
        let mut response = data.table.delete(response)?;
        // wasmtime would hold a body to its length that is not sent. We look ourselves.
        let headers = std::mem::take(&mut response.headers);
        let delivered = delivered(call.clone());
        let mut response = response.into_http_with_getter(&mut *store, delivered, Data::http)?;
        *response.headers_mut() = headers.into();
        store.data().seat.post(call, response.map(Content::Wasi));
        Ok(())
    }
}

/// What a guest learns of its response's way to the client, if it asks.
fn delivered(call: Arc<Call>) -> Pin<Box<dyn Future<Output = Result<(), WasiError>> + Send>> {
    Box::pin(async move {
        match call.until_over().await {
            true if call.fault().is_none() => Ok(()),
            true | false => Err(WasiError::ConnectionTerminated),
        }
    })
}

/// What a guest learns of a request's body that broke.
pub(in crate::wasm) fn wasi_error(error: BodyError) -> WasiError {
    match error {
        BodyError::Gone => WasiError::ConnectionTerminated,
        BodyError::TooLarge { limit } => WasiError::HttpRequestBodySize(Some(limit)),
        BodyError::Stalled(_) | BodyError::TooSlow(_) => WasiError::ConnectionReadTimeout,
        BodyError::WrongLength | BodyError::Malformed => WasiError::HttpProtocolError,
        BodyError::Failed(_) | BodyError::Other(_) => {
            WasiError::InternalError(Some(error.to_string()))
        }
    }
}
