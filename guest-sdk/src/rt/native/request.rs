//! The head of a request. It came as a whole; what is made of it is made when it is
//! asked for.

use super::bindings::exports::squall::web::handler::Request;
use super::bindings::squall::web::types::Body as WebBody;
use super::fields::Unread;
use super::incoming::IncomingBody;
use crate::Body;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use std::borrow::Cow;
use std::net::IpAddr;

pub(crate) struct RawRequest {
    head: Unread,
    body: WebBody,
}

/// Instead of `host`, which guests of all worlds find among the headers.
const AUTHORITY: &str = ":authority";

impl RawRequest {
    pub(super) fn new(request: Request) -> Self {
        Self { head: request.head.into(), body: request.body }
    }

    pub(crate) fn method(&self) -> Method {
        let method = self.head.get(":method");
        // The host has parsed it, so it is a token.
        method.and_then(|method| Method::from_bytes(method).ok()).unwrap_or_default()
    }

    /// The path and the query.
    pub(crate) fn uri(&self) -> Uri {
        let path = self.head.bytes(":path");
        // And this is a target.
        let path = path.and_then(|path| PathAndQuery::from_maybe_shared(path).ok());
        path.unwrap_or_else(|| PathAndQuery::from_static("/")).into()
    }

    /// The whole address, as far as it is known.
    pub(crate) fn url(&self) -> Uri {
        let mut parts = self.uri().into_parts();
        let authority = self.head.bytes(AUTHORITY);
        parts.authority = authority.and_then(|name| Authority::from_maybe_shared(name).ok());
        parts.scheme = parts.authority.as_ref().map(|_| match self.head.get(":scheme") {
            Some(b"https") => Scheme::HTTPS,
            _ => Scheme::HTTP,
        });
        Uri::from_parts(parts).unwrap_or_else(|_| self.uri())
    }

    /// The first value of one header.
    pub(crate) fn header(&self, name: &str) -> Option<Vec<u8>> {
        let is_host = name.eq_ignore_ascii_case(header::HOST.as_str());
        let name = if is_host { AUTHORITY } else { name };
        // What begins with a colon is none.
        let value = self.head.get(name).filter(|_| is_host || !name.starts_with(':'))?;
        (!is_host || !value.is_empty()).then(|| value.to_vec())
    }

    /// All headers.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = self.head.read();
        if let Some(host) = self.head.bytes(AUTHORITY).filter(|host| !host.is_empty())
            && let Ok(host) = HeaderValue::from_maybe_shared(host)
        {
            headers.insert(header::HOST, host);
        }
        headers
    }

    /// The part of the path that the route names so, decoded.
    pub(crate) fn capture(&self, name: &str) -> Option<Cow<'_, str>> {
        self.head.text(&format!(":capture-{name}")).map(Cow::Borrowed)
    }

    /// All of these, in the order of the path.
    pub(crate) fn captures(&self) -> Vec<(String, String)> {
        self.head.starting_with(":capture-")
    }

    pub(crate) fn base_path(&self) -> Option<Cow<'_, str>> {
        self.head.text(":mount").map(Cow::Borrowed)
    }

    /// As the log writes it.
    pub(crate) fn request_id(&self) -> Option<Cow<'_, str>> {
        self.head.text(":id").map(Cow::Borrowed)
    }

    pub(crate) fn client_address(&self) -> Option<IpAddr> {
        self.head.text(":client")?.parse().ok()
    }

    pub(crate) fn into_body(self) -> Body {
        IncomingBody::body(self.body, false)
    }
}
