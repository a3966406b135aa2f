//! What the tests are written in: servers, clients, guests, and the check that
//! follows every fault.

pub(crate) mod aftermath;
pub(crate) mod client;
pub(crate) mod fault_guests;
pub(crate) mod h2;
#[cfg(feature = "redis")]
pub(crate) mod redis;
pub(crate) mod server;
pub(crate) mod state;
pub(crate) mod tls;
pub(crate) mod upstream;
pub(crate) mod versions;
pub(crate) mod wasmtime;
pub(crate) mod wat;

use std::time::{Duration, Instant};

/// Waits until `condition` holds; fails the test if it does not within `limit`.
pub(crate) fn eventually(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < limit, "{what} did not happen within {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until `measure` gives `wanted`; fails the test with what it gave last.
pub(crate) fn eventually_eq<T: PartialEq + std::fmt::Debug>(
    limit: Duration,
    what: &str,
    wanted: &T,
    mut measure: impl FnMut() -> T,
) {
    let began = Instant::now();
    loop {
        let now = measure();
        if now == *wanted {
            return;
        }
        assert!(began.elapsed() < limit, "{what}: {now:?} instead of {wanted:?} after {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Generous: the machine has two cores and many tests run at once.
pub(crate) const SOON: Duration = Duration::from_secs(20);
