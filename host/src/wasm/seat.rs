//! An instance as its pool sees it: where requests for it arrive, whom it works
//! for, and what ends it.

use super::call::Call;
use super::pool::Job;
use super::response::Content;
use crate::fault::{Fault, FaultKind};
use futures_util::task::AtomicWaker;
use http::Response;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use wasmtime::component::GuestTaskId;

#[derive(Default)]
pub(crate) struct Seat {
    /// Whether the pool counts this instance as busy; under the pool's lock.
    pub(super) busy: AtomicBool,
    /// Set by the world when the instance would take a request.
    ready: AtomicBool,
    /// It was so once: its start did not fail.
    started: AtomicBool,
    /// Requests that it has been given so far.
    taken: AtomicU64,
    /// The tick at which the guest was last let run.
    slice: AtomicU64,
    inbox: Mutex<VecDeque<Box<Job>>>,
    /// Something for the instance to look at: a job, or an order to end.
    mail: AtomicBool,
    /// How often the instance has looked whether there is mail.
    looks: AtomicU64,
    /// It was polled and did not look: the guest holds its store, because it waits
    /// in a call that is not async for it, or computes.
    blocked: AtomicBool,
    /// Wakes the task that drives the instance.
    waker: AtomicWaker,
    counts: Mutex<Counts>,
    /// Set by the clock when it made the guest give way while it was computing.
    preempted: AtomicBool,
    /// No more requests: end when the last one is done.
    retiring: AtomicBool,
    /// End now.
    cut: AtomicBool,
    calls: Mutex<Vec<Running>>,
    /// The call that the clock ended the instance for.
    culprit: Mutex<Option<Arc<Call>>>,
    outbox: Mutex<Vec<(Arc<Call>, Response<Content>)>>,
}

/// How many calls the instance works for, and how many of them nobody wants any
/// more. Each call moves through the states of [`Membership`] once.
#[derive(Clone, Copy, Default)]
struct Counts {
    live: usize,
    abandoned: usize,
}

/// How a seat counts a call; kept in the call, changed under the seat's lock.
struct Membership;

impl Membership {
    const LIVE: u8 = 1;
    const ABANDONED: u8 = 2;
    const LEFT: u8 = 3;
}

/// One call that the guest works on.
struct Running {
    /// Unknown for worlds that run one call at a time.
    task: Option<GuestTaskId>,
    call: Arc<Call>,
    cpu: Duration,
}

impl Seat {
    // What the pool does.

    pub(crate) fn assign(self: &Arc<Self>, job: Box<Job>) {
        job.call.sit(self);
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.inbox.lock().push_back(job);
        self.ring();
    }

    /// Takes back the requests that the instance has not begun.
    pub(crate) fn give_back(&self) -> VecDeque<Box<Job>> {
        let jobs = std::mem::take(&mut *self.inbox.lock());
        for job in &jobs {
            job.call.stand_up();
        }
        self.taken.fetch_sub(jobs.len() as u64, Ordering::Relaxed);
        jobs
    }

    /// Asks the instance to end when it has no work left.
    pub(crate) fn retire(&self) {
        self.retiring.store(true, Ordering::Release);
        self.ring();
    }

    /// Ends the instance now, whatever it does.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.ring();
    }

    pub(crate) fn live(&self) -> usize {
        self.counts.lock().live
    }

    pub(crate) fn is_retiring(&self) -> bool {
        self.retiring.load(Ordering::Acquire)
    }

    // What calls do.

    pub(crate) fn joined(&self, call: &Call) {
        let mut counts = self.counts.lock();
        counts.live += 1;
        let gone = call.is_abandoned();
        counts.abandoned += usize::from(gone);
        let membership = if gone { Membership::ABANDONED } else { Membership::LIVE };
        call.membership.store(membership, Ordering::Relaxed);
    }

    pub(crate) fn abandoned(&self, call: &Call) {
        let mut counts = self.counts.lock();
        if call.membership.load(Ordering::Relaxed) == Membership::LIVE {
            counts.abandoned += 1;
            call.membership.store(Membership::ABANDONED, Ordering::Relaxed);
        }
        drop(counts);
        self.waker.wake();
    }

    pub(crate) fn left(&self, call: &Call) {
        self.end(call);
        let mut counts = self.counts.lock();
        match call.membership.swap(Membership::LEFT, Ordering::Relaxed) {
            Membership::LIVE => counts.live -= 1,
            Membership::ABANDONED => {
                counts.live -= 1;
                counts.abandoned -= 1;
            }
            _ => return,
        }
        drop(counts);
        self.ring();
    }

    // What the driver of the instance does.

    pub(crate) fn waker(&self) -> &AtomicWaker {
        &self.waker
    }

    /// True once after something arrived.
    pub(crate) fn take_mail(&self) -> bool {
        self.looks.store(self.looks() + 1, Ordering::Relaxed);
        self.mail.load(Ordering::Relaxed) && self.mail.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn has_mail(&self) -> bool {
        self.mail.load(Ordering::Relaxed)
    }

    pub(crate) fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Only an instance that would take requests can be blocked for them.
    pub(crate) fn set_blocked(&self, blocked: bool) {
        self.blocked.store(blocked && self.is_ready(), Ordering::Relaxed);
    }

    pub(crate) fn next_job(&self) -> Option<Box<Job>> {
        self.inbox.lock().pop_front()
    }

    /// Has the instance look at its seat again at its next turn.
    pub(crate) fn expect_mail(&self) {
        self.mail.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_jobs(&self) -> bool {
        !self.inbox.lock().is_empty()
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
        self.started.fetch_or(ready, Ordering::Relaxed);
    }

    pub(crate) fn has_started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }

    pub(crate) fn begin_slice(&self, tick: u64) {
        self.slice.store(tick, Ordering::Relaxed);
    }

    pub(crate) fn slice_began(&self) -> u64 {
        self.slice.load(Ordering::Relaxed)
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// All that the instance works for is unwanted.
    pub(crate) fn is_abandoned(&self) -> bool {
        let counts = *self.counts.lock();
        counts.abandoned > 0 && counts.abandoned == counts.live
    }

    pub(crate) fn set_preempted(&self) {
        self.preempted.store(true, Ordering::Relaxed);
    }

    pub(crate) fn take_preempted(&self) -> bool {
        self.preempted.load(Ordering::Relaxed) && self.preempted.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn begin(&self, task: Option<GuestTaskId>, call: &Arc<Call>) {
        self.calls.lock().push(Running { task, call: call.clone(), cpu: Duration::ZERO });
    }

    fn end(&self, call: &Call) {
        self.calls.lock().retain(|running| !std::ptr::eq(&*running.call, call));
    }

    /// The call that one of `tasks` works for; where the world runs one call at a time,
    /// that one. What a guest does after its answers is for no call.
    pub(crate) fn call_of(
        &self,
        tasks: impl IntoIterator<Item = GuestTaskId>,
    ) -> Option<Arc<Call>> {
        let calls = self.calls.lock();
        if let [only @ Running { task: None, .. }] = calls.as_slice() {
            return Some(only.call.clone());
        }
        let owner = |task| calls.iter().find(|running| running.task == Some(task));
        tasks.into_iter().find_map(owner).map(|running| running.call.clone())
    }

    /// Adds computing time to a call and returns its sum.
    pub(crate) fn charge(&self, call: &Arc<Call>, spent: Duration) -> Duration {
        let mut calls = self.calls.lock();
        let Some(running) = calls.iter_mut().find(|running| Arc::ptr_eq(&running.call, call))
        else {
            return Duration::ZERO;
        };
        running.cpu += spent;
        running.cpu
    }

    pub(crate) fn set_culprit(&self, call: Option<Arc<Call>>) {
        *self.culprit.lock() = call;
    }

    pub(crate) fn take_culprit(&self) -> Option<Arc<Call>> {
        self.culprit.lock().take()
    }

    /// Keeps a head until the guest gives way: by then small bodies are complete
    /// and can be sent in one write.
    pub(crate) fn post(&self, call: Arc<Call>, response: Response<Content>) {
        self.outbox.lock().push((call, response));
    }

    pub(crate) fn take_posted(&self) -> Vec<(Arc<Call>, Response<Content>)> {
        std::mem::take(&mut *self.outbox.lock())
    }

    /// The instance is gone: those who are to blame failed of `fault`, and the others of
    /// having shared the instance with it. Returns how many there were.
    pub(crate) fn fail_all(&self, blame: &Blame, fault: &Fault) -> usize {
        let running = std::mem::take(&mut *self.calls.lock());
        let waiting = std::mem::take(&mut *self.inbox.lock());
        let calls: Vec<Arc<Call>> = running
            .into_iter()
            .map(|r| r.call)
            .chain(waiting.into_iter().map(|j| j.call))
            .collect();
        for call in &calls {
            let guilty = match blame {
                Blame::All => true,
                Blame::One(culprit) => Arc::ptr_eq(culprit, call),
                Blame::Nobody => false,
            };
            call.fail(if guilty {
                fault.clone()
            } else {
                Fault::new(
                    FaultKind::Neighbour,
                    format!("other work in the same instance failed: {fault}"),
                )
            });
            call.finish();
        }
        calls.len()
    }

    /// Lets go of all that would keep this seat, and the task of its instance, alive.
    pub(crate) fn leave(&self) {
        let running = std::mem::take(&mut *self.calls.lock());
        for running in running {
            running.call.finish();
        }
        let waiting = std::mem::take(&mut *self.inbox.lock());
        for job in waiting {
            job.call.finish();
        }
        drop(self.take_posted());
        self.set_culprit(None);
        drop(self.waker.take());
    }

    fn ring(&self) {
        self.mail.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// Who failed when an instance did.
pub(crate) enum Blame {
    /// All that it worked for.
    All,
    One(Arc<Call>),
    /// It was at work for nobody.
    Nobody,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("live", &self.live()).finish_non_exhaustive()
    }
}
