//! Requests to other servers.

use super::super::super::data::Data;
use super::super::super::web::outbound::{Error, Host, HostWithStore, Request};
use super::super::super::web::{
    Fields, Outgoing, Response, declare, from_body, from_fields, from_method, from_scheme, to_body,
    to_fields,
};
use super::super::outbound::{Unsent, Wanted};
use super::{Web, caller};
use crate::body::{Body, BodyError};
use crate::policy::Denied;
use crate::upstream::UpstreamError;
use http::Uri;
use http::header::HOST;
use http_body_util::BodyExt;
use std::time::Duration;
use wasmtime::component::Accessor;
use wasmtime::{AsContextMut, StoreContextMut};

impl Host for Data {}

impl HostWithStore<Data> for Web {
    async fn send(
        accessor: &Accessor<Data, Self>,
        request: Request,
    ) -> wasmtime::Result<Result<Response, Error>> {
        let call = caller(accessor);
        let head = request.timeout.map(Duration::from_nanos);
        let wanted = Wanted { head, ..Wanted::default() };
        let (request, sender) = accessor.with(|mut access| {
            let request = lower(&mut access.as_context_mut(), request)?;
            wasmtime::error::Ok((request, access.get().outbound.sender()))
        })?;
        let request = match request {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let response = match sender.send(request, wanted, call).await {
            Ok(response) => response,
            Err(unsent) => return Ok(Err(words(&unsent))),
        };
        let (head, body) = response.into_parts();
        accessor.with(|mut access| {
            let body = to_body(&mut access.as_context_mut(), body)?;
            let (status, headers) = (head.status.as_u16(), to_fields(&head.headers, &[]));
            Ok(Ok(Response { status, headers, body }))
        })
    }
}

/// A guest's request as HTTP's, or what is wrong with it.
fn lower(
    store: &mut StoreContextMut<'_, Data>,
    request: Request,
) -> wasmtime::Result<Result<http::Request<Body>, Error>> {
    let limit = store.data().limits.fields.to_usize();
    let body = from_body(store, request.body, limit)?;
    let invalid = |text: String| Ok(Err(Error::Invalid(text)));
    let Some(method) = from_method(&request.method) else {
        return invalid("the method is no token".into());
    };
    let uri = Uri::builder()
        .scheme(from_scheme(request.scheme))
        .authority(request.authority)
        .path_and_query(request.path_with_query)
        .build();
    let uri = match uri {
        Ok(uri) => uri,
        Err(error) => return invalid(format!("the URL is none: {error}")),
    };
    let mut headers = match headers(request.headers, limit) {
        Ok(headers) => headers,
        Err(text) => return invalid(text),
    };
    let body = match body {
        Outgoing::Host(body) => body,
        Outgoing::Pipe(body, length) => {
            if let Err(error) = declare(length, &mut headers) {
                return invalid(error.to_string());
            }
            Body::stream(body.map_err(|error| BodyError::Other(format!("{error:?}"))))
        }
    };
    let mut lowered = http::Request::new(body);
    *lowered.method_mut() = method;
    *lowered.uri_mut() = uri;
    *lowered.headers_mut() = headers;
    Ok(Ok(lowered))
}

fn headers(fields: Fields, limit: usize) -> Result<http::HeaderMap, String> {
    let mut headers = from_fields(fields, limit).map_err(|error| error.to_string())?;
    // The URL says it.
    headers.remove(HOST);
    Ok(headers)
}

/// Why there is no response, as far as the guest is told.
fn words(unsent: &Unsent) -> Error {
    let error = match unsent {
        Unsent::Limit => return Error::Limit("this request has sent as many as it may".into()),
        Unsent::Cancelled => return Error::Cancelled,
        Unsent::Upstream(error) => error,
    };
    let text = match error {
        // Which addresses a name has is the host's to know.
        UpstreamError::Denied(Denied::PrivateAddress { .. }) => {
            "no grant allows this private address".into()
        }
        other => other.to_string(),
    };
    match error {
        UpstreamError::Denied(_) => Error::Denied(text),
        UpstreamError::BadRequest { .. } => Error::Invalid(text),
        UpstreamError::Dns { .. } => Error::UnknownHost(text),
        UpstreamError::DnsTimeout { .. }
        | UpstreamError::ConnectTimeout { .. }
        | UpstreamError::TlsTimeout { .. }
        | UpstreamError::HeadTimeout(_)
        | UpstreamError::UploadStalled(_) => Error::Timeout(text),
        UpstreamError::ConnectionLimit { .. } => Error::Limit(text),
        UpstreamError::ConnectRefused { .. }
        | UpstreamError::Connect { .. }
        | UpstreamError::Closed(_) => Error::Unreachable(text),
        UpstreamError::TlsCertificate { .. } | UpstreamError::Tls { .. } => Error::Tls(text),
        UpstreamError::Body(_) => Error::Invalid(text),
        UpstreamError::Protocol(_) => Error::Protocol(text),
    }
}
