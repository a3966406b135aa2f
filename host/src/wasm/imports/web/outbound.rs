//! Requests to other servers.

use super::super::super::data::Data;
use super::super::super::web::outbound::{Error, Host, HostWithStore, Request};
use super::super::super::web::{
    BadFields, Fields, Outgoing, Response, append, declare, for_each, from_body, to_body,
    to_fields, why,
};
use super::super::outbound::{Unsent, Wanted};
use super::{Web, caller};
use crate::body::{Body, BodyError};
use crate::policy::Denied;
use crate::upstream::UpstreamError;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Uri};
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
            let (status, headers) = (head.status.as_u16(), to_fields(&head.headers));
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
    let mut lowered = match head(request.head, limit) {
        Ok(head) => head,
        Err(text) => return Ok(Err(Error::Invalid(text))),
    };
    let body = match body {
        Outgoing::Host(body) => body,
        Outgoing::Pipe(body, length) => {
            if let Err(error) = declare(length, lowered.headers_mut()) {
                return Ok(Err(Error::Invalid(error.to_string())));
            }
            Body::stream(body.map_err(|error| BodyError::Other(why(error))))
        }
    };
    Ok(Ok(lowered.map(|()| body)))
}

/// A head without a body. Of a pseudo-field that comes twice the last counts.
fn head(fields: Fields, limit: usize) -> Result<http::Request<()>, String> {
    let mut head = http::Request::new(());
    let mut uri = http::uri::Parts::default();
    let taken = for_each(fields, limit, |name, value| {
        let bad = |what| BadFields::Pseudo(what, String::from_utf8_lossy(&value).into_owned());
        match &*name {
            b":method" => {
                *head.method_mut() = Method::from_bytes(&value).map_err(|_| bad("method"))?;
            }
            b":scheme" => {
                uri.scheme = Some(Scheme::try_from(&*value).map_err(|_| bad("scheme"))?);
            }
            b":authority" => {
                let authority = Authority::from_maybe_shared(value.clone());
                uri.authority = Some(authority.map_err(|_| bad("authority"))?);
            }
            b":path" => {
                let path = PathAndQuery::from_maybe_shared(value.clone());
                uri.path_and_query = Some(path.map_err(|_| bad("path"))?);
            }
            // The authority says it.
            name if name.eq_ignore_ascii_case(b"host") => {}
            name => append(head.headers_mut(), name, value)?,
        }
        Ok(())
    });
    taken.map_err(|error| error.to_string())?;
    *head.uri_mut() = Uri::from_parts(uri).map_err(|error| format!("the URL is none: {error}"))?;
    Ok(head)
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
