//! A handler over its whole life, and one generation of it.

use super::given::Given;
use super::status::ReloadLog;
use crate::body::{Body, Waited};
use crate::config::{HandlerConfig, Isolation};
use crate::fault::{Fault, FaultKind};
use crate::id::{GenerationNumber, HandlerName};
use crate::limits::{HandlerLimits, Size};
use crate::meter::HandlerMeter;
use crate::store::Buckets;
use crate::told::Told;
use crate::wasm::{Component, Pool, World};
use http::{Request, Response};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use tokio::time::Instant;

/// A named entry of the config. It outlives its generations and keeps what they
/// have in common: counters, and the history of its reloads.
#[derive(Debug)]
pub struct Handler {
    pub name: HandlerName,
    pub meter: Arc<HandlerMeter>,
    pub reloads: ReloadLog,
    generations: AtomicU64,
}

impl Handler {
    pub(super) fn new(name: HandlerName) -> Arc<Self> {
        Arc::new(Handler {
            name,
            meter: Arc::default(),
            reloads: ReloadLog::default(),
            generations: AtomicU64::new(0),
        })
    }

    /// The number of a generation that may come to serve. One that is refused leaves
    /// a gap: its number is in log lines, and stands for nothing else.
    pub(super) fn next_generation(&self) -> GenerationNumber {
        GenerationNumber(self.generations.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// One loaded, checked, compiled version of a handler.
#[derive(Debug)]
pub struct Generation {
    pub number: GenerationNumber,
    pub component: Component,
    pub isolation: Isolation,
    pub limits: HandlerLimits,
    /// What it was made from; a reload that changes nothing keeps it.
    pub config: HandlerConfig,
    pub loaded_at: SystemTime,
    pub(super) given: Given,
    pub(super) buckets: Buckets,
    handler: Arc<Handler>,
    pub(super) pool: Arc<Pool>,
}

impl Generation {
    pub(super) fn new(
        number: GenerationNumber,
        component: Component,
        config: HandlerConfig,
        given: Given,
        buckets: Buckets,
        handler: Arc<Handler>,
        pool: Arc<Pool>,
    ) -> Arc<Self> {
        Arc::new(Generation {
            number,
            component,
            isolation: pool.isolation(),
            limits: config.limits.clone(),
            config,
            loaded_at: SystemTime::now(),
            given,
            buckets,
            handler,
            pool,
        })
    }

    pub fn handler(&self) -> &HandlerName {
        &self.handler.name
    }

    pub fn meter(&self) -> &Arc<HandlerMeter> {
        &self.handler.meter
    }

    /// Lets one more request in, as long as there is room.
    pub fn admit(self: &Arc<Self>) -> Result<InFlight, Fault> {
        let in_flight = &self.handler.meter.in_flight;
        in_flight.add(1);
        let permit = InFlight(self.clone());
        let limit = self.limits.in_flight;
        if in_flight.get() > limit {
            return Err(Fault::new(FaultKind::InFlight, format!("{limit} requests are in flight")));
        }
        Ok(permit)
    }

    /// Up to which size a body of known length is to be there before its request; none if
    /// the handler's world reads any body bit by bit.
    pub fn whole_bodies(&self) -> Option<Size> {
        match self.component.shape.world {
            World::Web => Some(self.limits.body_bytes),
            World::Http02 | World::Http03 => None,
        }
    }

    /// Answers one request, which was here at `began`. Dropping the future, or later the
    /// response's body, ends the guest's work for it.
    pub fn answer(
        &self,
        told: Told,
        request: Request<Body>,
        began: Instant,
        waited: Option<Arc<Waited>>,
    ) -> impl Future<Output = Result<Response<Body>, Fault>> + Send + use<> {
        self.pool.call(told, request, began, waited)
    }
}

/// The right of one request to be in flight, from its head to the end of its
/// response. It keeps its generation, so that a drain knows of it.
#[derive(Debug)]
pub struct InFlight(Arc<Generation>);

impl InFlight {
    pub fn limits(&self) -> &HandlerLimits {
        &self.0.limits
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.handler.meter.in_flight.sub(1);
    }
}
