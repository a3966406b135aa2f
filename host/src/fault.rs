//! The closed set of failures of a request, each with an owner, and the one
//! function from a fault to a response.
//!
//! A fault has two texts: the outside one, fixed per kind, is all that a client
//! reads; the inside one goes to the log together with handler, generation and
//! request id.

mod kind;

pub use kind::{FaultKind, Owner};

use crate::body::{Body, BodyError, Cause};
use crate::id::RequestId;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Response};
use std::fmt;
use std::sync::Arc;

/// The response header that names the request in a fault's answer, so that a
/// client's report can be found in the log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("squall-request-id");

/// One failure of one request.
#[derive(Clone, Debug)]
pub struct Fault {
    pub kind: FaultKind,
    /// The inside text: the cause, and the guest's backtrace where there is one.
    pub detail: String,
}

impl Fault {
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Fault { kind, detail: detail.into() }
    }

    /// A fault that needs no more words than its kind.
    pub fn plain(kind: FaultKind) -> Self {
        Fault { kind, detail: String::new() }
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for BodyError {
    fn from(fault: Fault) -> Self {
        BodyError::Failed(Cause(Arc::new(fault)))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.outside())?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

/// The one place where a fault becomes a response.
pub fn respond(kind: FaultKind, id: RequestId) -> Response<Body> {
    let digits = id.digits();
    let mut text = String::with_capacity(96);
    text.push_str(kind.outside());
    text.push_str("\nrequest ");
    text.push_str(&id.to_string());
    text.push('\n');
    let mut response = Response::new(Body::full(text));
    *response.status_mut() = kind.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Ok(value) = HeaderValue::from_bytes(&digits) {
        headers.insert(REQUEST_ID, value);
    }
    if kind.owner() == Owner::Load {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if kind.closes_connection() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise P7: host bugs are 500 and nothing else is, guest faults are 502
    /// or 504, load is 503, the client's are 4xx (501 for tunnels).
    #[test]
    fn status_follows_the_owner() {
        for &kind in FaultKind::ALL {
            let status = kind.status().as_u16();
            match kind.owner() {
                Owner::Client => assert!((400..500).contains(&status) || status == 501, "{kind:?}"),
                Owner::Guest => assert!(status == 502 || status == 504, "{kind:?}"),
                Owner::Load => assert_eq!(status, 503, "{kind:?}"),
                Owner::Host => assert_eq!(status, 500, "{kind:?}"),
            }
        }
    }

    #[test]
    fn overload_says_when_to_come_back() {
        let response = respond(FaultKind::QueueFull, RequestId::next());
        assert_eq!(response.headers()[RETRY_AFTER], "1");
    }
}
