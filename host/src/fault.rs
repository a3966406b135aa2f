//! The closed set of failures of a request, each with an owner, and the one
//! function from a fault to a response.
//!
//! A fault has two texts: the outside one, fixed per kind, is all that a client
//! reads; the inside one goes to the log together with handler, generation and
//! request id.

use crate::body::{Body, BodyError, Cause};
use crate::id::RequestId;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use std::fmt;
use std::sync::Arc;

/// The response header that names the request in a fault's answer, so that a
/// client's report can be found in the log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("squall-request-id");

/// Who has to act so that it does not happen again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Client,
    Guest,
    /// Nobody did wrong: there was more work than room, or the disk had nothing to
    /// give at that moment. Later it may.
    Load,
    /// A bug in Squall.
    Host,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    // The client's.
    BadHost,
    BadTarget,
    TargetTooLong,
    HeadTooLarge,
    BodyTooLarge,
    BodyTimeout,
    BadBody,
    NoTunnels,
    /// The client left before its answer was complete.
    Cancelled,

    // The guest's.
    Trap,
    Exit,
    NoResponse,
    ErrorCode,
    Cpu,
    Deadline,
    Memory,
    Stack,
    Resources,
    Hostcall,
    Header,
    Framing,
    ResponseSize,
    Stall,
    PostReturn,
    /// Another request in the same shared instance ended it.
    Neighbour,

    // Load.
    FilesOpen,
    /// A static file was not as long as it had been when it was opened.
    FileChanged,
    FileUnreadable,
    InFlight,
    QueueFull,
    QueueTime,
    Unavailable,
    Draining,

    // The host's.
    Bug,
}

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

impl FaultKind {
    pub const ALL: [FaultKind; 34] = {
        use FaultKind::*;
        [
            BadHost,
            BadTarget,
            TargetTooLong,
            HeadTooLarge,
            BodyTooLarge,
            BodyTimeout,
            BadBody,
            NoTunnels,
            Cancelled,
            Trap,
            Exit,
            NoResponse,
            ErrorCode,
            Cpu,
            Deadline,
            Memory,
            Stack,
            Resources,
            Hostcall,
            Header,
            Framing,
            ResponseSize,
            Stall,
            PostReturn,
            Neighbour,
            FilesOpen,
            FileChanged,
            FileUnreadable,
            InFlight,
            QueueFull,
            QueueTime,
            Unavailable,
            Draining,
            Bug,
        ]
    };

    /// The value of the `kind` label in `squall_faults_total`.
    pub fn label(self) -> &'static str {
        use FaultKind::*;
        match self {
            BadHost => "bad_host",
            BadTarget => "bad_target",
            TargetTooLong => "target_too_long",
            HeadTooLarge => "head_too_large",
            BodyTooLarge => "body_too_large",
            BodyTimeout => "body_timeout",
            BadBody => "bad_body",
            NoTunnels => "no_tunnels",
            Cancelled => "cancelled",
            Trap => "trap",
            Exit => "exit",
            NoResponse => "no_response",
            ErrorCode => "error_code",
            Cpu => "cpu",
            Deadline => "deadline",
            Memory => "memory",
            Stack => "stack",
            Resources => "resources",
            Hostcall => "hostcall",
            Header => "header",
            Framing => "framing",
            ResponseSize => "response_size",
            Stall => "stall",
            PostReturn => "post_return",
            Neighbour => "neighbour",
            FilesOpen => "files_open",
            FileChanged => "file_changed",
            FileUnreadable => "file_unreadable",
            InFlight => "in_flight",
            QueueFull => "queue_full",
            QueueTime => "queue_time",
            Unavailable => "unavailable",
            Draining => "draining",
            Bug => "bug",
        }
    }

    pub fn owner(self) -> Owner {
        use FaultKind::*;
        match self {
            BadHost | BadTarget | TargetTooLong | HeadTooLarge | BodyTooLarge | BodyTimeout
            | BadBody | NoTunnels | Cancelled => Owner::Client,
            Trap | Exit | NoResponse | ErrorCode | Cpu | Deadline | Memory | Stack | Resources
            | Hostcall | Header | Framing | ResponseSize | Stall | PostReturn | Neighbour => {
                Owner::Guest
            }
            FilesOpen | FileChanged | FileUnreadable | InFlight | QueueFull | QueueTime
            | Unavailable | Draining => Owner::Load,
            Bug => Owner::Host,
        }
    }

    /// The status that a client sees if the head was not sent yet.
    pub fn status(self) -> StatusCode {
        use FaultKind::*;
        match self {
            BadHost | BadTarget | BadBody | Cancelled => StatusCode::BAD_REQUEST,
            TargetTooLong => StatusCode::URI_TOO_LONG,
            HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            NoTunnels => StatusCode::NOT_IMPLEMENTED,
            Trap | Exit | NoResponse | ErrorCode | Memory | Stack | Resources | Hostcall
            | Header | Framing | ResponseSize | Stall | PostReturn | Neighbour => {
                StatusCode::BAD_GATEWAY
            }
            Cpu | Deadline => StatusCode::GATEWAY_TIMEOUT,
            FilesOpen | FileChanged | FileUnreadable | InFlight | QueueFull | QueueTime
            | Unavailable | Draining => StatusCode::SERVICE_UNAVAILABLE,
            Bug => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// All that a client reads of this fault.
    pub fn outside(self) -> &'static str {
        use FaultKind::*;
        match self {
            BadHost => "the request needs exactly one valid host",
            BadTarget => "the request's target is not valid",
            TargetTooLong => "the request's target is too long",
            HeadTooLarge => "the request's header fields are too large",
            BodyTooLarge => "the request's body is too large",
            BodyTimeout => "the request's body did not arrive in time",
            BadBody => "the request's body is not framed as HTTP says",
            NoTunnels => "this server makes no tunnels",
            Cancelled => "the client left",
            Cpu | Deadline => "the handler did not answer in time",
            Trap | Exit | NoResponse | ErrorCode | Memory | Stack | Resources | Hostcall
            | Header | Framing | ResponseSize | Stall | PostReturn | Neighbour => {
                "the handler failed"
            }
            FilesOpen => "the server is busy",
            FileChanged => "the file changed while it was read",
            FileUnreadable => "the file cannot be read now",
            InFlight | QueueFull | QueueTime => "the handler is busy",
            Unavailable => "the handler is not available",
            Draining => {
                "this version of the handler is being replaced, or the server stops; try again"
            }
            Bug => "the server failed",
        }
    }

    /// Whether the connection must not carry another request: its framing can
    /// no longer be trusted, or its client did not keep to its time.
    fn closes_connection(self) -> bool {
        use FaultKind::*;
        matches!(
            self,
            BadHost
                | BadTarget
                | TargetTooLong
                | HeadTooLarge
                | BodyTooLarge
                | BodyTimeout
                | BadBody
                | Cancelled
                | NoTunnels
                | Draining
        )
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
        for kind in FaultKind::ALL {
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
