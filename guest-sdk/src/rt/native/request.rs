//! The head of a request. It came as a whole; what is made of it is made when it is
//! asked for.

use super::super::path_and_query;
use super::bindings::exports::squall::web::handler::Request;
use super::bindings::squall::web::types::{
    Body as WebBody, IpAddress, Method as WebMethod, Scheme,
};
use super::fields::Unread;
use super::incoming::IncomingBody;
use crate::Body;
use http::uri::{self, Authority};
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use std::borrow::Cow;
use std::net::IpAddr;

pub(crate) struct RawRequest {
    method: WebMethod,
    scheme: Scheme,
    authority: String,
    path_with_query: String,
    mount: Option<String>,
    captures: Vec<(String, String)>,
    client: Option<IpAddress>,
    id: u64,
    fields: Unread,
    body: WebBody,
}

impl RawRequest {
    pub(super) fn new(request: Request) -> Self {
        Self {
            method: request.method,
            scheme: request.scheme,
            authority: request.authority,
            path_with_query: request.path_with_query,
            mount: request.mount,
            captures: request.captures,
            client: request.client,
            id: request.id,
            fields: request.headers.into(),
            body: request.body,
        }
    }

    pub(crate) fn method(&self) -> Method {
        match &self.method {
            WebMethod::Get => Method::GET,
            WebMethod::Head => Method::HEAD,
            WebMethod::Post => Method::POST,
            WebMethod::Put => Method::PUT,
            WebMethod::Delete => Method::DELETE,
            WebMethod::Connect => Method::CONNECT,
            WebMethod::Options => Method::OPTIONS,
            WebMethod::Trace => Method::TRACE,
            WebMethod::Patch => Method::PATCH,
            // The host has parsed it, so it is a token.
            WebMethod::Other(name) => Method::from_bytes(name.as_bytes()).unwrap_or_default(),
        }
    }

    /// The path and the query.
    pub(crate) fn uri(&self) -> Uri {
        path_and_query(self.path_with_query.clone()).into()
    }

    /// The whole address, as far as it is known.
    pub(crate) fn url(&self) -> Uri {
        let mut parts = self.uri().into_parts();
        parts.authority = Authority::try_from(self.authority.as_str()).ok();
        parts.scheme = parts.authority.as_ref().map(|_| match self.scheme {
            Scheme::Http => uri::Scheme::HTTP,
            Scheme::Https => uri::Scheme::HTTPS,
        });
        Uri::from_parts(parts).unwrap_or_else(|_| self.uri())
    }

    /// The first value of one header.
    pub(crate) fn header(&self, name: &str) -> Option<Vec<u8>> {
        if name.eq_ignore_ascii_case(header::HOST.as_str()) {
            return (!self.authority.is_empty()).then(|| self.authority.clone().into_bytes());
        }
        self.fields.get(name).map(Into::into)
    }

    /// All headers.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = self.fields.read();
        if let Ok(host) = HeaderValue::try_from(self.authority.as_str())
            && !host.is_empty()
        {
            headers.insert(header::HOST, host);
        }
        headers
    }

    /// The part of the path that the route names so, decoded.
    pub(crate) fn capture(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut captures = self.captures.iter();
        let (_, value) = captures.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(Cow::Borrowed(value))
    }

    pub(crate) fn base_path(&self) -> Option<Cow<'_, str>> {
        self.mount.as_deref().map(Cow::Borrowed)
    }

    /// As the log writes it.
    pub(crate) fn request_id(&self) -> Option<String> {
        Some(format!("{:016x}", self.id))
    }

    pub(crate) fn client_address(&self) -> Option<IpAddr> {
        Some(match self.client? {
            IpAddress::Ipv4((a, b, c, d)) => [a, b, c, d].into(),
            IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => [a, b, c, d, e, f, g, h].into(),
        })
    }

    pub(crate) fn into_body(self) -> Body {
        IncomingBody::body(self.body, false)
    }
}
