//! Why an argument could not be made.

use crate::{BodyError, BodyErrorKind, Error, IntoResponse, Response};
use http::StatusCode;
use std::borrow::Cow;
use std::fmt;

/// Why an argument of a handler could not be made from the request, or a form not be
/// read.
///
/// The client is answered with it, unless the handler takes a `Result`. With `?` it
/// becomes an [`Error`] of the same status.
///
/// ```
/// use squall_sdk::{Json, Rejection, handler};
///
/// #[handler]
/// async fn count(numbers: Result<Json<Vec<i64>>, Rejection>) -> String {
///     match numbers {
///         Ok(Json(numbers)) => format!("{} numbers\n", numbers.len()),
///         Err(rejection) => format!("no numbers: {rejection}\n"),
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Rejection {
    kind: RejectionKind,
    reason: Cow<'static, str>,
}

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectionKind {
    /// 400: it is not written as it must be.
    Malformed,
    /// 400: the body ended before it was whole.
    Incomplete,
    /// 413: the body is larger than the handler takes.
    TooLarge,
    /// 415: the body is of another type.
    MediaType,
    /// 422: the body is well written, but not what the handler expects.
    Unprocessable,
    /// 500: it is not the client's fault.
    Internal,
}

impl Rejection {
    pub(crate) fn new(kind: RejectionKind, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, reason: reason.into() }
    }

    /// What is wrong.
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self.kind {
            RejectionKind::Malformed | RejectionKind::Incomplete => StatusCode::BAD_REQUEST,
            RejectionKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            RejectionKind::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            RejectionKind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
            RejectionKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What the client may read: all that it has itself to blame for.
    pub(crate) fn outside(&self) -> &str {
        match self.kind {
            RejectionKind::Internal => "",
            RejectionKind::Incomplete => "the body ended early",
            _ => &self.reason,
        }
    }
}

impl From<BodyError> for Rejection {
    fn from(error: BodyError) -> Self {
        let kind = match error.kind() {
            BodyErrorKind::TooLarge => RejectionKind::TooLarge,
            BodyErrorKind::Incomplete => RejectionKind::Incomplete,
            BodyErrorKind::Malformed => RejectionKind::Malformed,
            BodyErrorKind::Source => RejectionKind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Rejection {}
