//! A body that is as long as its head says or visibly broken.
//!
//! A file may shrink or grow while it is sent. The library then ends short, or
//! sends more than it declared.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tower_http::services::fs::ServeFileSystemResponseBody;

use crate::body::BodyError;

/// The first `left` bytes of the library's body, or an error.
///
/// The body ends with the last byte, without another read that would only find
/// the end of the file.
pub(super) struct Exact {
    inner: ServeFileSystemResponseBody,
    left: u64,
    failed: bool,
}

impl Exact {
    pub(super) fn new(inner: ServeFileSystemResponseBody, length: u64) -> Exact {
        Exact { inner, left: length, failed: false }
    }
}

impl HttpBody for Exact {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left == 0 || self.failed {
            return Poll::Ready(None);
        }
        let error = loop {
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // What is no data is trailers, which no file has.
                    let Ok(mut data) = frame.into_data() else {
                        continue;
                    };
                    // A file that has grown is cut at the length it had.
                    data.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
                    self.left -= data.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => {
                    break BodyError::Other(format!("cannot read a static file: {error}"));
                }
                None => break BodyError::WrongLength,
            }
        };
        self.failed = true;
        Poll::Ready(Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
