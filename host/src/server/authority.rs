//! The host that a request is for, and whether what a client says of it is sound and
//! of one mind.

use super::clock::Protocol;
use crate::fault::{Fault, FaultKind};
use crate::id::HostName;
use http::header::HOST;
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Version};
use std::cell::RefCell;

/// The host of a request.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) authority: Authority,
    pub(super) name: HostName,
}

/// The hosts that the requests of a connection are for. Most say the same as the one
/// before, which then need not be looked at again.
#[derive(Default)]
pub(super) struct Hosts(RefCell<Option<(Box<[u8]>, Host)>>);

impl Hosts {
    pub(super) fn of(&self, head: &Parts, protocol: Protocol) -> Result<Host, Fault> {
        let mut fields = head.headers.get_all(HOST).iter();
        let only = match (fields.next(), fields.next(), head.uri.authority()) {
            (Some(field), None, None) => field.as_bytes(),
            _ => return host(head, protocol),
        };
        let mut last = self.0.borrow_mut();
        if let Some((field, host)) = &*last
            && **field == *only
        {
            return Ok(host.clone());
        }
        let host = host(head, protocol)?;
        *last = Some((only.into(), host.clone()));
        Ok(host)
    }
}

fn host(head: &Parts, protocol: Protocol) -> Result<Host, Fault> {
    let authority = authority(head, protocol)?;
    let name = HostName::new(&host_of(&authority));
    Ok(Host { authority, name })
}

/// Exactly one host (RFC 9112 section 3.2), which an absolute target does not spare.
/// HTTP/1.0 may do without; HTTP/2 has `:authority`, which a `host` must not
/// contradict (RFC 9113 section 8.3.1).
fn authority(head: &Parts, protocol: Protocol) -> Result<Authority, Fault> {
    let bad = |why: &str| Fault::new(FaultKind::BadHost, why);
    let mut hosts = head.headers.get_all(HOST).iter().map(HeaderValue::as_bytes);
    let field = hosts.next();
    if hosts.next().is_some() {
        return Err(bad("several `host` fields"));
    }
    let field = field.map(parse).transpose().map_err(|()| bad("`host` is not valid"))?;
    let target = head.uri.authority().map(|target| parse(target.as_str().as_bytes()));
    let target = target.transpose().map_err(|()| bad("the target's host is not valid"))?;
    let old = protocol == Protocol::Http1 && head.version == Version::HTTP_10;
    match (field, target) {
        (Some(field), Some(target)) if !same_host(&field, &target, head.uri.scheme()) => {
            Err(bad("`host` and the target name different hosts"))
        }
        (None, Some(_)) if protocol == Protocol::Http1 && !old => Err(bad("no `host`")),
        (_, Some(target)) => Ok(target),
        (Some(field), None) => Ok(field),
        (None, None) if old => Ok(Authority::from_static("localhost")),
        (None, None) => Err(bad("no `host`")),
    }
}

/// What routes are chosen by: in lower case, without port and without the dot of an
/// absolute name.
fn host_of(authority: &Authority) -> String {
    without_dot(split_port(authority.as_str()).0).to_ascii_lowercase()
}

fn parse(bytes: &[u8]) -> Result<Authority, ()> {
    // `*` is no part of a name: only patterns of routes have it.
    if bytes.is_empty() || bytes.contains(&b'@') || bytes.contains(&b'*') {
        return Err(());
    }
    let authority = Authority::try_from(bytes).map_err(|_| ())?;
    let (host, port) = split_port(authority.as_str());
    let port_is_sound = port
        .is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
    let brackets_are_sound = host.starts_with('[') == host.ends_with(']');
    if without_dot(host).is_empty() || !port_is_sound || !brackets_are_sound {
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

/// `a.example.` is the same name as `a.example` (RFC 1034 section 3.1).
fn without_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// The port of the target's scheme is the same as none (RFC 9110 section 4.2.3).
fn same_host(a: &Authority, b: &Authority, scheme: Option<&Scheme>) -> bool {
    let default = if scheme == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default);
    let host = |authority: &Authority| split_port(authority.as_str()).0.to_ascii_lowercase();
    port(a) == port(b) && host(a) == host(b)
}
