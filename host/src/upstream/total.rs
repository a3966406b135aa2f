//! How many connections all handlers together have open to other hosts. Each is a
//! descriptor, and no handler shall use up those of the process.

use super::lock;
use super::pool::Pool;
use std::future::pending;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The connections of one process. Clones share one number.
#[derive(Clone, Debug)]
pub struct OpenConnections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    free: Arc<Semaphore>,
    limit: usize,
    /// Whose idle connections can give way.
    pools: Mutex<Vec<Weak<Pool>>>,
}

impl OpenConnections {
    pub fn new(limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let free = Arc::new(Semaphore::new(limit));
        OpenConnections(Arc::new(Inner { free, limit, pools: Mutex::default() }))
    }

    pub(super) fn limit(&self) -> usize {
        self.0.limit
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.free.available_permits() == 0
    }

    pub(super) async fn take(&self) -> OwnedSemaphorePermit {
        match self.0.free.clone().acquire_owned().await {
            Ok(permit) => permit,
            // Never: nobody closes the semaphore.
            Err(_closed) => pending().await,
        }
    }

    /// One at once, or none. Those who wait go first.
    pub(super) fn try_take(&self) -> Option<OwnedSemaphorePermit> {
        self.0.free.clone().try_acquire_owned().ok()
    }

    /// Counts the connections of `pool` among those that can give way.
    pub(super) fn add(&self, pool: &Arc<Pool>) {
        let mut pools = lock(&self.0.pools);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    /// Frees a permit soon, if any handler has an idle connection.
    pub(super) fn close_one_idle(&self) {
        // A pool is neither locked nor dropped under this lock.
        let pools: Vec<_> = lock(&self.0.pools).iter().filter_map(Weak::upgrade).collect();
        let _any = pools.iter().any(|pool| pool.close_one_idle());
    }
}

/// As many as there may be.
impl Default for OpenConnections {
    fn default() -> Self {
        OpenConnections::new(u64::MAX)
    }
}
