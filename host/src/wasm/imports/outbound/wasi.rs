//! `wasi:http` outbound, both versions.

use super::super::super::data::{Data, current_call};
use super::super::super::engine::Concurrency;
use super::super::super::pipe::CHUNK;
use super::{Outbound, Unsent, Wanted};
use crate::body::{Body, BodyError};
use crate::policy::Denied;
use crate::upstream::UpstreamError;
use http::{Request, Response};
use http_body_util::BodyExt;
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

type Processed = Box<dyn Future<Output = Result<(), WasiError>> + Send>;
type Sent = Result<(Response<WasiBody>, Processed), WasiError>;

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        wanted: Option<RequestOptions>,
        _processed: Processed,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let (sender, call) = (self.sender(), self.take_next());
        let wanted = wanted.unwrap_or_default();
        let wanted = Wanted {
            connect: wanted.connect_timeout,
            head: wanted.first_byte_timeout,
            gap: wanted.between_bytes_timeout,
        };
        let request = request.map(|body| Body::stream(body.map_err(body_error)));
        Box::new(async move {
            let sent = sender.send(request, wanted, call).await;
            let response = sent.map_err(|unsent| guest_words(&unsent))?;
            let nothing_more: Processed = Box::new(std::future::ready(Ok(())));
            Ok((response.map(wasi_body), nothing_more))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }
}

fn wasi_body(body: Body) -> WasiBody {
    body.map_err(super::super::super::worlds::wasi_error).boxed_unsync()
}

fn body_error(error: WasiError) -> BodyError {
    match error {
        WasiError::HttpRequestBodySize(_) => BodyError::WrongLength,
        other => BodyError::Other(other.to_string()),
    }
}

fn guest_words(unsent: &Unsent) -> WasiError {
    let error = match unsent {
        Unsent::Limit => return WasiError::ConnectionLimitReached,
        Unsent::Cancelled => return WasiError::ConnectionTerminated,
        Unsent::Upstream(error) => error,
    };
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
pub(in crate::wasm::imports) fn add_to_linker(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
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
            access.data_mut().outbound.set_next(call);
        });
        let accessor = accessor.with_getter::<WasiHttp>(Data::http);
        <WasiHttp as HostWithStore<Data>>::send(&accessor, request).await
    }
}
