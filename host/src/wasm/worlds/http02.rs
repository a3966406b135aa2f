//! `wasi:http/proxy@0.2`: an instance serves one request at a time, on a fiber of
//! its own.

use super::super::call::Call;
use super::super::data::Data;
use super::super::engine::Concurrency;
use super::super::pool::{Instance, Job};
use super::super::response::Content;
use super::super::slice;
use super::conclude;
use super::http03::wasi_error;
use crate::fault::{Fault, FaultKind};
use http::Response;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use wasmtime::Store;
use wasmtime::component::Resource;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::p2::types::HostResponseOutparam;
use wasmtime_wasi_http::{Error as WasiError, WasiBody, WasiHttpView};

pub(super) async fn run(instance: &Instance, proxy: &ProxyPre<Data>) {
    let pool = &instance.pool;
    let engine = proxy.engine();
    let mut store =
        pool.blueprint.store(engine, Concurrency::Single, 0, &instance.seat, &pool.ticks);
    let end = slice::drive(serve(&mut store, proxy, instance), instance).await;
    conclude(instance, &mut store, Concurrency::Single, end);
}

async fn serve(
    store: &mut Store<Data>,
    proxy: &ProxyPre<Data>,
    instance: &Instance,
) -> wasmtime::Result<()> {
    let proxy = proxy.instantiate_async(&mut *store).await?;
    while let Some(job) = next_job(instance).await {
        answer(store, &proxy, job, instance).await?;
    }
    Ok(())
}

/// Waits for a request; none if the instance is to end.
async fn next_job(instance: &Instance) -> Option<Box<Job>> {
    let seat = &instance.seat;
    seat.set_ready(true);
    let job = poll_fn(|_| {
        seat.take_mail();
        match seat.next_job() {
            Some(job) => Poll::Ready(Some(job)),
            None if instance.gets_no_more() => Poll::Ready(None),
            None => Poll::Pending,
        }
    })
    .await;
    seat.set_ready(false);
    job
}

async fn answer(
    store: &mut Store<Data>,
    proxy: &Proxy,
    job: Box<Job>,
    instance: &Instance,
) -> wasmtime::Result<()> {
    let Job { mut request, told, call } = *job;
    told.write(request.headers_mut());
    instance.seat.begin(None, &call);
    let request = request.map(|body| body.map_err(wasi_error));
    let scheme =
        if request.uri().scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http };
    let request = store.data_mut().http().new_incoming_request(scheme, request)?;
    let (out, answered) = outparam(store, &call, instance)?;
    proxy.wasi_http_incoming_handler().call_handle(&mut *store, request, out).await?;
    if !answered.load(Ordering::Relaxed) {
        call.fail(Fault::plain(FaultKind::NoResponse));
    }
    call.finish();
    Ok(())
}

/// The place where the guest puts its head, and a note whether it did.
fn outparam(
    store: &mut Store<Data>,
    call: &Arc<Call>,
    instance: &Instance,
) -> wasmtime::Result<(Resource<HostResponseOutparam>, Arc<AtomicBool>)> {
    let answered = Arc::new(AtomicBool::new(false));
    let (call, seat, note) = (call.clone(), instance.seat.clone(), answered.clone());
    let out = store.data_mut().http().new_response_outparam_from_callback(move |result| {
        note.store(true, Ordering::Relaxed);
        match result {
            Ok(response) => seat.post(call, tell_length(response)),
            Err(code) => {
                call.fail(Fault::new(
                    FaultKind::ErrorCode,
                    format!("the handler returned {code:?}"),
                ));
            }
        }
    })?;
    Ok((out, answered))
}

/// Of a body with a length wasmtime says nothing but that it was broken off, also when
/// it was too short or too long: it was not what its length said in any case.
fn tell_length(response: Response<WasiBody>) -> Response<Content> {
    if !response.headers().contains_key(CONTENT_LENGTH) {
        return response.map(Content::Wasi);
    }
    let tell = |error| match error {
        WasiError::HttpProtocolError => WasiError::HttpResponseBodySize(None),
        other => other,
    };
    response.map(|body| Content::Wasi(body.map_err(tell).boxed_unsync()))
}
