//! Why a body could not be read.

use crate::BoxError;
use http::StatusCode;
use std::fmt;

/// A body could not be read. With `?` it becomes an [`Error`](crate::Error) that
/// blames whoever sent the body: 400 or 413 for a client, 502 for an upstream.
#[derive(Debug)]
pub struct BodyError {
    kind: BodyErrorKind,
    upstream: bool,
    reason: BoxError,
}

/// What kind of thing went wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyErrorKind {
    /// It is larger than what the handler takes.
    TooLarge,
    /// It ended before it was whole: the sender went away.
    Incomplete,
    /// It is whole, but not what it should be (JSON, a form, text).
    Malformed,
    /// The component made it itself, and failed.
    Source,
}

impl BodyError {
    /// What kind of thing went wrong.
    pub fn kind(&self) -> BodyErrorKind {
        self.kind
    }

    /// It is the body of a response to a request that this component has sent.
    pub fn is_upstream(&self) -> bool {
        self.upstream
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self.kind {
            BodyErrorKind::Source => StatusCode::INTERNAL_SERVER_ERROR,
            _ if self.upstream => StatusCode::BAD_GATEWAY,
            BodyErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            BodyErrorKind::Malformed | BodyErrorKind::Incomplete => StatusCode::BAD_REQUEST,
        }
    }

    /// What the client may read: all that it has itself to blame for.
    pub(crate) fn outside(&self) -> String {
        match self.kind {
            BodyErrorKind::Source => String::new(),
            _ if self.upstream => "the upstream's answer could not be read".to_owned(),
            BodyErrorKind::Incomplete => "the body ended early".to_owned(),
            BodyErrorKind::TooLarge | BodyErrorKind::Malformed => self.reason.to_string(),
        }
    }

    pub(crate) fn too_large() -> Self {
        Self::new(BodyErrorKind::TooLarge, "the body is too large")
    }

    pub(crate) fn incomplete(reason: String, upstream: bool) -> Self {
        Self { upstream, ..Self::new(BodyErrorKind::Incomplete, reason) }
    }

    pub(crate) fn malformed(what: &str, error: impl fmt::Display) -> Self {
        Self::new(BodyErrorKind::Malformed, format!("the body is not the expected {what}: {error}"))
    }

    /// An error of a stream that may itself pass on a body from elsewhere.
    pub(super) fn source(error: impl Into<BoxError>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => Self::new(BodyErrorKind::Source, error),
        }
    }

    pub(super) fn of_upstream(self) -> Self {
        Self { upstream: true, ..self }
    }

    fn new(kind: BodyErrorKind, reason: impl Into<BoxError>) -> Self {
        Self { kind, upstream: false, reason: reason.into() }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            BodyErrorKind::Incomplete => write!(f, "the body ended early: {}", self.reason),
            _ => self.reason.fmt(f),
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.reason.source()
    }
}
