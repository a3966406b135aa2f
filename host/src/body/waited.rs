//! How long a handler has waited for its client.
use parking_lot::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

/// The time for which a request's body was waited for. It is the client's, and counts
/// against no deadline of the handler.
#[derive(Debug, Default)]
pub struct Waited(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    before: Duration,
    since: Option<Instant>,
}

impl Waited {
    /// Somebody waits for more of the body.
    pub fn begin(&self) {
        self.lock().since.get_or_insert_with(Instant::now);
    }

    /// More of it, or its end, is here.
    pub fn end(&self) {
        let mut state = self.lock();
        if let Some(since) = state.since.take() {
            state.before += since.elapsed();
        }
    }

    /// All of it so far.
    pub fn total(&self) -> Duration {
        let state = self.lock();
        state.before + state.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}
