//! Tells the operator what went wrong with a handler's calls outward.

use super::super::call::Call;
use crate::id::{GenerationNumber, HandlerName, RequestId};
use crate::logging::Seldom;
use crate::meter::HandlerMeter;
use crate::policy::Denied;
use crate::upstream::{Full, UpstreamError};
use std::sync::Arc;

/// One for all instances of a generation.
pub(crate) struct Reporter {
    pub(super) handler: HandlerName,
    pub(super) generation: GenerationNumber,
    pub(super) meter: Arc<HandlerMeter>,
    /// A guest can be denied as often as it likes.
    denials: Seldom<Denied>,
    /// And meet a limit.
    full: Seldom<&'static str>,
    buckets: Seldom<String>,
}

impl Reporter {
    pub(crate) fn new(
        handler: HandlerName,
        generation: GenerationNumber,
        meter: Arc<HandlerMeter>,
    ) -> Self {
        let (denials, full, buckets) = (Seldom::new(), Seldom::new(), Seldom::new());
        Reporter { handler, generation, meter, denials, full, buckets }
    }

    /// An outbound request got no response.
    pub(super) fn failed(&self, error: &UpstreamError, call: Option<&Arc<Call>>) {
        self.meter.outbound.count(error.phase());
        let request = call.map(|call| call.id);
        if let UpstreamError::Denied(denied) = error {
            return self.denied("outbound request", denied, request);
        }
        let (handler, generation) = (&self.handler, self.generation);
        let request = request.map(tracing::field::display);
        tracing::debug!(%handler, %generation, request, phase = error.phase(), "outbound request failed: {error}");
    }

    /// A guest got no socket.
    pub(super) fn full(&self, full: Full) {
        self.meter.outbound.count("connection_limit");
        let Some(left_out) = self.full.speak(full.name) else { return };
        let (handler, generation) = (&self.handler, self.generation);
        tracing::warn!(%handler, %generation, left_out, "no TCP socket for the handler: {full}");
    }

    /// A bucket that no grant names.
    pub(super) fn no_bucket(&self, bucket: &str) {
        self.meter.state_operations.count(("open", "no_such_bucket"));
        // No name that can be granted is longer.
        let bucket: String = bucket.chars().take(64).collect();
        let Some(left_out) = self.buckets.speak(bucket.clone()) else { return };
        let (handler, generation) = (&self.handler, self.generation);
        tracing::warn!(%handler, %generation, left_out, "a bucket was denied: no grant names {bucket:?}; to grant it, add it to `key_value`");
    }

    /// A call that no grant allows.
    pub(super) fn denied(&self, what: &str, denied: &Denied, request: Option<RequestId>) {
        let reason = denied.reason();
        self.meter.outbound_denied.count(reason);
        let Some(left_out) = self.denials.speak(denied.clone()) else { return };
        let (handler, generation) = (&self.handler, self.generation);
        let request = request.map(tracing::field::display);
        tracing::warn!(%handler, %generation, request, reason, left_out, "{what} denied: {denied}");
    }
}
