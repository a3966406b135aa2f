//! The store by itself: what each backend must do, what no two views share, and what a
//! crash leaves.

mod crash;
mod disk;
mod full;
mod model;
#[cfg(feature = "redis")]
#[path = "../../../tests/integration/support/redis.rs"]
#[expect(dead_code, reason = "the tests of whole servers use all of it")]
mod redis;
mod suite;

pub(super) use disk::Disk;

use super::redb::{Place, Redb};
use super::{Access, Bucket, Buckets, Store};
use crate::config::Durability;
use crate::id::{HandlerName, SchemaNumber};
use crate::limits::{HandlerLimits, LiveLimits, ServerLimits};
use crate::meter::{HandlerMeter, ServerMeter};
use std::sync::Arc;

fn limits() -> LiveLimits {
    LiveLimits::new(&ServerLimits::default(), 100_000).unwrap()
}

async fn in_memory() -> Store {
    Store::in_memory(&limits(), &Arc::default()).await.unwrap()
}

async fn on(disk: &Disk, durability: Durability, meter: &Arc<ServerMeter>) -> Store {
    let place = Place::Disk(disk.clone());
    let redb = Redb::open(place, durability, &limits(), meter).await.unwrap();
    Store::of(redb, &limits()).unwrap()
}

#[cfg(feature = "redis")]
async fn on_server(redis: &redis::Redis) -> Store {
    Store::on_server(&redis.url(), &limits()).await.unwrap()
}

/// One handler, as the site would have it.
struct Handler {
    name: HandlerName,
    limits: HandlerLimits,
    meter: Arc<HandlerMeter>,
}

impl Handler {
    fn new(name: &str) -> Self {
        let limits = HandlerLimits::default();
        Handler { name: HandlerName::new(name), limits, meter: Arc::default() }
    }

    async fn buckets(&self, store: &Store, schema: u32, names: &[&str]) -> Buckets {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let access = Access {
            handler: &self.name,
            schema: SchemaNumber(schema),
            buckets: &names,
            limits: &self.limits,
            meter: &self.meter,
        };
        store.buckets(access).await.unwrap()
    }

    async fn bucket(&self, store: &Store) -> Bucket {
        self.buckets(store, 0, &["default"]).await.get("default").unwrap().clone()
    }

    fn usage(&self) -> (u64, u64) {
        (self.meter.state_bytes.get(), self.meter.state_keys.get())
    }
}
