//! The async runtime that commands run on.

use anyhow::{Context, Result, bail};
use tokio::runtime::{Builder, Runtime};

/// tokio's own variable. tokio panics if it says nothing sensible, so it is read here.
const VARIABLE: &str = "TOKIO_WORKER_THREADS";

/// More than machines have cores; the system would refuse some more, at a worse time.
const MOST_WORKERS: usize = 1_024;

/// One worker thread per core, or as many as the variable says. A single one has
/// nobody to share its queue with: without the means to, a hello is answered a tenth
/// faster.
pub(crate) fn runtime() -> Result<Runtime> {
    let mut builder = match workers()? {
        1 => Builder::new_current_thread(),
        workers => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(workers);
            builder
        }
    };
    builder.enable_all().thread_name("squall").build().context("cannot start the runtime")
}

fn workers() -> Result<usize> {
    let Some(value) = std::env::var_os(VARIABLE) else {
        let cores = std::thread::available_parallelism().context("cannot count the cores")?;
        return Ok(cores.get().min(MOST_WORKERS));
    };
    let value = value.to_string_lossy();
    match value.parse() {
        Ok(workers @ 1..=MOST_WORKERS) => Ok(workers),
        _ => bail!(
            "`{VARIABLE}={value}` is not a number of threads; give one from 1 to {MOST_WORKERS}, or unset it for one per core"
        ),
    }
}
