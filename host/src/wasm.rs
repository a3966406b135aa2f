//! Everything that knows wasmtime: from the bytes of a component to the answer of
//! a guest.
//!
//! The rest of the host sees a [`Loader`], which turns bytes into a [`Component`],
//! and a pool of instances, which turns a request into a response.

mod cache;
mod call;
mod component;
mod data;
mod engine;
mod folders;
mod held;
mod imports;
mod inspect;
mod limiter;
mod pipe;
mod pool;
mod response;
mod seat;
mod slice;
mod slots;
mod trap;
mod web;
mod worlds;
mod wrap;

pub use cache::ContentHash;
pub(crate) use cache::{Cache, default_folder};
pub use component::{Component, Loader, Origin, Refused, examine, inspect};
pub(crate) use data::Blueprint;
pub(crate) use folders::GrantedFolders;
pub(crate) use imports::Reporter;
pub use imports::{Import, ImportStatus};
pub use inspect::{NotAHandler, Shape, World};
pub(crate) use pool::Pool;

use crate::config::Isolation;
use crate::limits::LiveLimits;
use crate::meter::HandlerMeter;
use engine::Engines;
use slots::Slots;
use std::sync::Arc;

/// The machinery that all handlers of a process share.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    pub(crate) loader: Loader,
    ticks: Arc<engine::Ticks>,
    slots: Slots,
}

impl Runtime {
    /// Starts the clock that interrupts guests. Engines follow when they are needed.
    pub(crate) fn new(limits: &LiveLimits, cache: Option<Cache>) -> std::io::Result<Self> {
        let engines = Engines::new(&limits.now())?;
        Ok(Runtime {
            ticks: engines.ticks(),
            slots: Slots::new(limits),
            loader: Loader::new(engines, cache),
        })
    }

    /// The instances of a new generation; none yet. Needs a tokio runtime.
    pub(crate) fn pool(
        &self,
        component: Component,
        blueprint: Blueprint,
        isolation: Option<Isolation>,
        meter: Arc<HandlerMeter>,
    ) -> Arc<Pool> {
        let isolation = isolation.unwrap_or_else(|| default_isolation(component.shape.world));
        Pool::new(component, blueprint, isolation, self.ticks.clone(), self.slots.clone(), meter)
    }
}

/// 0.2 components are written for an instance of their own: toolchains of that
/// world keep state in globals and may not expect a second request. 0.3 ones are
/// made to be entered several times, and a shared instance is what makes ten
/// thousand suspended requests cheap.
pub fn default_isolation(world: World) -> Isolation {
    match world {
        World::Http02 => Isolation::Request,
        World::Http03 | World::Web => Isolation::Shared,
    }
}
