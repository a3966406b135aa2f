//! One request and its response, for the books: whatever becomes of them, they are
//! counted once, when the last byte is out or given up.

use super::clock::{ConnectionClock, Protocol};
use crate::fault::{Fault, FaultKind, Owner};
use crate::id::{GenerationNumber, HandlerName, HostName, RequestId};
use crate::logging::Seldom;
use crate::logging::access::{AccessLine, AccessLog};
use crate::meter::HandlerMeter;
use http::{Method, StatusCode, Uri};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::Instant;

/// For want of room, by handler.
static REFUSALS: Seldom<(Option<HandlerName>, FaultKind)> = Seldom::new();

pub(super) struct Exchange {
    pub(super) id: RequestId,
    pub(super) method: Method,
    pub(super) target: Uri,
    pub(super) host: Option<HostName>,
    pub(super) client: IpAddr,
    pub(super) protocol: Protocol,
    pub(super) began: Instant,
    clock: Arc<ConnectionClock>,
    access: AccessLog,
    meter: Arc<HandlerMeter>,
    handler: Option<(HandlerName, GenerationNumber)>,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    /// How many there will be, if that is known.
    pub(super) declared: Option<u64>,
    status: Option<StatusCode>,
    complete: bool,
    fault: Option<FaultKind>,
}

impl Exchange {
    pub(super) fn new(
        head: &http::request::Parts,
        began: Instant,
        client: IpAddr,
        protocol: Protocol,
        clock: Arc<ConnectionClock>,
        access: AccessLog,
        meter: Arc<HandlerMeter>,
    ) -> Self {
        Exchange {
            id: RequestId::next(),
            method: head.method.clone(),
            target: head.uri.clone(),
            host: None,
            client,
            protocol,
            began,
            clock,
            access,
            meter,
            handler: None,
            request_bytes: 0,
            response_bytes: 0,
            declared: None,
            status: None,
            complete: false,
            fault: None,
        }
    }

    /// The request went to this handler; from now on it is counted there.
    pub(super) fn routed(
        &mut self,
        meter: &Arc<HandlerMeter>,
        handler: HandlerName,
        generation: GenerationNumber,
    ) {
        self.meter = meter.clone();
        self.handler = Some((handler, generation));
    }

    pub(super) fn responded(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    pub(super) fn has_sent_all(&self) -> bool {
        self.declared == Some(self.response_bytes)
    }

    /// The last byte was handed to the connection.
    pub(super) fn completed(&mut self) {
        self.complete = true;
    }

    /// Counts a fault and tells the operator about it. The first one of a request
    /// is the cause, what follows from it is not counted again.
    pub(super) fn fail(&mut self, fault: &Fault) {
        if self.fault.is_some() {
            return;
        }
        self.fault = Some(fault.kind);
        self.meter.fault(fault.kind);
        let (handler, generation) = match &self.handler {
            Some((handler, generation)) => (Some(handler), Some(generation)),
            None => (None, None),
        };
        let handler = handler.map(tracing::field::display);
        let generation = generation.map(tracing::field::display);
        let (request, kind, cause) = (self.id, fault.kind.label(), &fault.detail);
        match fault.kind.owner() {
            // Anybody can make these: they are counted, and seen at debug level.
            Owner::Client => {
                tracing::debug!(%request, handler, generation, kind, cause, "{}", fault.kind.outside());
            }
            Owner::Guest => {
                tracing::warn!(%request, handler, generation, kind, cause, "{}", fault.kind.outside());
            }
            // A flood is one thing to know, and counted.
            Owner::Load => {
                let who = self.handler.as_ref().map(|(handler, _)| handler.clone());
                if let Some(left_out) = REFUSALS.speak((who, fault.kind)) {
                    tracing::warn!(%request, handler, generation, kind, cause, left_out, "{}", fault.kind.outside());
                }
            }
            Owner::Host => {
                tracing::error!(%request, handler, generation, kind, cause, "{}", fault.kind.outside());
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let now = Instant::now();
        self.clock.end_request(self.complete, now);
        if !self.complete && self.fault.is_none() {
            self.fail(&Fault::plain(FaultKind::Cancelled));
        }
        let duration = now.duration_since(self.began);
        if let Some(status) = self.status {
            self.meter.requests.count(status.as_u16());
        }
        self.meter.durations.observe(duration);
        self.meter.request_bytes.add(self.request_bytes);
        self.meter.response_bytes.add(self.response_bytes);
        self.access.write(|| AccessLine {
            id: self.id,
            client: self.client,
            method: self.method.clone(),
            target: self.target.clone(),
            host: self.host.take(),
            http2: self.protocol == Protocol::Http2,
            handler: self.handler.take(),
            status: self.status.map(|status| status.as_u16()),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            duration,
            fault: self.fault,
        });
    }
}
