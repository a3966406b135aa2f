//! Who the client is: the peer, or whom a chain of trusted proxies vouches for.

use crate::policy::Ranges;
use crate::told::FORWARDED_FOR;
use http::HeaderMap;
use std::net::{IpAddr, SocketAddr};

/// Walks `x-forwarded-for` from its end, where each proxy writes whom it was asked
/// by, over the addresses that are trusted. The first other one is the client: what
/// stands before it is the client's own word. Where there is none, or something that
/// is no address, it is whom the walk reached last.
pub(super) fn client_address(headers: &HeaderMap, peer: IpAddr, trusted: &Ranges) -> IpAddr {
    let mut client = peer;
    if !trusted.contains(peer) {
        return client;
    }
    let values = headers.get_all(FORWARDED_FOR).iter().rev();
    // A list may have empty members (RFC 9110 section 5.6.1.2).
    let members = values.flat_map(|value| value.as_bytes().rsplit(|&byte| byte == b','));
    for member in members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty()) {
        let Some(address) = address(member) else { break };
        client = address;
        if !trusted.contains(client) {
            break;
        }
    }
    client
}

/// Some proxies write the port as well, and some brackets without one.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bracketed {
        Some(address) => address.parse().map(IpAddr::V6),
        None => text.parse().or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip())),
    };
    address.ok().map(|address| address.to_canonical())
}
