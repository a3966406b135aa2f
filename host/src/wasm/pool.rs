//! The instances of one generation: which of them takes a request, when there is
//! another one, and who waits.
//!
//! Written anew instead of using `wasmtime_wasi_http::handler::ProxyHandler`,
//! which does not notice that a client has left, has no back-pressure, starts an
//! instance for each of a burst of requests before the first has had a chance to
//! suspend, and gives a request that fails in company no way to be told from its
//! neighbours.
//!
//! The rule that keeps instances few: at most as many are *busy* (given a request
//! and not yet come to rest) as there are worker threads. More could not compute
//! anyway, and a request that waits some microseconds for a busy instance to
//! suspend can then share it.

mod instance;

pub(super) use instance::{Instance, Rest, Unbegun};

use super::call::{Answer, Call, Reads, Ticket};
use super::component::Component;
use super::data::Blueprint;
use super::engine::Ticks;
use super::inspect::World;
use super::seat::Seat;
use super::slots::{Slot, Slots};
use super::worlds;
use crate::body::{Body, Waited};
use crate::config::Isolation;
use crate::fault::{Fault, FaultKind};
use crate::meter::HandlerMeter;
use crate::told::Told;
use http::{Method, Request};
use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks whether a handler still waits for its client.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// One request on its way to an instance. Boxed where it waits, because it is large and
/// changes hands five times.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request: Request<Body>,
    pub(crate) told: Told,
    pub(crate) call: Arc<Call>,
}

#[derive(Debug)]
pub(crate) struct Pool {
    pub(super) component: Component,
    pub(super) blueprint: Blueprint,
    pub(super) isolation: Isolation,
    pub(super) ticks: Arc<Ticks>,
    slots: Slots,
    meter: Arc<HandlerMeter>,
    /// How many instances may be busy: one per worker thread.
    threads: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Instances that would take a request now; the one that worked last is last.
    available: Vec<(Arc<Seat>, Instant)>,
    /// All instances, for ending them.
    seats: Vec<Arc<Seat>>,
    busy: usize,
    waiting: VecDeque<Box<Job>>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Serving,
    /// What has come is still served.
    Retiring,
    /// Nothing is.
    Cut,
}

impl Pool {
    pub(crate) fn new(
        component: Component,
        blueprint: Blueprint,
        isolation: Isolation,
        ticks: Arc<Ticks>,
        slots: Slots,
        meter: Arc<HandlerMeter>,
    ) -> Arc<Self> {
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        let idle = blueprint.limits.instance_idle;
        let pool = Arc::new(Pool {
            component,
            blueprint,
            isolation,
            ticks,
            slots,
            meter,
            threads,
            state: Mutex::default(),
        });
        if isolation == Isolation::Shared {
            tokio::spawn(drop_idle(Arc::downgrade(&pool), idle));
        }
        pool
    }

    /// Answers one request. Dropping the future, or later the response's body,
    /// ends the guest's work for it. `began` is when the request was here, and `waited`
    /// tells for how long its body is waited for.
    ///
    /// Not an `async fn`: the request is on its way when this returns, and what is
    /// left to wait with is small.
    pub(crate) fn call(
        self: &Arc<Self>,
        told: Told,
        request: Request<Body>,
        began: Instant,
        waited: Option<Arc<Waited>>,
    ) -> impl Future<Output = Answer> + Send + use<> {
        let limits = &self.blueprint.limits;
        let head_deadline = limits.head_deadline;
        let queue_time = limits.queue_time.min(head_deadline);
        let reads = if request.method() == Method::HEAD { Reads::Head } else { Reads::All };
        let call = Call::new(told.id, reads, limits);
        let ticket = Ticket::new(call.clone());
        let dispatched = self.dispatch(Box::new(Job { request, told, call }));
        let pool = self.clone();
        async move {
            dispatched?;
            match ticket.call.answer_by(began + queue_time).await {
                Some(answer) => return ticket.answered(answer),
                None if !ticket.call.is_seated() => {
                    pool.forget_abandoned(&ticket);
                    let waited = format!("no instance was free for {} ms", queue_time.as_millis());
                    return Err(Fault::new(FaultKind::QueueTime, waited));
                }
                None => {}
            }
            let mut deadline = began + head_deadline;
            loop {
                if let Some(answer) = ticket.call.answer_by(deadline).await {
                    return ticket.answered(answer);
                }
                // Time for which the handler waited for its client is not its own.
                let later = waited.as_ref().map_or(Duration::ZERO, |waited| waited.total());
                if began + head_deadline + later <= deadline {
                    let text = format!("no head after {} ms", head_deadline.as_millis());
                    return Err(Fault::new(FaultKind::Deadline, text));
                }
                // Not sooner: while it waits, this moves on as the time does.
                deadline = (began + head_deadline + later).max(Instant::now() + LOOK_AGAIN);
            }
        }
    }

    /// Makes an instance and drops it: what cannot even start must not replace what
    /// serves.
    pub(crate) async fn try_instance(&self) -> Result<(), Fault> {
        let deadline = self.blueprint.limits.head_deadline;
        match tokio::time::timeout(deadline, worlds::try_instance(self)).await {
            Ok(tried) => tried,
            Err(_) => {
                let text = format!("it did not start within {} ms", deadline.as_millis());
                Err(Fault::new(FaultKind::Deadline, text))
            }
        }
    }

    /// How many requests an instance serves at the same time.
    pub(super) fn concurrency(&self) -> u64 {
        match (self.isolation, self.component.shape.world) {
            (Isolation::Shared, World::Http03 | World::Web) => {
                self.blueprint.limits.instance_concurrency
            }
            (Isolation::Request, _) | (_, World::Http02) => 1,
        }
    }

    /// No new requests will come: instances end as they run out of work.
    pub(crate) fn retire(&self) {
        let mut state = self.lock();
        state.stage = state.stage.max(Stage::Retiring);
        state.available.clear();
        for seat in &state.seats {
            seat.retire();
        }
    }

    /// Ends every instance now, and whoever waits for one.
    pub(crate) fn cut(&self) {
        let mut state = self.lock();
        state.stage = Stage::Cut;
        state.available.clear();
        for seat in &state.seats {
            seat.cut();
        }
        let waiting = std::mem::take(&mut state.waiting);
        self.meter.queue.set(0);
        drop(state);
        for job in waiting {
            job.call.fail(self.cut_fault());
        }
    }

    /// Why a request that was not answered within `drain` never is.
    pub(super) fn cut_fault(&self) -> Fault {
        let (generation, drain) = (self.blueprint.generation, self.blueprint.limits.drain);
        let text = format!(
            "generation {generation} was replaced or the server stops, and it had not finished within `drain` ({} ms)",
            drain.as_millis()
        );
        Fault::new(FaultKind::Draining, text)
    }

    pub(crate) fn isolation(&self) -> Isolation {
        self.isolation
    }

    pub(crate) fn instances(&self) -> usize {
        self.lock().seats.len()
    }

    /// Starts instances for waiting requests, as far as threads and slots allow.
    pub(crate) fn pump(self: &Arc<Self>) {
        while let Some(instance) = self.next_instance() {
            launch(instance);
        }
    }

    /// An instance for the next request that waits, if there may be one.
    fn next_instance(self: &Arc<Self>) -> Option<Instance> {
        let mut state = self.lock();
        // First the request: a slot for nobody would be given back under this lock.
        let job = self.next_waiting(&mut state)?;
        match self.slot(&state) {
            Some(slot) => Some(self.start(&mut state, slot, job)),
            None => {
                state.waiting.push_front(job);
                self.meter.queue.set(state.waiting.len());
                None
            }
        }
    }

    /// Gives `job` to an instance, or lets it wait.
    fn dispatch(self: &Arc<Self>, job: Box<Job>) -> Result<(), Fault> {
        let mut state = self.lock();
        if let Some((seat, _)) = state.available.pop() {
            state.give(&seat, job);
            return Ok(());
        }
        if state.stage == Stage::Cut {
            return Err(self.cut_fault());
        }
        if let Some(slot) = self.slot(&state) {
            let instance = self.start(&mut state, slot, job);
            drop(state);
            launch(instance);
            return Ok(());
        }
        let limit = usize::try_from(self.blueprint.limits.queue).unwrap_or(usize::MAX);
        if state.waiting.len() >= limit {
            state.waiting.retain(|job| !job.call.is_abandoned());
        }
        if state.waiting.len() >= limit {
            return Err(Fault::new(
                FaultKind::QueueFull,
                format!("{limit} requests wait for an instance"),
            ));
        }
        state.waiting.push_back(job);
        self.meter.queue.set(state.waiting.len());
        Ok(())
    }

    /// The right to one more instance, if a thread could run it and the limits
    /// have room.
    fn slot(self: &Arc<Self>, state: &State) -> Option<Slot> {
        let room = (state.seats.len() as u64) < self.blueprint.limits.instances;
        if state.busy >= self.threads || !room {
            return None;
        }
        self.slots.take(self)
    }

    /// The next request that somebody still wants.
    fn next_waiting(&self, state: &mut State) -> Option<Box<Job>> {
        let job =
            std::iter::from_fn(|| state.waiting.pop_front()).find(|job| !job.call.is_abandoned());
        self.meter.queue.set(state.waiting.len());
        job
    }

    /// An instance with its first request, which is to be launched.
    fn start(self: &Arc<Self>, state: &mut State, slot: Slot, job: Box<Job>) -> Instance {
        let seat = Arc::new(Seat::default());
        if state.stage > Stage::Serving {
            seat.retire();
        }
        state.seats.push(seat.clone());
        state.give(&seat, job);
        self.meter.instances_started.add(1);
        self.meter.instances.add(1);
        Instance { pool: self.clone(), seat, slot: Some(slot) }
    }

    fn forget_abandoned(&self, ticket: &Ticket) {
        ticket.call.abandon();
        let mut state = self.lock();
        if state.waiting.front().is_some_and(|job| job.call.is_abandoned()) {
            state.waiting.pop_front();
        }
        self.meter.queue.set(state.waiting.len());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// Hands `job` to an instance, which is busy until it comes to rest. Under the
    /// pool's lock, so that an instance that looks for work never misses it.
    fn give(&mut self, seat: &Arc<Seat>, job: Box<Job>) {
        if !seat.busy.swap(true, Ordering::Relaxed) {
            self.busy += 1;
        }
        seat.assign(job);
    }

    fn come_to_rest(&mut self, seat: &Seat) {
        if seat.busy.swap(false, Ordering::Relaxed) {
            self.busy -= 1;
        }
    }
}

impl Ticket {
    /// The answer is here; from now on the response's body holds the call.
    fn answered(self, answer: Answer) -> Answer {
        if answer.is_ok() {
            self.release();
        }
        answer
    }
}

/// Never under a pool's lock: a runtime that ends drops the instance here and now.
fn launch(instance: Instance) {
    // Boxed as a trait object: the future starts others of its own kind.
    let run: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(instance.run());
    tokio::spawn(run);
}

/// Ends shared instances that nobody has used for `idle`.
async fn drop_idle(pool: Weak<Pool>, idle: Duration) {
    loop {
        tokio::time::sleep((idle / 2).max(Duration::from_millis(10))).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut state = pool.lock();
        state.available.retain(|(seat, since)| {
            let keep = since.elapsed() < idle || seat.live() > 0;
            if !keep {
                seat.retire();
            }
            keep
        });
    }
}
