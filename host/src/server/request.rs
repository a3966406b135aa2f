//! From what a client sent to what a route and a guest see: checked, normalised,
//! and freed of everything that only we may say.

use super::clock::Protocol;
use crate::fault::{Fault, FaultKind};
use crate::limits::ServerLimits;
use crate::path::normalise;
use crate::policy::Ranges;
use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, HOST, HeaderName};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Uri, Version};
use std::borrow::Cow;
use std::net::IpAddr;

/// The prefix of the request headers that tell a guest what the host knows. No
/// client can send one.
pub(super) const RESERVED_PREFIX: &str = "squall";

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("squall-request-id");
pub(super) const BASE_PATH: HeaderName = HeaderName::from_static("squall-base-path");
/// Followed by the name of a capture.
pub(super) const CAPTURE_PREFIX: &str = "squall-path-";

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

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

/// Checks the head and puts it into its one form. Returns the host that routes are
/// chosen by: in lower case, without port.
pub(super) fn normalise_head(
    head: &mut Parts,
    protocol: Protocol,
    limits: &ServerLimits,
) -> Result<String, Fault> {
    if head.method == Method::CONNECT {
        return Err(Fault::plain(FaultKind::NoTunnels));
    }
    let target = head.uri.path_and_query().map_or("", PathAndQuery::as_str);
    if target.len() as u64 > limits.target_size.get() {
        return Err(Fault::plain(FaultKind::TargetTooLong));
    }
    if size(&head.headers) > limits.head_size.get() {
        return Err(Fault::plain(FaultKind::HeadTooLarge));
    }
    let authority = authority(head, protocol)?;
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
    let host = split_port(authority.as_str()).0.to_ascii_lowercase();
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(head.uri.scheme().cloned().unwrap_or(Scheme::HTTP));
    uri.authority = Some(authority);
    uri.path_and_query = Some(path_and_query);
    head.uri = Uri::from_parts(uri).map_err(|e| Fault::new(FaultKind::BadTarget, e.to_string()))?;
    Ok(host)
}

/// The bytes of all fields as HTTP/1 writes them. hyper's own bound is on its
/// buffer, which a single read may overshoot.
fn size(headers: &HeaderMap) -> u64 {
    const SEPARATORS: usize = ": \r\n".len();
    let field =
        |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + SEPARATORS;
    headers.iter().map(field).sum::<usize>() as u64
}

/// Exactly one host (RFC 9112 section 3.2). HTTP/1.0 may do without; HTTP/2 has
/// `:authority`, which a `host` must not contradict (RFC 9113 section 8.3.1).
fn authority(head: &Parts, protocol: Protocol) -> Result<Authority, Fault> {
    let bad = |why: &str| Fault::new(FaultKind::BadHost, why);
    let mut hosts = head.headers.get_all(HOST).iter();
    let header = hosts.next();
    if hosts.next().is_some() {
        return Err(bad("several `host` fields"));
    }
    let header =
        header.map(parse_authority).transpose().map_err(|()| bad("`host` is not valid"))?;
    let target = head.uri.authority().cloned();
    match (header, target) {
        (Some(header), Some(target)) if !same_host(&header, &target) => {
            Err(bad("`host` and the target name different hosts"))
        }
        (_, Some(target)) if target.as_str().contains('@') => Err(bad("the target names a user")),
        (Some(header), None) => Ok(header),
        (_, Some(target)) => Ok(target),
        (None, None) if protocol == Protocol::Http1 && head.version == Version::HTTP_10 => {
            Ok(Authority::from_static("localhost"))
        }
        (None, None) => Err(bad("no `host`")),
    }
}

fn parse_authority(value: &HeaderValue) -> Result<Authority, ()> {
    let bytes = value.as_bytes();
    if bytes.is_empty() || bytes.contains(&b'@') {
        return Err(());
    }
    let authority = Authority::try_from(bytes).map_err(|_| ())?;
    let (host, port) = split_port(authority.as_str());
    let port_is_sound = port
        .is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
    let brackets_are_sound = host.starts_with('[') == host.ends_with(']');
    if host.is_empty() || !port_is_sound || !brackets_are_sound {
        return Err(());
    }
    Ok(authority)
}

/// The host, with the brackets of an IPv6 address, and what follows its colon.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    let bytes = authority.as_bytes();
    let position = |wanted: u8, from: usize| {
        bytes[from..].iter().position(|&b| b == wanted).map(|at| from + at)
    };
    let from = if bytes.first() == Some(&b'[') { position(b']', 0).unwrap_or(0) } else { 0 };
    match position(b':', from) {
        None => (authority, None),
        Some(colon) => (&authority[..colon], Some(&authority[colon + 1..])),
    }
}

fn same_host(a: &Authority, b: &Authority) -> bool {
    a.as_str().eq_ignore_ascii_case(b.as_str())
}

/// Removes what a client must not say to a guest, and says who the client is.
pub(super) fn cleanse(
    headers: &mut HeaderMap,
    peer: IpAddr,
    peer_value: &HeaderValue,
    trusted: &Ranges,
) {
    remove_hop_by_hop(headers);
    let believed = trusted.contains(peer);
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
    headers.append(FORWARDED_FOR, peer_value.clone());
}

/// RFC 9110 section 7.6.1: `connection` and what it names go no further. Other
/// fields of that kind never reach a guest, because `wasi:http` forbids them.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if !headers.contains_key(CONNECTION) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| !KEEP.contains(name))
        .collect();
    headers.remove(CONNECTION);
    for name in named {
        headers.remove(name);
    }
}

/// Naming one of these in `connection` does not remove it: it decides where and
/// what the request is.
const KEEP: [HeaderName; 4] =
    [HOST, http::header::CONTENT_LENGTH, http::header::CONTENT_TYPE, http::header::AUTHORIZATION];

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
