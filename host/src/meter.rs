//! The counters that every layer moves. What they mean and how they are printed
//! is in `ops::metrics`.
//!
//! Plain atomics: a request moves about six of them, each with one relaxed add.

use crate::fault::FaultKind;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    pub fn set(&self, n: usize) {
        self.0.store(n as u64, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts rare events by a reason from a closed set.
#[derive(Debug)]
pub struct Tally<R = &'static str>(Mutex<BTreeMap<R, u64>>);

impl<R: Copy + Ord> Tally<R> {
    pub fn count(&self, reason: R) {
        *self.0.lock().entry(reason).or_default() += 1;
    }

    pub fn get(&self) -> BTreeMap<R, u64> {
        self.0.lock().clone()
    }
}

impl<R> Default for Tally<R> {
    fn default() -> Self {
        Tally(Mutex::default())
    }
}

/// How long requests took, from their head to the end of the response.
#[derive(Debug, Default)]
pub struct Durations {
    buckets: [AtomicU64; Self::BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Durations {
    /// Upper bounds in seconds: from a hello in a warm instance to the deadline of
    /// a slow upstream.
    pub const BOUNDS: [f64; 14] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
    ];

    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = Self::BOUNDS.iter().position(|bound| seconds <= *bound);
        self.buckets[bucket.unwrap_or(Self::BOUNDS.len())].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Counts per bucket, the one without bound last, and the sum in seconds.
    pub fn get(&self) -> (Vec<u64>, f64) {
        let buckets = self.buckets.iter().map(|b| b.load(Ordering::Relaxed)).collect();
        (buckets, self.micros.load(Ordering::Relaxed) as f64 / 1e6)
    }
}

/// Counts by HTTP status.
#[derive(Debug)]
pub struct Statuses(Box<[AtomicU64]>);

impl Statuses {
    const FIRST: u16 = 100;
    const LAST: u16 = 599;

    pub fn count(&self, status: u16) {
        let status = status.clamp(Self::FIRST, Self::LAST);
        self.0[usize::from(status - Self::FIRST)].fetch_add(1, Ordering::Relaxed);
    }

    /// The statuses that occurred.
    pub fn get(&self) -> Vec<(u16, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        (Self::FIRST..).zip(counts).filter(|(_, count)| *count > 0).collect()
    }
}

impl Default for Statuses {
    fn default() -> Self {
        Statuses((Self::FIRST..=Self::LAST).map(|_| AtomicU64::new(0)).collect())
    }
}

/// What one handler counts, over all its generations.
#[derive(Debug, Default)]
pub struct HandlerMeter {
    pub requests: Statuses,
    pub durations: Durations,
    faults: Faults,
    pub in_flight: Gauge,
    pub queue: Gauge,
    pub instances: Gauge,
    pub instances_started: Counter,
    pub request_bytes: Counter,
    pub response_bytes: Counter,
    /// Reloads by result: `ok`, `rejected`, `unchanged`, `missing`.
    pub reloads: Tally,
    /// Outbound requests by outcome: `ok`, or the phase that failed. TCP sockets that were
    /// not created are among those of `connection_limit`.
    pub outbound: Tally,
    /// Outbound connections that are open or being made, TCP sockets of the guest among them.
    pub outbound_connections: Arc<Gauge>,
    /// Outbound requests and connections that no grant allows, by reason.
    pub outbound_denied: Tally,
    /// Calls of the store that were answered, by kind and outcome.
    pub state_operations: Tally<(&'static str, &'static str)>,
    /// Keys and values that the store keeps, in bytes.
    pub state_bytes: Gauge,
    pub state_keys: Gauge,
    /// Lines that the guest wrote and nobody will read.
    pub log_dropped: Counter,
    /// Panics of the host while it ran this handler: bugs.
    pub panics: Counter,
}

impl HandlerMeter {
    pub fn fault(&self, kind: FaultKind) {
        if let Some(counter) =
            FaultKind::ALL.iter().position(|k| *k == kind).map(|i| &self.faults.0[i])
        {
            counter.add(1);
        }
    }

    /// The faults that occurred.
    pub fn faults(&self) -> impl Iterator<Item = (FaultKind, u64)> + '_ {
        let counts = self.faults.0.iter().map(Counter::get);
        FaultKind::ALL.iter().copied().zip(counts).filter(|(_, count)| *count > 0)
    }
}

/// Counts by kind, in the order of [`FaultKind::ALL`].
#[derive(Debug)]
struct Faults([Counter; FaultKind::ALL.len()]);

impl Default for Faults {
    fn default() -> Self {
        Faults(std::array::from_fn(|_| Counter::default()))
    }
}

/// What the server counts besides its handlers.
#[derive(Debug, Default)]
pub struct ServerMeter {
    /// Requests that reached no handler: static files, redirects, 404 and the like.
    pub other: Arc<HandlerMeter>,
    pub connections: Gauge,
    pub accepted: Counter,
    /// Times that nobody could be accepted, because there was no room for one more.
    pub accept_waits: Counter,
    /// Responses that have files of static folders open.
    pub files_open: Gauge,
    /// Errors of `accept`, by kind.
    pub accept_errors: Tally,
    /// Connections that were ended by us, by reason.
    pub closed: Tally,
    /// Config reloads by result: `ok`, `rejected`, `unchanged`.
    pub config_reloads: Tally,
    /// Lines of the access log that could not be written in time.
    pub access_dropped: Counter,
    /// Times that the state's file was flushed to the disk.
    pub state_flushes: Counter,
    /// Bytes of writes on their way to the state's file.
    pub state_queue: Gauge,
}
