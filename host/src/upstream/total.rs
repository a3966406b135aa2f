//! How many connections all handlers together have open to other hosts. Each is a
//! descriptor, and no handler shall use up those of the process.

use super::pool::Pool;
use crate::limits::{Place, Room};
use parking_lot::Mutex;
use std::sync::{Arc, Weak};

/// The connections of one process. Clones share one number.
#[derive(Clone, Debug)]
pub struct OpenConnections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    room: Room,
    /// Whose idle connections can give way.
    pools: Mutex<Vec<Weak<Pool>>>,
}

impl OpenConnections {
    pub fn new(room: Room) -> Self {
        OpenConnections(Arc::new(Inner { room, pools: Mutex::default() }))
    }

    pub(super) fn limit(&self) -> usize {
        self.0.room.limit()
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.room.is_full()
    }

    pub(super) async fn take(&self) -> Place {
        self.0.room.take().await
    }

    /// One at once, or none. Those who wait go first.
    pub(super) fn try_take(&self) -> Option<Place> {
        self.0.room.try_take()
    }

    /// Counts the connections of `pool` among those that can give way.
    pub(super) fn add(&self, pool: &Arc<Pool>) {
        let mut pools = self.0.pools.lock();
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    /// Frees a permit soon, if any handler has an idle connection.
    pub(super) fn close_one_idle(&self) {
        // A pool is neither locked nor dropped under this lock.
        let pools: Vec<_> = self.0.pools.lock().iter().filter_map(Weak::upgrade).collect();
        let _any = pools.iter().any(|pool| pool.close_one_idle());
    }
}

/// As many as there may be.
impl Default for OpenConnections {
    fn default() -> Self {
        OpenConnections::new(Room::new(u64::MAX))
    }
}
