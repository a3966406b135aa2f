//! The one body type that server, site and guests exchange.
//!
//! A body is empty, one piece of bytes, or a stream of frames. The first two
//! cost no allocation, which is what most requests and small answers are.

mod waited;

pub use waited::Waited;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Why a body could not be delivered whole.
///
/// A body that ends with an error must never reach the other side as a clean
/// end: the connection or stream that carries it is broken instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The peer that was sending closed or reset its side before the end.
    #[error("the sender left before the end of the body")]
    Gone,
    /// What the peer sent is not how HTTP writes a body.
    #[error("the body is not framed as HTTP says")]
    Malformed,
    /// More bytes than the limit of this direction allows.
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    /// Nothing arrived for longer than the gap limit.
    #[error("nothing was sent for {} ms", .0.as_millis())]
    Stalled(std::time::Duration),
    /// The whole body took longer than its total limit.
    #[error("the body took longer than {} ms", .0.as_millis())]
    TooSlow(std::time::Duration),
    /// The length that was declared is not the length that was produced.
    #[error("the body is not as long as its content-length says")]
    WrongLength,
    /// Whoever produced the body failed after the head was sent.
    #[error("the body broke off: {0}")]
    Failed(Cause),
    /// Anything else, in words for the log.
    #[error("{0}")]
    Other(String),
}

/// Why a body broke off, for whoever knows the type behind it.
#[derive(Clone, Debug)]
pub struct Cause(pub Arc<dyn Error + Send + Sync>);

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Cause {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A request's or response's body.
pub struct Body(Inner);

enum Inner {
    Empty,
    Full(Bytes),
    Stream(Pin<Box<dyn HttpBody<Data = Bytes, Error = BodyError> + Send>>),
}

impl Body {
    pub const fn empty() -> Self {
        Body(Inner::Empty)
    }

    /// A body of known content; the empty one if `bytes` is empty.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::empty() } else { Body(Inner::Full(bytes)) }
    }

    /// All bytes of a body that is here, or the body.
    pub fn into_whole(self) -> Result<Bytes, Self> {
        match self.0 {
            Inner::Empty => Ok(Bytes::new()),
            Inner::Full(bytes) => Ok(bytes),
            Inner::Stream(_) => Err(self),
        }
    }

    /// A body whose frames come from `stream`.
    pub fn stream(stream: impl HttpBody<Data = Bytes, Error = BodyError> + Send + 'static) -> Self {
        Body(Inner::Stream(Box::pin(stream)))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Inner::Empty => Poll::Ready(None),
            Inner::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Inner::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Inner::Stream(stream) => stream.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Full(_) => false,
            Inner::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Stream(stream) => stream.size_hint(),
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Empty => f.write_str("Body::Empty"),
            Inner::Full(bytes) => write!(f, "Body::Full({} bytes)", bytes.len()),
            Inner::Stream(_) => f.write_str("Body::Stream"),
        }
    }
}

/// Whether a response of this status has no body, whatever its head says (RFC 9110
/// sections 15.3.5, 15.3.6 and 15.4.5).
pub fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

/// The length that `content-length` declares, if it is there and well formed.
///
/// RFC 9110 section 8.6: one or more digits, nothing else.
pub fn declared_length(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(http::header::CONTENT_LENGTH)?.as_bytes();
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    if !digits {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}
