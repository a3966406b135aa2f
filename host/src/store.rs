//! What handlers keep: values by key, in buckets, for longer than the process lives.
//!
//! A [`Store`] is one backend for all handlers of a server. What one generation may reach
//! of it are its [`Buckets`]. Nothing here knows guests or clients.

mod backend;
mod bucket;
mod buckets;
mod error;
mod redb;
#[cfg(feature = "redis")]
mod redis;
#[cfg(test)]
mod tests;
mod view;

pub use backend::Swapped;
pub use bucket::{Bucket, Page};
pub use buckets::{Access, Buckets};
pub use error::StoreError;

use crate::config::Durability;
use crate::id::{HandlerName, SchemaNumber};
use crate::limits::LiveLimits;
use crate::meter::ServerMeter;
use anyhow::Result;
use backend::Backend;
use redb::{Place, Redb};
use std::path::Path;
use std::sync::Arc;

/// The state of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    backend: Arc<dyn Backend>,
    limits: LiveLimits,
}

impl Store {
    /// The store in a file, which is made if there is none. Fails with what to do next.
    pub async fn in_file(
        file: &Path,
        durability: Durability,
        limits: &LiveLimits,
        meter: &Arc<ServerMeter>,
    ) -> Result<Self> {
        let place = Place::File(file.to_owned());
        Self::of(Redb::open(place, durability, limits, meter).await?, limits)
    }

    /// A store that is empty and forgets: for trying handlers without what they keep.
    pub async fn in_memory(limits: &LiveLimits, meter: &Arc<ServerMeter>) -> Result<Self> {
        Self::of(Redb::open(Place::Memory, Durability::Relaxed, limits, meter).await?, limits)
    }

    /// The store on a server of Redis' protocol. Fails with what to do next.
    #[cfg(feature = "redis")]
    pub async fn on_server(url: &str, limits: &LiveLimits) -> Result<Self> {
        Self::of(redis::Redis::connect(url, limits).await?, limits)
    }

    #[cfg(not(feature = "redis"))]
    pub async fn on_server(_: &str, _: &LiveLimits) -> Result<Self> {
        anyhow::bail!(
            "this Squall was built without Redis; build it with `--features redis`, or keep the state in a file: `backend = \"redb\"`"
        )
    }

    fn of(backend: impl Backend + 'static, limits: &LiveLimits) -> Result<Self> {
        Ok(Store { backend: Arc::new(backend), limits: limits.clone() })
    }

    /// The schema of the generation of `handler` that served last, if any has.
    pub async fn schema(&self, handler: &HandlerName) -> Result<Option<SchemaNumber>, StoreError> {
        self.backend.schema(handler).await
    }

    /// Writes down all that is not, and lets go of the file. What is asked afterwards is
    /// refused.
    pub async fn close(&self) {
        self.backend.close().await;
    }
}
