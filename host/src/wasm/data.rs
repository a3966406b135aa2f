//! What a store holds besides the guest: its resources, what it may reach, and
//! whom it works for.

use super::engine::{Concurrency, TICK, Ticks};
use super::folders::GrantedFolders;
use super::imports::{GuestLog, Outbound, Reporter, Sockets, Unreturned};
use super::limiter::Limiter;
use super::seat::Seat;
use super::trap::CpuExceeded;
use crate::id::{GenerationNumber, HandlerName};
use crate::limits::{HandlerLimits, Size};
use crate::meter::HandlerMeter;
use crate::policy::TcpGrants;
use crate::signing::SigningKeys;
use crate::store::Buckets;
use crate::upstream::Upstream;
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfigVariables;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// All that the instances of one generation have in common.
pub(crate) struct Blueprint {
    pub(crate) handler: HandlerName,
    pub(crate) generation: GenerationNumber,
    pub(crate) limits: HandlerLimits,
    /// Config values and secrets, by name.
    pub(crate) values: Arc<WasiConfigVariables>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) folders: GrantedFolders,
    pub(crate) buckets: Buckets,
    pub(crate) tcp: Arc<TcpGrants>,
    pub(crate) signing: SigningKeys,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) meter: Arc<HandlerMeter>,
    pub(crate) reporter: Arc<Reporter>,
}

pub(crate) struct Data {
    pub(crate) table: ResourceTable,
    pub(crate) wasi: WasiCtx,
    pub(crate) http: WasiHttpCtx,
    pub(crate) outbound: Outbound,
    pub(crate) sockets: Sockets,
    pub(crate) values: Arc<WasiConfigVariables>,
    pub(crate) buckets: Buckets,
    pub(crate) limiter: Limiter,
    pub(crate) log: GuestLog,
    pub(crate) seat: Arc<Seat>,
    pub(super) unreturned: Unreturned,
    pub(super) signing: SigningKeys,
    pub(super) limits: GuestLimits,
}

/// What the imports of a guest look at on each use.
#[derive(Clone, Copy)]
pub(super) struct GuestLimits {
    pub(super) fields: Size,
}

impl Blueprint {
    /// A store that is ready to run a guest: bounded in memory, resources, host
    /// calls and time before the first instruction runs.
    pub(super) fn store(
        &self,
        engine: &Engine,
        concurrency: Concurrency,
        concurrent_requests: u64,
        seat: &Arc<Seat>,
        ticks: &Arc<Ticks>,
    ) -> Store<Data> {
        let mut store = Store::new(engine, self.data(concurrent_requests, seat));
        store.limiter(|data| &mut data.limiter);
        store.set_hostcall_fuel(self.limits.hostcall.to_usize());
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(self.clock(concurrency, ticks));
        store
    }

    fn data(&self, concurrent_requests: u64, seat: &Arc<Seat>) -> Data {
        let limits = &self.limits;
        let log = GuestLog::new(self, seat);
        let sockets = Sockets::new(self);
        let mut wasi = WasiCtx::builder();
        wasi.stdout(log.stdout()).stderr(log.stderr()).max_random_size(limits.random.get());
        for (name, value) in &self.environment {
            wasi.env(name, value);
        }
        sockets.grant(&mut wasi);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(limits.fields.to_usize());
        let mut table = ResourceTable::new();
        let resources =
            limits.resources.saturating_add(concurrent_requests.saturating_mul(RESOURCES_PER_CALL));
        table.set_max_capacity(usize::try_from(resources).unwrap_or(usize::MAX));
        let mut data = Data {
            table,
            wasi: wasi.build(),
            http,
            outbound: Outbound::new(self, seat),
            sockets,
            values: self.values.clone(),
            buckets: self.buckets.clone(),
            limiter: Limiter::new(limits),
            log,
            seat: seat.clone(),
            // As much as its requests may have on their way anyway.
            unreturned: Unreturned::new(concurrent_requests.max(1)),
            signing: self.signing.clone(),
            limits: GuestLimits { fields: limits.fields },
        };
        self.folders.give(&mut data);
        data
    }

    /// Interrupts a guest that computes: it gives way to others at each tick, and
    /// is ended once the call that it computes for has used up its time.
    fn clock(
        &self,
        concurrency: Concurrency,
        ticks: &Arc<Ticks>,
    ) -> impl FnMut(StoreContextMut<'_, Data>) -> wasmtime::Result<UpdateDeadline> + Send + Sync + 'static
    {
        let (ticks, limit) = (ticks.clone(), self.limits.cpu);
        let mut charged_until = 0;
        // Work that no call asked for: a start function at load, or what a guest
        // goes on with after its answers.
        let mut unowned = Duration::ZERO;
        move |mut store| {
            let now = ticks.now();
            let since = store.data().seat.slice_began().max(charged_until);
            charged_until = now;
            let passed = TICK * u32::try_from(now.saturating_sub(since)).unwrap_or(u32::MAX);
            if passed.is_zero() {
                // The deadline passed while the guest was waiting.
                return Ok(UpdateDeadline::Continue(1));
            }
            // On a machine that is busy with other things time passes without
            // anything being computed.
            let spent = passed.min(thread_time_since_last_asked());
            let call = current_call(&mut store, concurrency);
            let (used, limit) = match &call {
                Some(call) => (store.data().seat.charge(call, spent), limit),
                None => {
                    unowned += spent;
                    // As much again as its requests may take.
                    let requests = store.data().seat.taken().max(1);
                    (unowned, limit.saturating_mul(u32::try_from(requests).unwrap_or(u32::MAX)))
                }
            };
            if used > limit {
                store.data().seat.set_culprit(call);
                return Err(CpuExceeded(limit).into());
            }
            store.data().seat.set_preempted();
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        }
    }
}

/// What this thread has computed since it was last asked, or since it began.
fn thread_time_since_last_asked() -> Duration {
    thread_local! {
        static LAST: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let now = Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0));
    now.saturating_sub(LAST.replace(now))
}

/// Resources that a call needs merely to be served: its request, response and
/// their fields. A shared instance has them for each call besides the limit.
const RESOURCES_PER_CALL: u64 = 8;

/// The call on whose behalf the guest is running right now.
pub(super) fn current_call(
    store: &mut StoreContextMut<'_, Data>,
    concurrency: Concurrency,
) -> Option<Arc<super::call::Call>> {
    let seat = store.data().seat.clone();
    match concurrency {
        Concurrency::Single => seat.call_of([]),
        Concurrency::Many => seat.call_of(store.async_call_stack().ok()?),
    }
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Data {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outbound, table: &mut self.table, ctx: &mut self.http }
    }
}

impl std::fmt::Debug for Blueprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blueprint")
            .field("handler", &self.handler)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
