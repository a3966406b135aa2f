//! Why a request got no response.

use http::StatusCode;
use std::fmt;

/// A request got no response. With `?` it becomes an [`Error`](crate::Error) with
/// status 502 or 504, or 500 if this component is itself to blame.
#[derive(Debug, Clone)]
pub struct FetchError {
    kind: FetchErrorKind,
    reason: String,
}

/// What kind of thing went wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchErrorKind {
    /// It could not be sent as it was built.
    InvalidRequest,
    /// The operator does not let this component reach that host.
    Denied,
    /// There is no host of that name.
    UnknownHost,
    /// The host does not take the connection, or broke it off.
    Unreachable,
    /// It took too long.
    Timeout,
    /// The host is not who it should be, or TLS failed in another way.
    Tls,
    /// Too many are under way.
    Limit,
    /// What came back is not HTTP, or more than the server takes.
    Protocol,
}

impl FetchError {
    /// What kind of thing went wrong.
    pub fn kind(&self) -> FetchErrorKind {
        self.kind
    }

    pub(crate) fn new(kind: FetchErrorKind, reason: String) -> Self {
        Self { kind, reason }
    }

    pub(super) fn invalid(error: impl Into<http::Error>) -> Self {
        Self::new(FetchErrorKind::InvalidRequest, error.into().to_string())
    }

    pub(super) fn invalid_value(error: impl fmt::Display) -> Self {
        Self::new(FetchErrorKind::InvalidRequest, error.to_string())
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self.kind {
            FetchErrorKind::InvalidRequest => StatusCode::INTERNAL_SERVER_ERROR,
            FetchErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        }
    }

    /// A client learns that an upstream failed, but not which, nor why.
    pub(crate) fn outside(&self) -> &'static str {
        match self.kind {
            FetchErrorKind::InvalidRequest => "",
            FetchErrorKind::Timeout => "an upstream did not answer in time",
            _ => "an upstream could not be reached",
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            FetchErrorKind::InvalidRequest => "the request is not valid",
            FetchErrorKind::Denied => "the host is not granted",
            FetchErrorKind::UnknownHost => "the host is not known",
            FetchErrorKind::Unreachable => "the host cannot be reached",
            FetchErrorKind::Timeout => "the host did not answer in time",
            FetchErrorKind::Tls => "TLS failed",
            FetchErrorKind::Limit => "too many requests are under way",
            FetchErrorKind::Protocol => "the exchange failed",
        };
        write!(f, "{kind}: {}", self.reason)
    }
}

impl std::error::Error for FetchError {}
