//! Bounds the memory of one instance: the sum over all its memories and tables,
//! because a limit per memory is no limit for a component that has many.

use crate::limits::HandlerLimits;
use wasmtime::ResourceLimiter;

/// Bytes that one element of a table takes in the host.
const TABLE_ELEMENT: usize = size_of::<usize>() * 2;

#[derive(Debug)]
pub(crate) struct Limiter {
    budget: usize,
    used: usize,
    table_elements: usize,
    table_budget: usize,
    memories: usize,
    tables: usize,
    instances: usize,
    /// Set once something was denied: a guest that then gives up did so for want
    /// of memory.
    denied: bool,
}

impl Limiter {
    pub(crate) fn new(limits: &HandlerLimits) -> Self {
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Limiter {
            budget: limits.memory.to_usize(),
            used: 0,
            table_elements: 0,
            table_budget: count(limits.table_elements),
            memories: count(limits.memories),
            tables: count(limits.tables),
            instances: count(limits.core_instances),
            denied: false,
        }
    }

    pub(crate) fn denied(&self) -> bool {
        self.denied
    }

    /// Adds `more` bytes to what is used, or denies them.
    fn take(&mut self, more: usize) -> bool {
        match self.used.checked_add(more) {
            Some(used) if used <= self.budget => {
                self.used = used;
                true
            }
            _ => {
                self.denied = true;
                false
            }
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.take(desired.saturating_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        if self.table_elements.saturating_add(more) > self.table_budget {
            self.denied = true;
            return Ok(false);
        }
        let granted = self.take(more.saturating_mul(TABLE_ELEMENT));
        if granted {
            self.table_elements += more;
        }
        Ok(granted)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.tables
    }

    fn memories(&self) -> usize {
        self.memories
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Size;

    #[test]
    fn memories_and_tables_share_one_budget() {
        let limits =
            HandlerLimits { memory: Size::bytes(1000), table_elements: 10, ..Default::default() };
        let mut limiter = Limiter::new(&limits);
        assert!(limiter.memory_growing(0, 600, None).unwrap());
        assert!(limiter.memory_growing(0, 200, None).unwrap());
        assert!(limiter.table_growing(0, 10, None).unwrap());
        assert!(!limiter.denied());
        assert!(!limiter.memory_growing(600, 800, None).unwrap(), "sum over the memories");
        assert!(limiter.denied());
        assert!(!limiter.table_growing(10, 11, None).unwrap(), "sum over the tables");
    }
}
