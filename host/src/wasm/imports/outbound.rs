//! Outbound requests of guests, in any world's words: a request goes to its handler's
//! upstream, within the share of the request that it is for, and for as long as
//! somebody waits.

mod wasi;

pub(super) use wasi::add_to_linker;

use super::super::call::Call;
use super::super::data::Blueprint;
use super::super::held::HeldBody;
use super::super::seat::Seat;
use super::reporter::Reporter;
use crate::body::Body;
use crate::upstream::{Options, Upstream, UpstreamError};
use http::{Request, Response};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The outbound side of one instance.
pub(crate) struct Outbound {
    sender: Sender,
    seat: Option<Arc<Seat>>,
    /// The call that sends next, where several share the instance and WASI's words do
    /// not tell.
    next: Mutex<Option<Arc<Call>>>,
}

/// Sends for an instance. Cheap to clone.
#[derive(Clone)]
pub(super) struct Sender {
    upstream: Arc<Upstream>,
    reporter: Arc<Reporter>,
    options: Options,
    /// Requests that one call may send.
    requests: u32,
}

/// How long a guest would wait; none for its handler's limits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub(super) connect: Option<Duration>,
    pub(super) head: Option<Duration>,
    pub(super) gap: Option<Duration>,
}

/// Why a request got no response.
pub(super) enum Unsent {
    /// Its call has sent as many as it may.
    Limit,
    /// Nobody waits for its call any more.
    Cancelled,
    Upstream(UpstreamError),
}

impl Outbound {
    pub(crate) fn new(blueprint: &Blueprint, seat: &Arc<Seat>) -> Self {
        let limits = &blueprint.limits;
        Outbound {
            sender: Sender {
                upstream: blueprint.upstream.clone(),
                reporter: blueprint.reporter.clone(),
                options: Options::from(limits),
                requests: u32::try_from(limits.outbound_requests).unwrap_or(u32::MAX),
            },
            seat: Some(seat.clone()),
            next: Mutex::new(None),
        }
    }

    pub(super) fn sender(&self) -> Sender {
        self.sender.clone()
    }

    pub(super) fn reporter(&self) -> &Reporter {
        &self.sender.reporter
    }

    fn set_next(&self, call: Option<Arc<Call>>) {
        *self.next.lock() = call;
    }

    fn take_next(&self) -> Option<Arc<Call>> {
        let known = self.next.lock().take();
        known.or_else(|| self.seat.as_ref().and_then(|seat| seat.call_of([])))
    }
}

impl Sender {
    /// Sends `request` on behalf of `call`.
    pub(super) async fn send(
        self,
        request: Request<Body>,
        wanted: Wanted,
        call: Option<Arc<Call>>,
    ) -> Result<Response<Body>, Unsent> {
        let (options, counters) = (clamp(self.options, wanted), &self.reporter.meter.outbound);
        let Some(call) = call else {
            let response = self.upstream.send(request, options).await;
            let response = response.map_err(|error| self.failed(error, None))?;
            counters.count("ok");
            return Ok(response);
        };
        if call.outbound_begun.fetch_add(1, Ordering::Relaxed) >= self.requests {
            counters.count("limit");
            return Err(Unsent::Limit);
        }
        let sent = async {
            let permit = call.outbound_permit().await;
            let response = self.upstream.send(request, options).await;
            response.map(|response| (response, permit))
        };
        let (response, permit) = tokio::select! {
            sent = sent => sent.map_err(|error| self.failed(error, Some(&call)))?,
            () = call.until_given_up() => {
                counters.count("cancelled");
                return Err(Unsent::Cancelled);
            }
        };
        counters.count("ok");
        Ok(response.map(|body| {
            let held = HeldBody::new(body, permit);
            call.hold(&held);
            Body::stream(held.reader())
        }))
    }

    fn failed(&self, error: UpstreamError, call: Option<&Arc<Call>>) -> Unsent {
        self.reporter.failed(&error, call);
        Unsent::Upstream(error)
    }
}

/// A guest may ask for shorter times than its limits, not for longer ones.
fn clamp(limits: Options, wanted: Wanted) -> Options {
    Options {
        connect: wanted.connect.map_or(limits.connect, |time| time.min(limits.connect)),
        head: wanted.head.map_or(limits.head, |time| time.min(limits.head)),
        gap: wanted.gap.map_or(limits.gap, |time| time.min(limits.gap)),
    }
}
