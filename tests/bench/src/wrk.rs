//! The load generator: `wrk`, pinned to the second core.

use crate::process::pinned;
use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::Duration;

/// What `wrk` has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub per_second: f64,
    pub p50: String,
    pub p99: String,
    /// Answers that were not 2xx or 3xx, and connections that failed.
    pub errors: u64,
}

/// A load that is under way.
pub(crate) struct Load(Child);

impl Load {
    pub(crate) fn start(
        address: SocketAddr,
        path: &str,
        connections: usize,
        time: Duration,
    ) -> Result<Self> {
        let command: Vec<String> = [
            "wrk",
            "-t1",
            &format!("-c{connections}"),
            &format!("-d{}s", time.as_secs()),
            "--timeout",
            "10s",
            "--latency",
            &format!("http://{address}{path}"),
        ]
        .map(str::to_owned)
        .to_vec();
        let child = pinned(1, &command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run `wrk` (apt-get install wrk)")?;
        Ok(Load(child))
    }

    pub(crate) fn end(self) -> Result<Seen> {
        let output = self.0.wait_with_output()?;
        ensure!(output.status.success(), "`wrk` failed");
        parse(&String::from_utf8_lossy(&output.stdout))
    }
}

fn parse(text: &str) -> Result<Seen> {
    let value = |label: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(label))?;
        line.split_whitespace().last().map(str::to_owned)
    };
    let per_second = value("Requests/sec:").context("`wrk` has told no rate")?;
    let failed = value("Non-2xx or 3xx responses:").and_then(|n| n.parse().ok()).unwrap_or(0);
    // Socket errors: connect 0, read 0, write 0, timeout 256
    let sockets = text.lines().find_map(|line| line.trim_start().strip_prefix("Socket errors:"));
    let sockets: u64 = sockets
        .map(|line| line.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok()).sum())
        .unwrap_or(0);
    Ok(Seen {
        per_second: per_second.parse()?,
        p50: value("50%").unwrap_or_default(),
        p99: value("99%").unwrap_or_default(),
        errors: failed + sockets,
    })
}
