//! Requests that this component sends.

use super::super::{expects_body, only_in_a_component};
use super::bindings::squall::web::outbound::{self, Error, Request};
use super::bindings::squall::web::types::Body as WebBody;
use super::fields::{Unread, Writer};
use super::incoming::IncomingBody;
use super::outgoing;
use crate::fetch::{FetchError, FetchErrorKind as Kind};
use crate::{Body, Response};
use http::uri::Scheme;
use http::{StatusCode, header};

pub(crate) async fn send(request: http::Request<Body>) -> Result<Response, FetchError> {
    only_in_a_component();
    let response = outbound::send(lower(request)?).await.map_err(fault)?;
    let mut lifted = Response::default();
    *lifted.status_mut() = StatusCode::from_u16(response.status)
        .map_err(|error| FetchError::new(Kind::Protocol, error.to_string()))?;
    *lifted.headers_mut() = Unread::from(response.headers).read();
    *lifted.body_mut() = IncomingBody::body(response.body, true);
    Ok(lifted)
}

fn lower(request: http::Request<Body>) -> Result<Request, FetchError> {
    let (head, body) = request.into_parts();
    let invalid = |reason: &str| FetchError::new(Kind::InvalidRequest, reason.to_owned());
    let scheme = match head.uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS || *scheme == Scheme::HTTP => scheme,
        Some(scheme) => return Err(invalid(&format!("the scheme `{scheme}` is not HTTP"))),
        None => return Err(invalid("the URL has no scheme and host")),
    };
    let authority = head.uri.authority().ok_or_else(|| invalid("the URL has no host"))?;
    let body = outgoing::start(body).body;
    let pseudo = [
        (":method", head.method.as_str()),
        (":scheme", scheme.as_str()),
        (":authority", authority.as_str()),
        (":path", head.uri.path_and_query().map_or("/", |path| path.as_str())),
    ];
    let mut fields = Writer::after(&pseudo, &head.headers);
    let has_length = head.headers.contains_key(header::CONTENT_LENGTH);
    if matches!(body, WebBody::Empty) && expects_body(&head.method) && !has_length {
        fields.push(header::CONTENT_LENGTH.as_str(), b"0");
    }
    Ok(Request { head: fields.finish(), body, timeout: None })
}

fn fault(error: Error) -> FetchError {
    let (kind, reason) = match error {
        Error::Denied(reason) => (Kind::Denied, reason),
        Error::UnknownHost(reason) => (Kind::UnknownHost, reason),
        Error::Unreachable(reason) => (Kind::Unreachable, reason),
        Error::Timeout(reason) => (Kind::Timeout, reason),
        Error::Tls(reason) => (Kind::Tls, reason),
        Error::Limit(reason) => (Kind::Limit, reason),
        Error::Invalid(reason) => (Kind::InvalidRequest, reason),
        Error::Protocol(reason) => (Kind::Protocol, reason),
        Error::Cancelled => (Kind::Unreachable, "the client that it was for has left".into()),
    };
    FetchError::new(kind, reason)
}
