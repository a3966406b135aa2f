//! What the tests are written in: servers, clients, guests, and the check that
//! follows every fault.

pub mod aftermath;
pub mod client;
pub mod guests;
pub mod h2;
pub mod server;
pub mod upstream;

use std::time::{Duration, Instant};

/// Waits until `condition` holds; fails the test if it does not within `limit`.
pub fn eventually(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < limit, "{what} did not happen within {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Generous: the machine has two cores and many tests run at once.
pub const SOON: Duration = Duration::from_secs(20);
