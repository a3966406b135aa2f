//! The limits of the server in force. A new config replaces them while it runs.

use super::ServerLimits;
use anyhow::Result;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;

/// The limits of the server as they are now, shared by all who keep to them.
#[derive(Clone)]
pub struct LiveLimits(Arc<Inner>);

struct Inner {
    /// How many the process may have, for the limits that stand for a share of them.
    descriptors: u64,
    started: ServerLimits,
    now: ArcSwap<ServerLimits>,
    followers: Mutex<Vec<Follower>>,
}

type Follower = Box<dyn Fn(&ServerLimits) + Send + Sync>;

impl LiveLimits {
    /// Those of a process that starts.
    pub fn new(wanted: &ServerLimits, descriptors: u64) -> Result<Self> {
        let started = wanted.clone().within(descriptors)?;
        Ok(LiveLimits(Arc::new(Inner {
            descriptors,
            now: ArcSwap::from_pointee(started.clone()),
            started,
            followers: Mutex::default(),
        })))
    }

    /// Whoever needs several that fit each other takes them at once.
    pub fn now(&self) -> Arc<ServerLimits> {
        self.0.now.load_full()
    }

    /// What of `wanted` can be in force without a restart, or why there is no room for it.
    pub fn possible(&self, wanted: &ServerLimits) -> Result<Arc<ServerLimits>> {
        let wanted = wanted.clone().within(self.0.descriptors)?;
        let started = &self.0.started;
        Ok(Arc::new(ServerLimits {
            instances: wanted.instances.min(started.most_instances()),
            // The engines are made once, and components are compiled for them.
            stack: started.stack,
            memory_ceiling: started.memory_ceiling,
            // So are the queues, and the cache.
            log_queue: started.log_queue,
            state_queue: started.state_queue,
            state_cache: started.state_cache,
            ..wanted
        }))
    }

    /// Puts in force what is possible.
    pub fn set(&self, possible: Arc<ServerLimits>) {
        // Held meanwhile, so that all follow in one order.
        let followers = self.0.followers.lock();
        self.0.now.store(possible.clone());
        followers.iter().for_each(|follow| follow(&possible));
    }

    /// Which of `wanted` wait for a restart, with what they are now and will be then.
    pub fn awaiting_restart(&self, wanted: &ServerLimits) -> Vec<String> {
        let Ok(wanted) = wanted.clone().within(self.0.descriptors) else { return Vec::new() };
        let rows = wanted.rows(&self.now()).into_iter().filter(|row| row.value != row.default);
        rows.map(|row| format!("`{}` from {} to {}", row.name, row.default, row.value)).collect()
    }

    /// Calls `follow` with the limits after each change. For as long as the limits are
    /// there: it is for what lives as long as the process.
    pub fn follow(&self, follow: impl Fn(&ServerLimits) + Send + Sync + 'static) {
        let mut followers = self.0.followers.lock();
        followers.push(Box::new(follow));
    }
}

impl fmt::Debug for LiveLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiveLimits").field(&self.0.now.load()).finish()
    }
}

impl ServerLimits {
    /// What `instances` can be raised to in a process that was started with these limits:
    /// what its pools are made for. The least is the default, whose address space every
    /// server has that does not set it.
    pub fn most_instances(&self) -> u64 {
        self.instances.max(Self::default().instances)
    }
}
