//! `wasi:http` outbound, both versions: a guest's request goes to its handler's
//! upstream, within the request's share and for as long as somebody waits.

use super::super::call::Call;
use super::super::data::{Blueprint, Data, current_call};
use super::super::engine::Concurrency;
use super::super::held::HeldBody;
use super::super::seat::Seat;
use super::reporter::Reporter;
use crate::body::{Body, BodyError};
use crate::policy::Denied;
use crate::upstream::{Options, Upstream, UpstreamError};
use http::{Request, Response};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use wasmtime::AsContextMut;
use wasmtime::component::{Accessor, HasData, Linker, Resource};
use wasmtime_wasi::TrappableError;
use wasmtime_wasi_http::p3::bindings::http::client::{self, HostWithStore};
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p3::{Request as GuestRequest, Response as GuestResponse};
use wasmtime_wasi_http::{
    Error as WasiError, RequestOptions, WasiBody, WasiHttp, WasiHttpCtxView, WasiHttpHooks,
    WasiHttpView,
};

/// Bytes that one write of a guest may put on their way; a larger write takes
/// several turns. Bounds what a slow client makes us hold per response.
pub(super) const CHUNK: usize = 64 << 10;

/// The outbound side of one instance.
pub(crate) struct Outbound {
    upstream: Arc<Upstream>,
    reporter: Arc<Reporter>,
    limits: Limits,
    seat: Option<Arc<Seat>>,
    /// The call that sends next, where several share the instance.
    sender: Mutex<Option<Arc<Call>>>,
}

#[derive(Clone, Copy)]
struct Limits {
    options: Options,
    requests: u32,
}

type Sent =
    Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), WasiError>> + Send>), WasiError>;

impl Outbound {
    pub(crate) fn new(blueprint: &Blueprint, seat: &Arc<Seat>) -> Self {
        let limits = &blueprint.limits;
        Outbound {
            upstream: blueprint.upstream.clone(),
            reporter: blueprint.reporter.clone(),
            limits: Limits {
                options: Options::from(limits),
                requests: u32::try_from(limits.outbound_requests).unwrap_or(u32::MAX),
            },
            seat: Some(seat.clone()),
            sender: Mutex::new(None),
        }
    }

    pub(super) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    fn set_sender(&self, call: Option<Arc<Call>>) {
        *self.sender.lock() = call;
    }

    fn sender(&self) -> Option<Arc<Call>> {
        let known = self.sender.lock().take();
        known.or_else(|| self.seat.as_ref().and_then(|seat| seat.call_of([])))
    }
}

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        wanted: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), WasiError>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let call = self.sender();
        let (upstream, reporter, limits) =
            (self.upstream.clone(), self.reporter.clone(), self.limits);
        Box::new(async move {
            let options = clamp(limits.options, wanted.unwrap_or_default());
            let request = request.map(|body| Body::stream(body.map_err(body_error)));
            let Some(call) = call else {
                let response = upstream.send(request, options).await;
                let response = response.map_err(|error| failed(&reporter, &error, None))?;
                reporter.meter.outbound.count("ok");
                return Ok((response.map(wasi_body), nothing_more()));
            };
            if call.outbound_begun.fetch_add(1, Ordering::Relaxed) >= limits.requests {
                reporter.meter.outbound.count("limit");
                return Err(WasiError::ConnectionLimitReached);
            }
            let sent = async {
                let permit = call.outbound_permit().await;
                let response = upstream.send(request, options).await;
                response.map(|response| (response, permit))
            };
            let (response, permit) = tokio::select! {
                sent = sent => sent.map_err(|error| failed(&reporter, &error, Some(&call)))?,
                () = call.until_abandoned() => {
                    reporter.meter.outbound.count("cancelled");
                    return Err(WasiError::ConnectionTerminated);
                }
            };
            reporter.meter.outbound.count("ok");
            let response = response.map(|body| {
                let held = HeldBody::new(body, permit);
                call.hold(&held);
                wasi_body(Body::stream(held.reader()))
            });
            Ok((response, nothing_more()))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }
}

/// A guest may ask for shorter times than its limits, not for longer ones.
fn clamp(limits: Options, wanted: RequestOptions) -> Options {
    Options {
        connect: wanted.connect_timeout.map_or(limits.connect, |t| t.min(limits.connect)),
        head: wanted.first_byte_timeout.map_or(limits.head, |t| t.min(limits.head)),
        gap: wanted.between_bytes_timeout.map_or(limits.gap, |t| t.min(limits.gap)),
    }
}

fn wasi_body(body: Body) -> WasiBody {
    body.map_err(super::super::worlds::wasi_error).boxed_unsync()
}

fn body_error(error: WasiError) -> BodyError {
    match error {
        WasiError::HttpRequestBodySize(_) => BodyError::WrongLength,
        other => BodyError::Other(other.to_string()),
    }
}

fn nothing_more() -> Box<dyn Future<Output = Result<(), WasiError>> + Send> {
    Box::new(std::future::ready(Ok(())))
}

fn failed(reporter: &Reporter, error: &UpstreamError, call: Option<&Arc<Call>>) -> WasiError {
    reporter.failed(error, call);
    guest_words(error)
}

fn guest_words(error: &UpstreamError) -> WasiError {
    match error {
        UpstreamError::Denied(Denied::PrivateAddress { .. }) => WasiError::DestinationIpProhibited,
        UpstreamError::Denied(_) => WasiError::HttpRequestDenied,
        UpstreamError::BadRequest { .. } => WasiError::HttpRequestUriInvalid,
        UpstreamError::Dns { .. } => {
            WasiError::DnsError { rcode: Some("address not available".into()), info_code: Some(0) }
        }
        UpstreamError::DnsTimeout { .. } => WasiError::DnsTimeout,
        UpstreamError::ConnectionLimit { .. } => WasiError::ConnectionLimitReached,
        UpstreamError::ConnectRefused { .. } => WasiError::ConnectionRefused,
        UpstreamError::Connect { .. } => WasiError::DestinationUnavailable,
        UpstreamError::ConnectTimeout { .. } | UpstreamError::TlsTimeout { .. } => {
            WasiError::ConnectionTimeout
        }
        UpstreamError::TlsCertificate { .. } => WasiError::TlsCertificateError,
        UpstreamError::Tls { .. } => WasiError::TlsProtocolError,
        UpstreamError::HeadTimeout(_) => WasiError::HttpResponseTimeout,
        UpstreamError::UploadStalled(_) => WasiError::ConnectionWriteTimeout,
        UpstreamError::Body(BodyError::WrongLength) => WasiError::HttpRequestBodySize(None),
        UpstreamError::Body(error) => WasiError::InternalError(Some(error.to_string())),
        UpstreamError::Closed(_) => WasiError::HttpResponseIncomplete,
        UpstreamError::Protocol(_) => WasiError::HttpProtocolError,
    }
}

/// Puts a note of who sends before `wasi:http/client@0.3`: only a function with the
/// store at hand can know, where several calls share an instance.
pub(super) fn add_to_linker(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    client::add_to_linker::<_, Client>(linker, Data::http)
}

struct Client;

impl HasData for Client {
    type Data<'a> = WasiHttpCtxView<'a>;
}

impl HostWithStore<Data> for Client {
    async fn send(
        accessor: &Accessor<Data, Self>,
        request: Resource<GuestRequest>,
    ) -> Result<Resource<GuestResponse>, TrappableError<ErrorCode>> {
        accessor.with(|mut access| {
            let call = current_call(&mut access.as_context_mut(), Concurrency::Many);
            access.data_mut().outbound.set_sender(call);
        });
        let accessor = accessor.with_getter::<WasiHttp>(Data::http);
        <WasiHttp as HostWithStore<Data>>::send(&accessor, request).await
    }
}
