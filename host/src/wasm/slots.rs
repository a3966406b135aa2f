//! The instances of the whole process: how many there may be, and who waits for
//! one. A handler that takes many cannot make another fail: its requests wait.

use super::pool::Pool;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

#[derive(Clone, Debug)]
pub(crate) struct Slots(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: u64,
    /// Pools with waiting requests that found no free slot, oldest first.
    waiting: VecDeque<Weak<Pool>>,
}

/// The right to one instance, held by that instance.
#[derive(Debug)]
pub(crate) struct Slot(Slots);

impl Slots {
    pub(crate) fn new(instances: u64) -> Self {
        Slots(Arc::new(Mutex::new(State { free: instances, waiting: VecDeque::new() })))
    }

    /// A slot for `pool`. Without one, the pool is pumped as soon as one is free.
    pub(crate) fn take(&self, pool: &Arc<Pool>) -> Option<Slot> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.free > 0 {
            state.free -= 1;
            return Some(Slot(self.clone()));
        }
        let known = state.waiting.iter().any(|weak| std::ptr::eq(weak.as_ptr(), Arc::as_ptr(pool)));
        if !known {
            state.waiting.push_back(Arc::downgrade(pool));
        }
        None
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.free += 1;
        let next = std::iter::from_fn(|| state.waiting.pop_front()).find_map(|weak| weak.upgrade());
        drop(state);
        if let Some(pool) = next {
            pool.pump();
        }
    }
}
