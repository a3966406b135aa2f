//! How many connections one handler has open, and how many it may.

use super::total::OpenConnections;
use crate::limits::Place;
use crate::meter::Gauge;
use std::future::pending;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Debug)]
pub(super) struct Permits {
    free: Arc<Semaphore>,
    limit: usize,
    /// Of all handlers.
    total: OpenConnections,
    /// Of all generations of the handler.
    open: Arc<Gauge>,
}

/// The right to have one connection, whether in use, idle or being made. It is inside
/// the connection's socket, or with whoever has reserved it.
#[derive(Debug)]
pub struct Permit {
    open: Arc<Gauge>,
    _one: OwnedSemaphorePermit,
    _of_all: Place,
}

/// A limit that leaves no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("all {limit} connections of `{name}` are in use")]
pub struct Full {
    pub name: &'static str,
    pub limit: usize,
}

impl Permits {
    pub(super) fn new(limit: usize, total: OpenConnections, open: Arc<Gauge>) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Permits { free: Arc::new(Semaphore::new(limit)), limit, total, open }
    }

    pub(super) fn taken(&self) -> usize {
        self.limit - self.free.available_permits()
    }

    pub(super) fn total(&self) -> &OpenConnections {
        &self.total
    }

    pub(super) fn full(&self) -> Option<Full> {
        if self.free.available_permits() == 0 {
            return Some(self.own_full());
        }
        self.total.is_full().then(|| self.total_full())
    }

    /// One at once, or none.
    pub(super) fn try_take(&self) -> Result<Permit, Full> {
        let one = self.free.clone().try_acquire_owned().map_err(|_| self.own_full())?;
        let of_all = self.total.try_take().ok_or_else(|| self.total_full())?;
        Ok(self.permit(one, of_all))
    }

    /// Waits for one: first among the handler's own, then among all.
    pub(super) async fn take(&self) -> Permit {
        let Ok(one) = self.free.clone().acquire_owned().await else {
            // Never: nobody closes the semaphore.
            return pending().await;
        };
        let of_all = self.total.take().await;
        self.permit(one, of_all)
    }

    fn permit(&self, one: OwnedSemaphorePermit, of_all: Place) -> Permit {
        self.open.add(1);
        Permit { open: self.open.clone(), _one: one, _of_all: of_all }
    }

    fn own_full(&self) -> Full {
        Full { name: "outbound_connections", limit: self.limit }
    }

    fn total_full(&self) -> Full {
        Full { name: "outbound_open", limit: self.total.limit() }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.open.sub(1);
    }
}
