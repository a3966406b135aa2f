//! The head of a request, read from the host piece by piece.
//!
//! A call to the host costs it 2,500 to 4,000 instructions, and each header that
//! comes over about 3,000 more, where a whole small answer costs some 85,000. So
//! nothing is read before it is asked for.

use super::IncomingBody;
use crate::Body;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use percent_encoding::{percent_decode, percent_decode_str};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;
use wasip3::http::types;

/// Request headers with this beginning come from the host, not from the client.
/// They are not shown among the headers, because the other world tells the same
/// things in another way.
const HOST_PREFIX: &str = "squall-";

pub(crate) struct RawRequest {
    request: types::Request,
    fields: OnceCell<types::Fields>,
}

impl RawRequest {
    pub(super) fn new(request: types::Request) -> Self {
        Self { request, fields: OnceCell::new() }
    }

    pub(crate) fn method(&self) -> Method {
        match self.request.get_method() {
            types::Method::Get => Method::GET,
            types::Method::Head => Method::HEAD,
            types::Method::Post => Method::POST,
            types::Method::Put => Method::PUT,
            types::Method::Delete => Method::DELETE,
            types::Method::Connect => Method::CONNECT,
            types::Method::Options => Method::OPTIONS,
            types::Method::Trace => Method::TRACE,
            types::Method::Patch => Method::PATCH,
            // The host has parsed it, so it is a token.
            types::Method::Other(name) => Method::from_bytes(name.as_bytes()).unwrap_or_default(),
        }
    }

    /// The path and the query.
    pub(crate) fn uri(&self) -> Uri {
        path_and_query(self.request.get_path_with_query()).into()
    }

    /// The whole address, as far as it is known.
    pub(crate) fn url(&self) -> Uri {
        let mut parts = self.uri().into_parts();
        let authority = self.request.get_authority();
        parts.authority = authority.and_then(|name| Authority::from_maybe_shared(name).ok());
        if parts.authority.is_some() {
            parts.scheme = Some(match self.request.get_scheme() {
                Some(types::Scheme::Https) => Scheme::HTTPS,
                _ => Scheme::HTTP,
            });
        }
        Uri::from_parts(parts).unwrap_or_else(|_| self.uri())
    }

    /// The first value of one header.
    pub(crate) fn header(&self, name: &str) -> Option<Vec<u8>> {
        let is_of_host = name
            .get(..HOST_PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(HOST_PREFIX));
        if is_of_host {
            return None;
        }
        if name.eq_ignore_ascii_case(header::HOST.as_str())
            && let Some(authority) = self.request.get_authority()
        {
            return Some(authority.into_bytes());
        }
        self.fields().get(name).into_iter().next()
    }

    /// All headers of the client's. `host` is among them as in the other world, though hosts
    /// of this one mostly tell it apart from the fields.
    pub(crate) fn headers(&self) -> HeaderMap {
        let all = self.fields().copy_all();
        let mut headers = HeaderMap::with_capacity(all.len());
        for (name, value) in all {
            if !name.starts_with(HOST_PREFIX) {
                append(&mut headers, &name, value);
            }
        }
        let authority = self.request.get_authority();
        if let Some(Ok(host)) = authority.map(HeaderValue::try_from) {
            headers.insert(header::HOST, host);
        }
        headers
    }

    /// The part of the path that the route names so, decoded.
    pub(crate) fn capture(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = self.of_host(&format!("path-{name}"))?;
        Some(percent_decode_str(&value).decode_utf8_lossy().into_owned().into())
    }

    /// All of these, in the order of the path.
    pub(crate) fn captures(&self) -> Vec<(String, String)> {
        let prefix = format!("{HOST_PREFIX}path-");
        let pairs = self.fields().copy_all().into_iter().filter_map(|(name, value)| {
            let value = percent_decode(&value).decode_utf8_lossy().into_owned();
            Some((name.strip_prefix(&prefix)?.to_owned(), value))
        });
        pairs.collect()
    }

    pub(crate) fn base_path(&self) -> Option<Cow<'_, str>> {
        self.of_host("base-path").map(Cow::Owned)
    }

    pub(crate) fn request_id(&self) -> Option<Cow<'_, str>> {
        self.of_host("request-id").map(Cow::Owned)
    }

    pub(crate) fn client_address(&self) -> Option<IpAddr> {
        self.of_host("client-address")?.parse().ok()
    }

    pub(crate) fn into_body(self) -> Body {
        IncomingBody::of_request(self.request).into()
    }

    fn of_host(&self, name: &str) -> Option<String> {
        let value = self.fields().get(&format!("{HOST_PREFIX}{name}")).into_iter().next();
        value.and_then(|value| String::from_utf8(value).ok())
    }

    fn fields(&self) -> &types::Fields {
        self.fields.get_or_init(|| self.request.get_headers())
    }
}

/// All fields of a response or of trailers.
pub(super) fn header_map(fields: &types::Fields) -> HeaderMap {
    let all = fields.copy_all();
    let mut headers = HeaderMap::with_capacity(all.len());
    for (name, value) in all {
        append(&mut headers, &name, value);
    }
    headers
}

/// The host has parsed both, so neither fails; if they did, dropping one header
/// is better than ending the component.
fn append(headers: &mut HeaderMap, name: &str, value: Vec<u8>) {
    if let Ok(name) = HeaderName::from_bytes(name.as_bytes())
        && let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(value))
    {
        headers.append(name, value);
    }
}

fn path_and_query(text: Option<String>) -> PathAndQuery {
    text.filter(|text| !text.is_empty())
        .and_then(|text| PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).ok())
        .unwrap_or_else(|| PathAndQuery::from_static("/"))
}
