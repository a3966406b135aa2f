//! A body that is as long as its head says or visibly broken.
//!
//! A file may shrink or grow while it is sent. The library then ends short, or
//! sends more than it declared.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tower_http::services::fs::ServeFileSystemResponseBody;

use super::failure;
use crate::fault::{Fault, FaultKind};

/// The first `left` bytes of the library's body, or an error.
///
/// The body ends with the last byte, without another read that would only find
/// the end of the file.
pub(super) struct Exact {
    inner: ServeFileSystemResponseBody,
    left: u64,
    failed: bool,
    /// For the log.
    path: String,
}

impl Exact {
    pub(super) fn new(inner: ServeFileSystemResponseBody, length: u64, path: &str) -> Exact {
        Exact { inner, left: length, failed: false, path: path.to_owned() }
    }
}

impl HttpBody for Exact {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if self.left == 0 || self.failed {
            return Poll::Ready(None);
        }
        let fault = loop {
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
                Some(Err(error)) => break failure(&self.path, &error),
                None => {
                    let text = format!("`{}` became shorter while it was read", self.path);
                    break Fault::new(FaultKind::FileChanged, text);
                }
            }
        };
        self.failed = true;
        Poll::Ready(Some(Err(fault)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
