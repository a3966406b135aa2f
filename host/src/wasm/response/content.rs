//! A response's body as its world makes it, in the house's words.

use super::super::pipe::PipeBody;
use super::super::web::{BodyError as WebError, why};
use crate::body::Body;
use crate::fault::{Fault, FaultKind};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use wasmtime_wasi_http::{Error as WasiError, WasiBody};

pub(in crate::wasm) enum Content {
    Wasi(WasiBody),
    /// Given whole, or passed on by the guest without having been read.
    Host(Body),
    Web(PipeBody<WebError>),
}

impl HttpBody for Content {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        Poll::Ready(match &mut *self {
            Content::Wasi(body) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                frame.map(|frame| frame.map_err(|error| wasi_failure(&error)))
            }
            Content::Host(body) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                frame.map(|frame| frame.map_err(failure))
            }
            Content::Web(body) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                frame.map(|frame| frame.map_err(|error| failure(why(error))))
            }
        })
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Content::Wasi(body) => body.size_hint(),
            Content::Host(body) => body.size_hint(),
            Content::Web(body) => body.size_hint(),
        }
    }
}

impl Default for Content {
    fn default() -> Self {
        Content::Host(Body::empty())
    }
}

/// Why a guest's body ended with an error.
fn wasi_failure(error: &WasiError) -> Fault {
    match error {
        // wasmtime's words are those of a limit.
        WasiError::HttpResponseBodySize(_) => Fault::new(
            FaultKind::Framing,
            "the response's body is not what its `content-length` says",
        ),
        other => failure(other),
    }
}

fn failure(error: impl std::fmt::Display) -> Fault {
    Fault::new(FaultKind::ErrorCode, format!("the response's body failed: {error}"))
}
