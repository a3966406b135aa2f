//! Threads for what the host itself does that blocks.
//!
//! The file calls of guests have tokio's blocking threads, and keep them for as long as
//! a file does not answer: nobody can call such a call back. So the host does nothing of
//! its own there. Each kind of its work has threads apart from the other kinds, or a
//! static folder on a disk that hangs would hold up reloads.

use std::sync::LazyLock;
use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};
use tokio::task::JoinHandle;

/// For static folders.
pub static FILES: Threads = Threads(LazyLock::new(|| runtime("squall-files", MOST)));

/// For what outbound requests ask the system: addresses, and whom to trust.
pub static UPSTREAM: Threads = Threads(LazyLock::new(|| runtime("squall-upstream", MOST)));

/// For components, secrets and configs: reading, judging, compiling.
pub static SITE: Threads = Threads(LazyLock::new(|| runtime("squall-site", MOST)));

/// For what handlers read of the state's file. Most of it is in memory, where more
/// threads than cores gain nothing; the rest is as many reads at once as a disk likes.
pub static STATE: Threads = Threads(LazyLock::new(|| runtime("squall-state-reads", 16)));

/// Threads for one kind of work, each started when it is needed and ended when it idles;
/// at most 512.
///
/// They are those of a runtime that runs nothing else. It is never dropped, so that the
/// end of the process waits for none of them.
#[derive(Debug)]
pub struct Threads(LazyLock<Runtime>);

/// As many as tokio has for its own. Work beyond that waits for its turn. A unit test
/// can keep the only one that there is for it.
const MOST: usize = if cfg!(test) { 1 } else { 512 };

impl Threads {
    /// Does work that blocks. What it spawns runs where its caller runs.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let caller = Handle::current();
        self.0.spawn_blocking(move || {
            let _caller = caller.enter();
            work()
        })
    }

    /// Until the guard is dropped, what a library does on blocking threads it does on
    /// these. What needs timers or sockets must not be polled meanwhile.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.0.enter()
    }
}

fn runtime(name: &str, most: usize) -> Runtime {
    let mut builder = Builder::new_current_thread();
    let built = builder.max_blocking_threads(most).thread_name(name).build();
    built.expect("without timers and sockets it takes nothing of the system")
}
