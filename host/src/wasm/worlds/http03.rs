//! `wasi:http/service@0.3`: an instance serves several requests at once, each a
//! task of the component model's async ABI.

use super::super::call::Call;
use super::super::data::Data;
use super::super::engine::Concurrency;
use super::super::pool::{Instance, Job};
use super::super::seat::Seat;
use super::super::slice;
use super::conclude;
use crate::body::BodyError;
use crate::fault::{Fault, FaultKind};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_body_util::BodyExt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use wasmtime::Store;
use wasmtime::component::{Accessor, Resource, TypedFunc, TypedFuncCallConcurrent};
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p3::{Request, Response};
use wasmtime_wasi_http::{Error as WasiError, WasiHttpView};

type Params = (Resource<Request>,);
type Return = (Result<Resource<Response>, ErrorCode>,);
type HandleFunc = TypedFunc<Params, Return>;

pub(super) async fn run(instance: &Instance, service: &ServicePre<Data>) {
    let pool = &instance.pool;
    let (blueprint, concurrent) = (&pool.blueprint, pool.concurrency());
    let engine = service.engine();
    let mut store =
        blueprint.store(engine, Concurrency::Many, concurrent, &instance.seat, &pool.ticks);
    let end = slice::drive(serve(&mut store, service, instance), instance).await;
    conclude(instance, &mut store, Concurrency::Many, end);
}

async fn serve(
    store: &mut Store<Data>,
    service: &ServicePre<Data>,
    instance: &Instance,
) -> wasmtime::Result<()> {
    let service = service.instantiate_async(&mut *store).await?;
    let func = service.wasi_http_handler().func_handle();
    let seat = &instance.seat;
    seat.set_ready(true);
    store
        .run_concurrent(async |accessor| {
            // Not tasks of wasmtime's: those can be aborted, which costs two more
            // allocations and a lock for each request, and nobody aborts them.
            let mut heads = FuturesUnordered::new();
            poll_fn(|cx| {
                // wasmtime polls this at each turn of its event loop.
                let has_mail = seat.take_mail();
                while has_mail && let Some(job) = seat.next_job() {
                    heads.push(head(begin(job, accessor, func, seat)?, accessor));
                }
                while let Poll::Ready(Some(delivered)) = heads.poll_next_unpin(cx) {
                    delivered?;
                }
                if has_mail { poll_end(instance, accessor, cx) } else { Poll::Pending }
            })
            .await
        })
        .await?
}

/// Ready once the instance has no work left and will get none.
fn poll_end(
    instance: &Instance,
    accessor: &Accessor<Data>,
    cx: &mut Context<'_>,
) -> Poll<wasmtime::Result<()>> {
    let seat = &instance.seat;
    if seat.live() > 0 || !instance.gets_no_more() {
        return Poll::Pending;
    }
    match accessor.poll_no_interesting_tasks(cx) {
        Poll::Ready(()) => Poll::Ready(Ok(())),
        Poll::Pending => {
            // Look again when that changes.
            seat.expect_mail();
            Poll::Pending
        }
    }
}

/// A guest's task for one request.
struct Task {
    started: TypedFuncCallConcurrent<Data, Params, Return>,
    func: HandleFunc,
    call: Arc<Call>,
    seat: Arc<Seat>,
}

fn begin(
    job: Job,
    accessor: &Accessor<Data>,
    func: HandleFunc,
    seat: &Arc<Seat>,
) -> wasmtime::Result<Task> {
    let Job { mut request, told, call } = job;
    told.write(request.headers_mut());
    let request = request.map(|body| body.map_err(wasi_error));
    let started = accessor.with(|mut store| {
        let data = store.data_mut();
        // How the request's body fared is told to the guest by the body itself.
        let (request, _) = Request::from_http(&mut data.outbound, request);
        let request = data.table.push(request)?;
        func.start_call_concurrent(&mut store, (request,))
    });
    match started {
        Ok(started) => {
            seat.begin(Some(started.task()), &call);
            Ok(Task { started, func, call, seat: seat.clone() })
        }
        Err(error) => {
            seat.begin(None, &call);
            seat.set_culprit(Some(call));
            Err(error)
        }
    }
}

/// Waits for the guest's head, and posts it.
async fn head(task: Task, accessor: &Accessor<Data>) -> wasmtime::Result<()> {
    let Task { started, func, call, seat } = task;
    let (result,) = func.finish_call_concurrent(accessor, started).await?;
    match result {
        Ok(response) => accessor.with(|mut store| {
            let data = store.data_mut();
            data.unreturned.returned(&response);
            let mut response = data.table.delete(response)?;
            // wasmtime would hold a body to its length that is not sent. We look ourselves.
            let headers = std::mem::take(&mut response.headers);
            let delivered = delivered(call.clone());
            let mut response = response.into_http_with_getter(&mut store, delivered, Data::http)?;
            *response.headers_mut() = headers.into();
            seat.post(call, response);
            Ok(())
        }),
        Err(code) => {
            let text = format!("the handler returned {code:?}");
            call.fail(Fault::new(FaultKind::ErrorCode, text));
            call.finish();
            Ok(())
        }
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
