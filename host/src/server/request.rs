//! From what a client sent to what a route and a guest see: checked, normalised,
//! and freed of everything that only we may say.

use super::authority::{Host, Hosts};
use super::clock::Protocol;
use crate::fault::{Fault, FaultKind};
use crate::headers::strip_hop_by_hop;
use crate::id::HostName;
use crate::limits::ServerLimits;
use crate::path::normalise;
use crate::policy::Ranges;
use crate::told::RESERVED_PREFIX;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderName, TE};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Uri};
use std::borrow::Cow;
use std::net::IpAddr;

/// Headers that say where a request came from: believed from trusted proxies only.
const FORWARDED: [&str; 7] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-real-ip",
];

/// Checks the head and puts it into its one form: an absolute URI whose path is normal
/// (`path::normalise`). Returns the host that routes are chosen by.
pub(super) fn normalise_head(
    head: &mut Parts,
    protocol: Protocol,
    limits: &ServerLimits,
    hosts: &Hosts,
) -> Result<HostName, Fault> {
    if head.method == Method::CONNECT {
        return Err(Fault::plain(FaultKind::NoTunnels));
    }
    let target = head.uri.path_and_query().map_or("", PathAndQuery::as_str);
    if target.len() as u64 > limits.target_size.get() {
        return Err(Fault::plain(FaultKind::TargetTooLong));
    }
    if protocol == Protocol::Http2 {
        join_cookies(&mut head.headers);
    }
    // hyper keeps the number of fields over HTTP/1 only.
    if head.headers.len() as u64 > limits.head_fields
        || size(&head.headers) > limits.head_size.get()
    {
        return Err(Fault::plain(FaultKind::HeadTooLarge));
    }
    if let Some(scheme) = head.uri.scheme_str()
        && !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return Err(Fault::new(FaultKind::BadTarget, format!("scheme `{scheme}`")));
    }
    let Host { authority, name } = hosts.of(head, protocol)?;
    let path = head.uri.path();
    let normal =
        normalise(path).map_err(|_| Fault::new(FaultKind::BadTarget, format!("path `{path}`")))?;
    let path_and_query = match (normal, head.uri.path_and_query()) {
        (Cow::Borrowed(_), Some(same)) => same.clone(),
        (normal, _) => {
            let whole = match head.uri.query() {
                Some(query) => format!("{normal}?{query}"),
                None => normal.into_owned(),
            };
            whole
                .parse()
                .map_err(|_| Fault::new(FaultKind::BadTarget, format!("path `{whole}`")))?
        }
    };
    let mut uri = http::uri::Parts::default();
    // What is spoken here, whatever the client says of it.
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(authority);
    uri.path_and_query = Some(path_and_query);
    head.uri = Uri::from_parts(uri).map_err(|e| Fault::new(FaultKind::BadTarget, e.to_string()))?;
    Ok(name)
}

/// Over HTTP/2 a cookie may come in parts, for the sake of compression. They are one
/// field to whoever reads it (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let parts: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if parts.len() < 2 {
        return;
    }
    // Valid values joined by valid bytes are a valid value.
    if let Ok(mut whole) = HeaderValue::from_bytes(&parts.join(&b"; "[..])) {
        whole.set_sensitive(headers.get_all(COOKIE).iter().any(HeaderValue::is_sensitive));
        headers.insert(COOKIE, whole);
    }
}

/// The bytes of all fields as HTTP/1 writes them. hyper's own bound is on its
/// buffer, which a single read may overshoot.
fn size(headers: &HeaderMap) -> u64 {
    const SEPARATORS: usize = ": \r\n".len();
    let field =
        |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + SEPARATORS;
    headers.iter().map(field).sum::<usize>() as u64
}

/// Removes what a client must not say to a guest.
pub(super) fn cleanse(headers: &mut HeaderMap, peer: IpAddr, trusted: &Ranges) {
    strip_hop_by_hop(headers);
    remove_forged(headers, trusted.contains(peer));
}

/// Removes what a client must not say from the trailers of its body: the same, and
/// what frames or routes a message (RFC 9110 section 6.5.1). A trusted proxy says what
/// it knows before the body.
pub(super) fn cleanse_trailers(trailers: &mut HeaderMap) {
    strip_hop_by_hop(trailers);
    remove_forged(trailers, false);
    for name in [CONTENT_LENGTH, HOST, TE] {
        trailers.remove(name);
    }
}

fn remove_forged(headers: &mut HeaderMap, believed: bool) {
    let forged = |name: &HeaderName| {
        let name = name.as_str();
        // Servers that speak CGI read `_` as `-`, so the other spelling is a
        // forgery too.
        let plain: Cow<'_, str> =
            if name.contains('_') { name.replace('_', "-").into() } else { name.into() };
        plain.starts_with(RESERVED_PREFIX)
            || (FORWARDED.contains(&&*plain) && (!believed || name.contains('_')))
    };
    if headers.keys().any(forged) {
        let names: Vec<HeaderName> = headers.keys().filter(|name| forged(name)).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }
}

/// Copies the target and the values of a head into one small allocation of their
/// own.
///
/// hyper hands out slices of its read buffer. A request that is suspended for long
/// would keep those 8 KiB from being used for the connection's next read, so that a
/// second buffer is made: this halves what a suspended request costs.
pub(super) fn compact(head: &mut Parts) {
    let target = head.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let values = head.headers.values().map(HeaderValue::len).sum::<usize>();
    let mut copy = BytesMut::with_capacity(target.len() + values);
    copy.extend_from_slice(target.as_bytes());
    let target = copy.split().freeze();
    for value in head.headers.values_mut() {
        copy.extend_from_slice(value.as_bytes());
        let bytes: Bytes = copy.split().freeze();
        let sensitive = value.is_sensitive();
        // A value's own bytes are a valid value.
        if let Ok(mut same) = HeaderValue::from_maybe_shared(bytes) {
            same.set_sensitive(sensitive);
            *value = same;
        }
    }
    let mut uri = std::mem::take(&mut head.uri).into_parts();
    // As are a target's own.
    if let Some(path) = &mut uri.path_and_query
        && let Ok(same) = PathAndQuery::from_maybe_shared(target)
    {
        *path = same;
    }
    if let Some(authority) = &mut uri.authority
        && let Ok(same) = Authority::try_from(authority.as_str())
    {
        *authority = same;
    }
    // And the parts of a URI make a URI.
    head.uri = Uri::from_parts(uri).unwrap_or_default();
}
