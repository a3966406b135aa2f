//! What an operator can know about handlers: which generation serves since when,
//! and when and why each reload succeeded or failed.

use super::handler::{Generation, Handler};
use super::registry::Registry;
use crate::id::GenerationNumber;
use crate::wasm::Origin;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

/// How many reloads are remembered of a handler, and of the config.
const HISTORY: usize = 20;

/// The last reloads of a handler or of the config, and what is wrong with its file now.
#[derive(Debug, Default)]
pub struct ReloadLog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    history: VecDeque<ReloadStatus>,
    /// Why the file that is there now does not serve; `None` if it does.
    trouble: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ReloadStatus {
    pub at: String,
    /// `ok`, `rejected` or `missing`.
    pub result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub duration_ms: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct SiteStatus {
    pub version: &'static str,
    /// False while any handler's file, or the config, cannot be served as it is.
    pub healthy: bool,
    pub handlers: Vec<HandlerStatus>,
    /// Where the state is, if a handler has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    pub routes: Vec<RouteStatus>,
    pub draining: Vec<GenerationStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_trouble: Option<String>,
    pub config_reloads: Vec<ReloadStatus>,
    /// Limits of the server that the config has changed in vain so far.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub awaits_restart: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct HandlerStatus {
    pub name: String,
    #[serde(flatten)]
    pub generation: GenerationStatus,
    pub in_flight: u64,
    pub waiting: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<StateStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    pub reloads: Vec<ReloadStatus>,
}

#[derive(Clone, Debug, Serialize)]
pub struct StateStatus {
    pub schema: u32,
    pub bytes: u64,
    pub keys: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct GenerationStatus {
    pub handler: String,
    pub generation: u64,
    pub component: String,
    pub hash: String,
    pub bytes: u64,
    pub world: &'static str,
    pub isolation: &'static str,
    pub loaded_at: String,
    pub compiled: &'static str,
    pub compile_ms: u64,
    pub instances: usize,
}

#[derive(Clone, Debug, Serialize)]
pub struct RouteStatus {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    pub path: String,
    pub to: String,
}

impl ReloadLog {
    pub(super) fn succeeded(&self, generation: Option<GenerationNumber>, took: Duration) {
        let mut state = self.0.lock();
        state.trouble = None;
        state.push(ReloadStatus::ok(generation, took));
    }

    /// Some of it was reloaded. What is wrong with the rest stays so.
    pub(super) fn succeeded_in_part(&self, took: Duration) {
        let mut state = self.0.lock();
        state.push(ReloadStatus::ok(None, took));
    }

    pub(super) fn failed(&self, result: &'static str, reason: &str, took: Duration) {
        let mut state = self.0.lock();
        state.trouble = Some(reason.to_owned());
        let (at, reason) = (now(), Some(reason.to_owned()));
        state.push(ReloadStatus {
            at,
            result,
            generation: None,
            reason,
            duration_ms: millis(took),
        });
    }

    /// The file is again what serves. Returns whether something was wrong with it.
    pub(super) fn recovered(&self) -> bool {
        self.0.lock().trouble.take().is_some()
    }

    pub fn trouble(&self) -> Option<String> {
        self.0.lock().trouble.clone()
    }

    fn history(&self) -> Vec<ReloadStatus> {
        let state = self.0.lock();
        state.history.iter().rev().cloned().collect()
    }
}

impl ReloadStatus {
    fn ok(generation: Option<GenerationNumber>, took: Duration) -> Self {
        ReloadStatus {
            at: now(),
            result: "ok",
            generation: generation.map(|number| number.0),
            reason: None,
            duration_ms: millis(took),
        }
    }
}

impl State {
    fn push(&mut self, reload: ReloadStatus) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(reload);
    }
}

impl Registry {
    pub fn status(&self) -> SiteStatus {
        let config_trouble = self.config.trouble();
        let site = self.site();
        let handlers: Vec<HandlerStatus> = site
            .handlers()
            .map(|(handler, generation)| handler_status(handler, generation))
            .collect();
        let routes = site.config.routes.iter().map(|(key, target)| RouteStatus {
            host: key.host.as_ref().map(ToString::to_string),
            methods: key.methods.iter().map(ToString::to_string).collect(),
            path: key.path.to_string(),
            to: target.to_string(),
        });
        let routes = routes.collect();
        let healthy = config_trouble.is_none() && handlers.iter().all(|h| h.trouble.is_none());
        let awaits_restart = self.limits.awaiting_restart(&site.config.limits);
        let has_state = handlers.iter().any(|handler| handler.state.is_some());
        let state = has_state.then(|| site.config.state.to_string());
        drop(site);
        SiteStatus {
            version: env!("CARGO_PKG_VERSION"),
            healthy,
            handlers,
            state,
            routes,
            draining: self.draining().iter().map(|g| generation_status(g)).collect(),
            config_trouble,
            config_reloads: self.config.history(),
            awaits_restart,
        }
    }
}

fn handler_status(handler: &Handler, generation: &Generation) -> HandlerStatus {
    HandlerStatus {
        name: handler.name.to_string(),
        generation: generation_status(generation),
        in_flight: handler.meter.in_flight.get(),
        waiting: handler.meter.queue.get(),
        state: generation.buckets.schema().map(|schema| StateStatus {
            schema: schema.0,
            bytes: handler.meter.state_bytes.get(),
            keys: handler.meter.state_keys.get(),
        }),
        trouble: handler.reloads.trouble(),
        reloads: handler.reloads.history(),
    }
}

fn generation_status(generation: &Generation) -> GenerationStatus {
    let (compiled, took) = match generation.component.origin {
        Origin::Compiled(took) => ("now", took),
        Origin::Cached(took) => ("cached", took),
    };
    GenerationStatus {
        handler: generation.handler().to_string(),
        generation: generation.number.0,
        component: generation.config.component.display().to_string(),
        hash: generation.component.hash.to_string(),
        bytes: generation.component.size,
        world: generation.component.shape.world.label(),
        isolation: generation.isolation.label(),
        loaded_at: humantime::format_rfc3339_millis(generation.loaded_at).to_string(),
        compiled,
        compile_ms: millis(took),
        instances: generation.pool.instances(),
    }
}

fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
