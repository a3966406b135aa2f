//! What an instance may have on its way to nobody: bodies of responses that were not
//! returned.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(in crate::wasm) struct Budget {
    left: AtomicUsize,
}

/// Bytes that are held, for as long as they are.
pub(super) struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(in crate::wasm) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Budget { left: AtomicUsize::new(bytes) })
    }

    pub(super) fn charge(self: &Arc<Self>) -> Charge {
        Charge { budget: self.clone(), bytes: 0 }
    }
}

impl Charge {
    /// Up to so many bytes more. Returns for how many there is room.
    pub(super) fn more(&mut self, bytes: usize) -> usize {
        let left = &self.budget.left;
        let mut granted = 0;
        // A store is run by one thread at a time; others only give back.
        let _ = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            granted = bytes.min(left);
            Some(left - granted)
        });
        self.bytes += granted;
        granted
    }

    /// What was charged so far, on its own.
    pub(super) fn split(&mut self) -> Self {
        Charge { budget: self.budget.clone(), bytes: std::mem::take(&mut self.bytes) }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_so_much_room() {
        let budget = Budget::new(100);
        let (mut first, mut second) = (budget.charge(), budget.charge());
        assert_eq!(first.more(70), 70);
        assert_eq!(second.more(70), 30);
        assert_eq!(second.more(1), 0);
        drop(first);
        assert_eq!(second.more(100), 70);
    }
}
