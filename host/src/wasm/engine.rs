//! The engines that compile and run components, their pools, and the clock that
//! interrupts guests.
//!
//! There are two engines, because a 0.2 component pays for a store that could run
//! several tasks although it never does: without that support a fresh instance
//! answers a fifth more requests. Each is made when the first component of its
//! kind is loaded.

use crate::limits::ServerLimits;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig,
};

/// Between two interruptions of a guest that computes. Its neighbours on the same
/// thread wait at most this long for each such guest; 200 wake-ups a second cost a
/// thousandth of a core.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Room on a fiber's stack below the guest's own: host functions run there too,
/// and wasmtime aborts the process if they run out of it.
const HOST_STACK: usize = 1536 << 10;

/// What stays resident of a used memory, table and stack, so that the next fresh
/// instance need not fault it in again. Measured to raise instantiations from
/// 33,000 to 55,000 a second.
const KEEP_MEMORY: usize = 2 << 20;
const KEEP_TABLE: usize = 512 << 10;
const KEEP_STACK: usize = 1 << 20;

/// The engines of the process.
#[derive(Clone)]
pub(crate) struct Engines(Arc<Inner>);

struct Inner {
    plain: OnceLock<Engine>,
    concurrent: OnceLock<Engine>,
    limits: ServerLimits,
    ticks: Arc<Ticks>,
}

/// Counts interruptions, as a clock that costs a load to read. It goes on for as
/// long as a store is left that could run: each holds it.
#[derive(Default)]
pub(crate) struct Ticks {
    count: AtomicU64,
    engines: Mutex<Vec<EngineWeak>>,
}

/// Which engine a component needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concurrency {
    /// One task per store: worlds of WASI 0.2.
    Single,
    /// Tasks of the component model's async ABI: worlds of WASI 0.3.
    Many,
}

impl Engines {
    pub(crate) fn new(limits: &ServerLimits) -> std::io::Result<Self> {
        let ticks = Arc::<Ticks>::default();
        let weak = Arc::downgrade(&ticks);
        std::thread::Builder::new().name("squall-ticks".into()).spawn(move || tick(&weak))?;
        Ok(Engines(Arc::new(Inner {
            plain: OnceLock::new(),
            concurrent: OnceLock::new(),
            limits: limits.clone(),
            ticks,
        })))
    }

    /// The engine for components of this kind.
    pub(crate) fn get(&self, concurrency: Concurrency) -> anyhow::Result<Engine> {
        let slot = match concurrency {
            Concurrency::Single => &self.0.plain,
            Concurrency::Many => &self.0.concurrent,
        };
        if let Some(engine) = slot.get() {
            return Ok(engine.clone());
        }
        let engine = make_engine(concurrency, &self.0.limits)?;
        let engine = slot.get_or_init(|| engine);
        self.0.ticks.interrupt(engine);
        Ok(engine.clone())
    }

    pub(crate) fn ticks(&self) -> Arc<Ticks> {
        self.0.ticks.clone()
    }
}

impl Ticks {
    pub(crate) fn now(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// From now on, guests of `engine` are interrupted.
    fn interrupt(&self, engine: &Engine) {
        let mut engines = self.engines.lock();
        let known =
            |weak: &EngineWeak| weak.upgrade().is_some_and(|known| Engine::same(&known, engine));
        if !engines.iter().any(known) {
            engines.push(engine.weak());
        }
    }

    fn tick(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let engines = self.engines.lock();
        for engine in engines.iter().filter_map(EngineWeak::upgrade) {
            engine.increment_epoch();
        }
    }
}

impl std::fmt::Debug for Ticks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ticks").field(&self.now()).finish()
    }
}

/// Runs on a thread of its own: a guest that never gives way may hold every thread
/// of the runtime.
fn tick(ticks: &Weak<Ticks>) {
    loop {
        std::thread::sleep(TICK);
        let Some(ticks) = ticks.upgrade() else { return };
        ticks.tick();
    }
}

fn make_engine(concurrency: Concurrency, limits: &ServerLimits) -> anyhow::Result<Engine> {
    let mut config = base_config(concurrency, limits);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool_config(limits)));
    match Engine::new(&config) {
        Ok(engine) => Ok(engine),
        Err(error) => {
            tracing::warn!(
                cause = %error,
                "cannot reserve address space for a pool of instances; each instance will allocate its own, which is slower"
            );
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
            Engine::new(&config).map_err(|e| anyhow::anyhow!("{e:#}"))
        }
    }
}

fn base_config(concurrency: Concurrency, limits: &ServerLimits) -> Config {
    let many = concurrency == Concurrency::Many;
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack.to_usize())
        .async_stack_size(limits.stack.to_usize() + HOST_STACK)
        .wasm_component_model(true)
        .wasm_component_model_async(many)
        .concurrency_support(many)
        // Shared memory grows behind the limiter's back.
        .shared_memory(false)
        // Names the functions of a trap, which the log shows.
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(32));
    config
}

fn pool_config(limits: &ServerLimits) -> PoolingAllocationConfig {
    let instances = u32::try_from(limits.most_instances()).unwrap_or(u32::MAX / 64).max(1);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        // Most components have one memory and three core instances; toolchains
        // that link many share one memory among them.
        .total_memories(instances.saturating_add(instances / 2 + 4))
        .total_tables(instances.saturating_mul(4).saturating_add(64))
        .total_core_instances(instances.saturating_mul(8).saturating_add(256))
        .total_stacks(instances.saturating_mul(2).saturating_add(16))
        .max_core_instances_per_component(256)
        .max_memories_per_component(MEMORIES)
        .max_memories_per_module(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .max_component_instance_size(16 << 20)
        .max_core_instance_size(16 << 20)
        .max_memory_size(limits.memory_ceiling.to_usize())
        .table_elements(TABLE_SLOT)
        .linear_memory_keep_resident(KEEP_MEMORY)
        .table_keep_resident(KEEP_TABLE)
        .async_stack_keep_resident(KEEP_STACK)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// The most that a handler's `memories` and `tables` limits can be raised to: what
/// one component may take of the pool.
const MEMORIES: u32 = 32;
const TABLES: u32 = 256;

/// Elements of one pooled table. The limiter bounds the sum per instance; this
/// only sizes the reserved address space.
const TABLE_SLOT: usize = 100_000;
