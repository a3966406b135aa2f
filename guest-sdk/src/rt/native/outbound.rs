//! Requests that this component sends.

use super::super::{expects_body, only_in_a_component};
use super::bindings::squall::web::outbound::{self, Error, Request};
use super::bindings::squall::web::types::{Body as WebBody, Method as WebMethod, Scheme};
use super::fields::{Unread, Writer};
use super::incoming::IncomingBody;
use super::outgoing;
use crate::fetch::{FetchError, FetchErrorKind as Kind};
use crate::{Body, Response};
use http::{Method, StatusCode, header, uri};

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
        Some(scheme) if *scheme == uri::Scheme::HTTPS => Scheme::Https,
        Some(scheme) if *scheme == uri::Scheme::HTTP => Scheme::Http,
        Some(scheme) => return Err(invalid(&format!("the scheme `{scheme}` is not HTTP"))),
        None => return Err(invalid("the URL has no scheme and host")),
    };
    let authority = head.uri.authority().ok_or_else(|| invalid("the URL has no host"))?;
    let body = outgoing::start(body).body;
    let mut headers = Writer::with(&head.headers);
    let has_length = head.headers.contains_key(header::CONTENT_LENGTH);
    if matches!(body, WebBody::Empty) && expects_body(&head.method) && !has_length {
        headers.push(&header::CONTENT_LENGTH, b"0");
    }
    Ok(Request {
        method: method(&head.method),
        scheme,
        authority: authority.as_str().to_owned(),
        path_with_query: head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        headers: headers.finish(),
        body,
        timeout: None,
    })
}

fn method(method: &Method) -> WebMethod {
    match *method {
        Method::GET => WebMethod::Get,
        Method::HEAD => WebMethod::Head,
        Method::POST => WebMethod::Post,
        Method::PUT => WebMethod::Put,
        Method::DELETE => WebMethod::Delete,
        Method::CONNECT => WebMethod::Connect,
        Method::OPTIONS => WebMethod::Options,
        Method::TRACE => WebMethod::Trace,
        Method::PATCH => WebMethod::Patch,
        _ => WebMethod::Other(method.as_str().to_owned()),
    }
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
