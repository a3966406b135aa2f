//! An instance as its pool runs it: what it does when its guest rests, and what becomes
//! of its requests when it ends.

use super::super::seat::{Blame, Seat};
use super::super::slots::Slot;
use super::super::{trap, worlds};
use super::{Pool, Stage, State};
use crate::config::Isolation;
use crate::fault::{Fault, FaultKind};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::time::Instant;

/// What an instance that came to rest should do.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::wasm) enum Rest {
    /// A request has arrived meanwhile.
    Work,
    Wait,
}

/// What becomes of requests that an instance was given and has not begun when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wasm) enum Unbegun {
    GoElsewhere,
    /// They fail with the instance.
    Fail,
}

/// An instance while it lives: what it holds of the pool is given back when it
/// ends, however it ends.
pub(in crate::wasm) struct Instance {
    pub(in crate::wasm) pool: Arc<Pool>,
    pub(in crate::wasm) seat: Arc<Seat>,
    pub(super) slot: Option<Slot>,
}

impl Instance {
    pub(super) async fn run(self) {
        let ended = AssertUnwindSafe(worlds::run(&self)).catch_unwind().await;
        let Err(panic) = ended else { return };
        self.close(Unbegun::Fail);
        self.pool.meter.panics.add(1);
        let text = format!("the host panicked: {}", trap::panic_text(&*panic));
        self.seat.fail_all(&Blame::All, &Fault::new(FaultKind::Bug, text));
    }

    /// The guest will not run again. What it was given and has not begun goes to another
    /// instance, unless there will be none that can begin anything.
    pub(in crate::wasm) fn close(&self, jobs: Unbegun) {
        let mut state = self.pool.lock();
        state.available.retain(|(seat, _)| !Arc::ptr_eq(seat, &self.seat));
        state.come_to_rest(&self.seat);
        if jobs == Unbegun::GoElsewhere {
            self.give_back(&mut state);
        }
        drop(state);
        self.pool.pump();
    }

    /// Called when the guest has come to rest. `can_take` tells whether it would
    /// take another request now.
    pub(in crate::wasm) fn rest(&self, can_take: bool) -> Rest {
        let mut state = self.pool.lock();
        if self.seat.is_blocked() {
            self.give_back(&mut state);
        }
        if self.seat.has_jobs() {
            return Rest::Work;
        }
        state.come_to_rest(&self.seat);
        if can_take && let Some(job) = self.pool.next_waiting(&mut state) {
            state.give(&self.seat, job);
            return Rest::Work;
        }
        if can_take && state.stage == Stage::Serving && !self.seat.is_retiring() {
            let listed = state.available.iter().any(|(seat, _)| Arc::ptr_eq(seat, &self.seat));
            if !listed {
                state.available.push((self.seat.clone(), Instant::now()));
            }
        }
        let more = !state.waiting.is_empty();
        drop(state);
        if more {
            self.pool.pump();
        }
        Rest::Wait
    }

    /// What it has not begun goes to others, who can begin sooner; and first, because it
    /// came first.
    fn give_back(&self, state: &mut State) {
        for job in self.seat.give_back().into_iter().rev() {
            match state.stage {
                Stage::Cut => job.call.fail(self.pool.cut_fault()),
                Stage::Serving | Stage::Retiring => state.waiting.push_front(job),
            }
        }
        state.available.retain(|(seat, _)| !Arc::ptr_eq(seat, &self.seat));
        self.pool.meter.queue.set(state.waiting.len());
    }

    /// Whether no request will come after those that it has.
    pub(in crate::wasm) fn gets_no_more(&self) -> bool {
        match self.pool.isolation {
            Isolation::Request => true,
            Isolation::Shared => {
                self.seat.is_retiring()
                    || self.seat.taken() >= self.pool.blueprint.limits.instance_requests
            }
        }
    }

    /// A fault that has no request to answer any more.
    pub(in crate::wasm) fn count(&self, kind: FaultKind) {
        self.pool.meter.fault(kind);
    }

    /// The guest failed after its last answer, which nobody but the operator can know.
    pub(in crate::wasm) fn failed_alone(&self, fault: &Fault) {
        self.count(fault.kind);
        let (handler, generation) = (&self.pool.blueprint.handler, self.pool.blueprint.generation);
        let (kind, cause) = (fault.kind.label(), &fault.detail);
        tracing::warn!(%handler, %generation, kind, cause, "the handler failed after its answers");
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.come_to_rest(&self.seat);
        state.seats.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
        state.available.retain(|(seat, _)| !Arc::ptr_eq(seat, &self.seat));
        drop(state);
        self.seat.leave();
        self.pool.meter.instances.sub(1);
        // The slot first: pumping may then use it.
        drop(self.slot.take());
        self.pool.pump();
    }
}
