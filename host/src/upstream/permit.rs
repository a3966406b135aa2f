//! How many connections one handler has open, and how many it may.

use crate::meter::Gauge;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Debug)]
pub(super) struct Permits {
    free: Arc<Semaphore>,
    limit: usize,
    /// Of all generations of the handler.
    open: Arc<Gauge>,
}

/// The right to have one connection, whether in use, idle or being made. It is inside
/// the connection's socket.
#[derive(Debug)]
pub(super) struct Permit {
    open: Arc<Gauge>,
    _one: OwnedSemaphorePermit,
}

impl Permits {
    pub(super) fn new(limit: usize, open: Arc<Gauge>) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Permits { free: Arc::new(Semaphore::new(limit)), limit, open }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn taken(&self) -> usize {
        self.limit - self.free.available_permits()
    }

    pub(super) fn try_take(&self) -> Option<Permit> {
        self.free.clone().try_acquire_owned().ok().map(|one| self.permit(one))
    }

    /// Waits for one. `None` never comes: nobody closes the semaphore.
    pub(super) async fn take(&self) -> Option<Permit> {
        self.free.clone().acquire_owned().await.ok().map(|one| self.permit(one))
    }

    fn permit(&self, one: OwnedSemaphorePermit) -> Permit {
        self.open.add(1);
        Permit { open: self.open.clone(), _one: one }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.open.sub(1);
    }
}
