//! From a guest's response to ours: small bodies are taken whole, so that they go
//! out in one write with a length; others are streamed.

use super::call::Call;
use crate::body::{Body, BodyError, Cause};
use crate::fault::{Fault, FaultKind};
use bytes::Bytes;
use futures_util::FutureExt;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::runtime::Handle;
use tokio::time::timeout;
use wasmtime_wasi_http::{Error as WasiError, WasiBody};

/// Hands the guest's response over to whoever waits for it.
pub(super) fn deliver(call: &Arc<Call>, response: Response<WasiBody>) {
    let (head, mut body) = response.into_parts();
    let mut early = Early::default();
    let ended = loop {
        match body.frame().now_or_never() {
            // Nothing was sent yet, so the client can be told in full.
            Some(Some(Err(error))) => return fail(call, &error),
            Some(Some(Ok(frame))) => {
                if early.push(frame) == Room::None {
                    break false;
                }
            }
            Some(None) => break call.fault().is_none(),
            None => break false,
        }
    };
    let body = match whole(ended, &mut early) {
        Some(whole) => {
            call.finish();
            whole
        }
        None => Body::stream(GuestBody { early, inner: body, call: call.clone(), ended: false }),
    };
    // If nobody waits for it any more, the body's end is the call's.
    call.respond(Response::from_parts(head, body));
}

/// Frames that are taken before the head is sent: the only one of a small body, and
/// one to see that it was not.
#[derive(Default)]
struct Early {
    first: Option<Frame<Bytes>>,
    second: Option<Frame<Bytes>>,
}

#[derive(PartialEq, Eq)]
enum Room {
    Left,
    None,
}

impl Early {
    fn push(&mut self, frame: Frame<Bytes>) -> Room {
        if self.first.is_none() {
            self.first = Some(frame);
            return Room::Left;
        }
        self.second = Some(frame);
        Room::None
    }

    fn pop(&mut self) -> Option<Frame<Bytes>> {
        self.first.take().or_else(|| self.second.take())
    }

    /// The bytes of data in these frames.
    fn len(&self) -> u64 {
        let frames = [&self.first, &self.second].into_iter().flatten();
        frames.filter_map(Frame::data_ref).map(|data| data.len() as u64).sum()
    }
}

/// The whole body, if it is at hand and has neither several parts nor trailers.
fn whole(ended: bool, early: &mut Early) -> Option<Body> {
    let only_data = early.first.as_ref().is_none_or(Frame::is_data);
    if !ended || early.second.is_some() || !only_data {
        return None;
    }
    let data = early.pop().and_then(|frame| frame.into_data().ok());
    Some(data.map_or_else(Body::empty, Body::full))
}

/// The guest's body is not what it said.
fn fail(call: &Call, error: &WasiError) {
    let (kind, detail) = match error {
        // wasmtime's words are those of a limit.
        WasiError::HttpResponseBodySize(_) => {
            (FaultKind::Framing, "the response's body is not what its `content-length` says".into())
        }
        other => (FaultKind::ErrorCode, format!("the response's body failed: {other}")),
    };
    call.fail(Fault::new(kind, detail));
    call.finish();
}

/// A response's body as its guest produces it. Dropped before its end, it abandons
/// the call and is discarded.
struct GuestBody {
    early: Early,
    inner: WasiBody,
    call: Arc<Call>,
    ended: bool,
}

impl HttpBody for GuestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        let next = match this.early.pop() {
            Some(early) => Some(Ok(early)),
            None => std::task::ready!(Pin::new(&mut this.inner).poll_frame(cx)),
        };
        Poll::Ready(match next {
            Some(Ok(frame)) => Some(Ok(frame)),
            Some(Err(error)) => Some(Err(this.broken(&error))),
            None => match this.call.fault() {
                // The stream ended because its instance did.
                Some(fault) => {
                    let error = handler_error(fault);
                    this.ended = true;
                    Some(Err(error))
                }
                None => {
                    this.ended = true;
                    this.call.finish();
                    None
                }
            },
        })
    }

    fn is_end_stream(&self) -> bool {
        // Only `poll_frame` knows whether the end is a clean one.
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        let early = self.early.len();
        let rest = self.inner.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + early);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + early);
        }
        hint
    }
}

impl GuestBody {
    fn broken(&mut self, error: &WasiError) -> BodyError {
        self.ended = true;
        if self.call.fault().is_none() {
            fail(&self.call, error);
        }
        self.call.fault().map_or(BodyError::Gone, handler_error)
    }
}

fn handler_error(fault: &Fault) -> BodyError {
    BodyError::Failed(Cause(Arc::new(fault.clone())))
}

impl Drop for GuestBody {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.call.abandon();
        let rest = std::mem::take(&mut self.inner);
        // Without a runtime there is no guest that could be hurt either.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(discard(rest, self.call.clone()));
        }
    }
}

/// Takes what is left of a body that nobody wants, within bounds, and closes it.
///
/// A guest that writes once more after it was told that its reader is gone traps,
/// and takes the other requests of its instance with it. Many guests do not look at
/// what a write came to: they come to their end here, in peace.
async fn discard(mut body: WasiBody, call: Arc<Call>) {
    let mut left = call.discard.get();
    let taking = async {
        while let Some(Ok(frame)) = body.frame().await {
            let taken = frame.data_ref().map_or(0, |data| data.len() as u64);
            match left.checked_sub(taken) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // Too slow is as good as too much.
    let _ = timeout(call.post_return, taking).await;
    drop(body);
    call.finish();
}
