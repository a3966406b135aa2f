//! Logs: where they go, in which form, and that they never hold anybody up.
//!
//! Lines wait in bounded queues and are written by threads of their own. If whoever
//! reads them stops, lines are dropped and counted, and serving goes on.

pub mod access;
mod escape;
mod queue;
mod seldom;

pub use seldom::Seldom;

use parking_lot::{Condvar, Mutex};
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The environment variable that says which lines are logged, in the syntax of
/// `tracing_subscriber::EnvFilter`: `warn`, `info,squall::guest=off`, ...
pub const FILTER_VARIABLE: &str = "SQUALL_LOG";

/// What is logged unless told otherwise. The libraries that read what clients send
/// would let a client write into the log as often as it likes.
const DEFAULT_FILTER: &str = "info,h2=error,hyper=error,hyper_util=error";

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

impl LogFormat {
    /// Text for a person at a terminal, JSON for a machine.
    pub fn of_stderr() -> Self {
        if io::stderr().is_terminal() { LogFormat::Text } else { LogFormat::Json }
    }
}

/// Writes what is left when it is dropped, for a second at most.
#[derive(Debug)]
pub struct LogGuard {
    gate: Arc<Gate>,
    pub dropped: ErrorCounter,
    worker: Option<WorkerGuard>,
}

/// For how long the end waits for a reader of the log that takes nothing.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl LogGuard {
    /// Lets lines out. Until then they wait, so that what a start has to say first
    /// is first.
    pub fn open(&self) {
        self.gate.open();
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.gate.open();
        // The worker's own guard may wait for ever, and for stdout.
        let (done, all) = mpsc::channel();
        let worker = self.worker.take();
        std::thread::spawn(move || {
            drop(worker);
            // Nobody listens if it took too long.
            let _ = done.send(());
        });
        let _ = all.recv_timeout(LAST_WORDS);
    }
}

/// Keeps the writing thread from writing until it is opened.
#[derive(Debug, Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock() = true;
        self.opened.notify_all();
    }
}

struct Gated {
    gate: Arc<Gate>,
    through: bool,
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.through {
            let mut is_open = self.gate.is_open.lock();
            self.gate.opened.wait_while(&mut is_open, |is_open| !*is_open);
            drop(is_open);
            self.through = true;
        }
        io::stderr().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Lines of the log that may wait to be written. Not a limit of the config's, because
/// there are lines before it is read; its `log_queue` tells of this one.
pub const QUEUE: usize = 8_192;

/// Sends the process's log to stderr, once the guard is told to open it. Call once.
pub fn init(format: LogFormat) -> anyhow::Result<LogGuard> {
    let gate = Arc::new(Gate::default());
    let (writer, worker) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(QUEUE)
        .thread_name("squall-log")
        .finish(Gated { gate: gate.clone(), through: false });
    let dropped = writer.error_counter();
    let filter = match std::env::var(FILTER_VARIABLE) {
        Ok(text) => EnvFilter::try_new(&text)
            .map_err(|e| anyhow::anyhow!("`{FILTER_VARIABLE}={text}` is not a log filter: {e}"))?,
        Err(_) => EnvFilter::new(DEFAULT_FILTER),
    };
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Text => {
            let colours = io::stderr().is_terminal();
            let layer = tracing_subscriber::fmt::layer().with_ansi(colours).with_target(false);
            registry.with(layer.with_writer(writer)).try_init()?;
        }
        LogFormat::Json => {
            let layer = tracing_subscriber::fmt::layer().json().flatten_event(true);
            registry
                .with(layer.with_current_span(false).with_span_list(false).with_writer(writer))
                .try_init()?;
        }
    }
    Ok(LogGuard { gate, dropped, worker: Some(worker) })
}
