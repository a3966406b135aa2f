//! A response on its way to the client: its head made fit for the wire, its body
//! bounded and counted.
//!
//! The body holds the exchange and the permits of its request until the last byte
//! is out, so nothing is counted as done before it is.

use super::clock::Protocol;
use super::exchange::Exchange;
use super::incoming::BodyWatch;
use super::stream;
use crate::body::{Body, BodyError, declared_length, has_no_body};
use crate::fault::{Fault, FaultKind};
use crate::headers::strip_hop_by_hop;
use crate::limits::HandlerLimits;
use crate::site::InFlight;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// The body type that hyper sends.
pub(super) struct Outgoing {
    body: Body,
    bounds: Option<Bounds>,
    timer: Option<Pin<Box<Sleep>>>,
    exchange: Box<Exchange>,
    watch: Option<Arc<BodyWatch>>,
    _permit: Option<InFlight>,
    ended: bool,
}

/// What a handler's limits say about its responses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    left: u64,
    gap: Duration,
}

impl Bounds {
    pub(super) fn of(limits: &HandlerLimits) -> Self {
        Bounds { left: limits.response_size.get(), gap: limits.response_gap }
    }
}

/// What a handler must not answer with. An interim response is not an answer, a
/// tunnel is not ours to open, and a length that the body does not have would put
/// the connection out of step.
pub(super) fn check_head(response: &Response<Body>, method: &Method) -> Result<(), Fault> {
    let status = response.status();
    if status.is_informational() || status.as_u16() > 599 {
        return Err(Fault::new(
            FaultKind::Header,
            format!("the handler answered with status {status}"),
        ));
    }
    let mut lengths = response.headers().get_all(CONTENT_LENGTH).iter();
    let (first, second) = (lengths.next(), lengths.next());
    let declared = first.and_then(|_| declared_length(response.headers()));
    if second.is_some() || (first.is_some() && declared.is_none()) {
        let text = "the handler's `content-length` is not one number";
        return Err(Fault::new(FaultKind::Framing, text));
    }
    let produced = response.body().size_hint().exact();
    match (declared, produced) {
        (Some(declared), Some(produced))
            if declared != produced && *method != Method::HEAD && !has_no_body(status) =>
        {
            let text = format!("the handler declared {declared} bytes and sent {produced}");
            Err(Fault::new(FaultKind::Framing, text))
        }
        _ => Ok(()),
    }
}

/// Makes `response` ready to be sent.
pub(super) fn outgoing(
    response: Response<Body>,
    mut exchange: Box<Exchange>,
    bounds: Option<Bounds>,
    watch: Option<Arc<BodyWatch>>,
    permit: Option<InFlight>,
) -> Response<Outgoing> {
    let (mut head, mut body) = response.into_parts();
    exchange.responded(head.status);
    if bounds.is_some() {
        strip_hop_by_hop(&mut head.headers);
    }
    if has_no_body(head.status) {
        body = Body::empty();
        if head.status != StatusCode::NOT_MODIFIED {
            head.headers.remove(CONTENT_LENGTH);
        }
    } else if exchange.method == Method::HEAD {
        let length = body.size_hint().exact();
        if let Some(length) = length.filter(|_| declared_length(&head.headers).is_none()) {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        body = Body::empty();
    } else if exchange.protocol == Protocol::Http2 {
        body = stream::in_pieces(body);
    }
    exchange.declared = declared_length(&head.headers).or_else(|| body.size_hint().exact());
    let outgoing =
        Outgoing { body, bounds, timer: None, exchange, watch, _permit: permit, ended: false };
    Response::from_parts(head, outgoing)
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                stream::awaited();
                return this.poll_gap(cx).map(|error| Some(Err(error)));
            }
        };
        stream::taken();
        this.timer = None;
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(this.count(frame)),
            Some(Err(error)) => {
                this.ended = true;
                // What the guest made of a body that broke is the client's doing.
                let client = this.watch.as_ref().and_then(|watch| watch.fault());
                this.exchange.fail(&client.unwrap_or_else(|| fault_of(&error)));
                Some(Err(error))
            }
            None => {
                this.end();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Outgoing {
    fn count(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        if let Some(data) = frame.data_ref() {
            let len = data.len() as u64;
            if let Some(bounds) = &mut self.bounds {
                if len > bounds.left {
                    let error =
                        BodyError::TooLarge { limit: self.exchange.response_bytes + bounds.left };
                    return Err(self.give_up(FaultKind::ResponseSize, error));
                }
                bounds.left -= len;
            }
            self.exchange.response_bytes += len;
        }
        // After these nobody asks for more.
        let is_last = frame.is_trailers() || self.exchange.has_sent_all();
        if is_last || self.body.is_end_stream() {
            self.end();
        }
        Ok(frame)
    }

    /// The client waits and nothing comes: how long may that last?
    fn poll_gap(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let Some(bounds) = self.bounds else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(bounds.gap)));
        std::task::ready!(timer.as_mut().poll(cx));
        Poll::Ready(self.give_up(FaultKind::Stall, BodyError::Stalled(bounds.gap)))
    }

    fn give_up(&mut self, kind: FaultKind, error: BodyError) -> BodyError {
        self.ended = true;
        self.exchange.fail(&Fault::new(kind, error.to_string()));
        // Dropping the body now tells the guest at once.
        self.body = Body::empty();
        error
    }

    fn end(&mut self) {
        self.ended = true;
        self.exchange.completed();
    }
}

/// A body that fails after its head does so for a reason that was recorded where it
/// happened; this is what the exchange reports.
fn fault_of(error: &BodyError) -> Fault {
    let kind = match error {
        BodyError::Failed(cause) => match cause.0.downcast_ref::<Fault>() {
            Some(fault) => return fault.clone(),
            None => FaultKind::Bug,
        },
        BodyError::WrongLength => FaultKind::Framing,
        BodyError::TooLarge { .. } => FaultKind::ResponseSize,
        BodyError::Stalled(_) | BodyError::TooSlow(_) => FaultKind::Stall,
        BodyError::Gone | BodyError::Malformed | BodyError::Other(_) => FaultKind::Bug,
    };
    Fault::new(kind, error.to_string())
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            self.exchange.request_bytes = watch.received();
        }
        // hyper does not ask an empty body for its end.
        if !self.ended && self.body.is_end_stream() {
            self.exchange.completed();
        }
    }
}
