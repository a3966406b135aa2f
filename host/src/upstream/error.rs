//! Why an outbound request failed, and the one function that reads that out of
//! hyper's errors.

use crate::body::BodyError;
use crate::policy::Denied;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A failure before the head of the response. What fails later fails the body
/// of the response, with a [`BodyError`]. The text is for the log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The handler has no grant for it. Nothing was sent.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The request cannot be sent as it is. The handler's fault.
    #[error("the request cannot be sent: {why}")]
    BadRequest { why: &'static str },
    #[error("failed to resolve `{host}`: {source}")]
    Dns { host: String, source: Arc<io::Error> },
    #[error("`{host}` was not resolved within {} ms", after.as_millis())]
    DnsTimeout { host: String, after: Duration },
    /// All connections of the handler, or of the process, are in use.
    #[error("all {limit} connections of `{name}` were in use for {} ms", after.as_millis())]
    ConnectionLimit { name: &'static str, limit: usize, after: Duration },
    #[error("`{address}` refused the connection")]
    ConnectRefused { address: SocketAddr },
    #[error("failed to connect to `{address}`: {source}")]
    Connect { address: SocketAddr, source: Arc<io::Error> },
    #[error("no connection to `{host}` within {} ms", after.as_millis())]
    ConnectTimeout { host: String, after: Duration },
    /// The peer's certificate is not one that we trust for this name.
    #[error("`{host}` has a certificate that is not trusted: {reason}")]
    TlsCertificate { host: String, reason: String },
    #[error("no TLS with `{host}`: {reason}")]
    Tls { host: String, reason: String },
    #[error("`{host}` did not complete TLS within {} ms", after.as_millis())]
    TlsTimeout { host: String, after: Duration },
    /// The peer has the request and does not answer.
    #[error("no response within {} ms", .0.as_millis())]
    HeadTimeout(Duration),
    /// The peer does not take the request's body.
    #[error("nothing of the request's body was taken for {} ms", .0.as_millis())]
    UploadStalled(Duration),
    /// The request's own body failed on the way.
    #[error("the request's body failed: {0}")]
    Body(BodyError),
    /// The peer closed or reset the connection before its response.
    #[error("the connection was closed before the response: {0}")]
    Closed(String),
    /// The peer does not speak HTTP, or says more than we take.
    #[error("not a valid response: {0}")]
    Protocol(String),
}

impl UpstreamError {
    /// The label of a counter.
    pub fn phase(&self) -> &'static str {
        match self {
            UpstreamError::Denied(_) => "denied",
            UpstreamError::BadRequest { .. } => "bad_request",
            UpstreamError::Dns { .. } => "dns",
            UpstreamError::DnsTimeout { .. } => "dns_timeout",
            UpstreamError::ConnectionLimit { .. } => "connection_limit",
            UpstreamError::ConnectRefused { .. } => "connect_refused",
            UpstreamError::Connect { .. } => "connect",
            UpstreamError::ConnectTimeout { .. } => "connect_timeout",
            UpstreamError::TlsCertificate { .. } => "tls_certificate",
            UpstreamError::Tls { .. } => "tls",
            UpstreamError::TlsTimeout { .. } => "tls_timeout",
            UpstreamError::HeadTimeout(_) => "head_timeout",
            UpstreamError::UploadStalled(_) => "upload_stalled",
            UpstreamError::Body(_) => "body",
            UpstreamError::Closed(_) => "closed",
            UpstreamError::Protocol(_) => "protocol",
        }
    }
}

/// A failure of an exchange, before its response or inside it.
pub(super) enum Broken {
    /// The connection is gone.
    Closed(String),
    /// The peer said something wrong.
    Protocol(String),
}

impl From<hyper::Error> for Broken {
    fn from(error: hyper::Error) -> Self {
        let text = whole_text(&error);
        match error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            true => Broken::Closed(text),
            false if is_disconnect(&error) => Broken::Closed(text),
            false => Broken::Protocol(text),
        }
    }
}

impl From<Broken> for UpstreamError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Closed(text) => UpstreamError::Closed(text),
            Broken::Protocol(text) => UpstreamError::Protocol(text),
        }
    }
}

impl From<Broken> for BodyError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Closed(_) => BodyError::Gone,
            Broken::Protocol(text) => BodyError::Other(text),
        }
    }
}

/// An error with its causes, which hyper leaves out of its own text.
pub(super) fn whole_text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1) {
        let cause = cause.to_string();
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

fn is_disconnect(error: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let io = |error: &io::Error| {
        matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
    };
    // A peer that shuts down refuses the streams it has not begun.
    let h2 = |error: &h2::Error| {
        let left = [h2::Reason::NO_ERROR, h2::Reason::REFUSED_STREAM, h2::Reason::CANCEL];
        error.is_io() || error.reason().is_some_and(|reason| left.contains(&reason))
    };
    causes(error)
        .any(|cause| cause.downcast_ref().is_some_and(io) || cause.downcast_ref().is_some_and(h2))
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
