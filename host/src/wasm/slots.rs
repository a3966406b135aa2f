//! The instances of the whole process: how many there may be, and who waits for
//! one. A handler that takes many cannot make another fail: its requests wait.

use super::pool::Pool;
use crate::limits::LiveLimits;
use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

#[derive(Clone, Debug)]
pub(crate) struct Slots(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// The limit `instances`.
    limit: u64,
    taken: u64,
    /// Pools with waiting requests that found no free slot, oldest first.
    waiting: VecDeque<Weak<Pool>>,
}

/// The right to one instance, held by that instance.
#[derive(Debug)]
pub(crate) struct Slot(Slots);

impl Slots {
    pub(crate) fn new(limits: &LiveLimits) -> Self {
        let limit = limits.now().instances;
        let state = State { limit, taken: 0, waiting: VecDeque::new() };
        let slots = Slots(Arc::new(Mutex::new(state)));
        let follower = slots.clone();
        limits.follow(move |now| follower.resize(now.instances));
        slots
    }

    /// A slot for `pool`. Without one, the pool is pumped as soon as one is free.
    pub(crate) fn take(&self, pool: &Arc<Pool>) -> Option<Slot> {
        let mut state = self.lock();
        let is_pool = |weak: &Weak<Pool>| std::ptr::eq(weak.as_ptr(), Arc::as_ptr(pool));
        if state.taken < state.limit {
            state.taken += 1;
            state.waiting.retain(|weak| !is_pool(weak));
            return Some(Slot(self.clone()));
        }
        if !state.waiting.iter().any(is_pool) {
            state.waiting.push_back(Arc::downgrade(pool));
        }
        None
    }

    /// Instances that there are stay, also if they are more than that.
    fn resize(&self, limit: u64) {
        self.lock().limit = limit;
        self.offer();
    }

    /// Offers what is free to those who wait, one after the other: some have no use for
    /// it any more. Never under a pool's lock, which each of them takes.
    fn offer(&self) {
        while let Some(pool) = self.next() {
            pool.pump();
        }
    }

    /// Who is to be offered a free slot.
    fn next(&self) -> Option<Arc<Pool>> {
        let mut state = self.lock();
        if state.taken >= state.limit {
            return None;
        }
        std::iter::from_fn(|| state.waiting.pop_front()).find_map(|weak| weak.upgrade())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.lock().taken -= 1;
        self.0.offer();
    }
}
