//! What only the host knows of a request, and tells its handler.
//!
//! Worlds without words for it find it among the request's headers, under names that
//! no client can send.

use crate::id::RequestId;
use crate::route::Captures;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::net::IpAddr;

/// The prefix of the request headers that tell a guest what the host knows.
pub const RESERVED_PREFIX: &str = "squall-";

pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

const REQUEST_ID: HeaderName = HeaderName::from_static("squall-request-id");
const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("squall-client-address");
const BASE_PATH: HeaderName = HeaderName::from_static("squall-base-path");
/// Followed by the name of a capture.
const CAPTURE_PREFIX: &str = "squall-path-";

#[derive(Clone, Debug)]
pub struct Told {
    pub id: RequestId,
    /// None if the host itself asks.
    pub asked: Option<Asked>,
    /// The path below which the route takes everything.
    pub mount: Option<HeaderValue>,
    pub captures: Captures,
}

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct Asked {
    pub client: Client,
    /// Who sent it here: the client, or a proxy. The last in `x-forwarded-for`.
    pub peer: HeaderValue,
}

/// The client's address, also as a header's value, which is made once for a connection.
#[derive(Clone, Debug)]
pub struct Client {
    pub address: IpAddr,
    pub value: HeaderValue,
}

impl Client {
    pub fn new(address: IpAddr) -> Self {
        let value = HeaderValue::try_from(address.to_string());
        Client { address, value: value.unwrap_or_else(|_| HeaderValue::from_static("unknown")) }
    }
}

impl Told {
    /// Of a request that no client sent.
    pub fn by_host(id: RequestId) -> Self {
        Told { id, asked: None, mount: None, captures: Captures::new() }
    }

    /// Says it in headers.
    pub fn write(self, headers: &mut HeaderMap) {
        let Told { id, asked, mount, captures } = self;
        // Before the others: what is last takes the place of a field that is removed, and
        // these are told in the order of the path.
        for (name, value) in captures {
            let name = HeaderName::try_from(format!("{CAPTURE_PREFIX}{name}"));
            // A normalised path is in ASCII, and so are captures' names.
            if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        if let Ok(value) = HeaderValue::from_bytes(&id.digits()) {
            headers.insert(REQUEST_ID, value);
        }
        if let Some(Asked { client, peer }) = asked {
            headers.insert(CLIENT_ADDRESS, client.value);
            headers.append(FORWARDED_FOR, peer);
        }
        if let Some(mount) = mount {
            headers.insert(BASE_PATH, mount);
        }
    }
}
