//! Swaps under load: how many requests fail, whether an answer is ever of two
//! versions, and how long it takes from the rename of a file to the first answer
//! of what is in it.

use crate::client::{Client, ask, connect};
use crate::process::{Server, free_port};
use crate::subject::{squall, squall_command};
use crate::table::Table;
use crate::{note, print};
use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use squall_test_guests::{VERSION_ANSWER, version};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;

const SWAPS: u32 = 100;
const CONNECTIONS: usize = 32;
/// The least that must be asked while the swaps go on.
const REQUESTS: u64 = 100_000;
/// Between two swaps.
const PAUSE: Duration = Duration::from_millis(150);
const QUIET_SWAPS: u32 = 30;

pub(crate) fn measure() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let mut table = Table::new(&[
        "component",
        "swaps",
        "requests",
        "failed",
        "of two versions",
        "rename to first answer: p50",
        "p95",
    ]);
    for world in ["version03", "version02"] {
        for (load, swaps) in [(CONNECTIONS, SWAPS), (0, QUIET_SWAPS)] {
            note(format_args!("swap: {world}, {load} connections"));
            let seen = runtime.block_on(run(world, load, swaps))?;
            let label =
                if load > 0 { format!("{load} connections") } else { "otherwise quiet".into() };
            let mut latencies = seen.latencies;
            latencies.sort_unstable();
            let at = |part: usize| {
                let place = (latencies.len() * part / 100).min(latencies.len() - 1);
                format!("{} ms", latencies[place].as_millis())
            };
            table.row(vec![
                format!("{world}, {} KB, {label}", version(world, 1).len() / 1000),
                latencies.len().to_string(),
                seen.requests.to_string(),
                seen.failed.to_string(),
                seen.mixed.to_string(),
                at(50),
                at(95),
            ]);
        }
    }
    table.print("Swaps");
    print("\nThe 50 ms that a changed file is left to settle are part of the latency.");
    Ok(())
}

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    failed: AtomicU64,
    mixed: AtomicU64,
    stop: AtomicBool,
    /// The newest version that any client has seen, and when first.
    newest: Mutex<(u32, Option<Instant>)>,
}

struct Seen {
    requests: u64,
    failed: u64,
    mixed: u64,
    latencies: Vec<Duration>,
}

async fn run(world: &str, connections: usize, swaps: u32) -> Result<Seen> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("app.wasm");
    std::fs::write(&file, version(world, 1))?;
    let port = free_port()?;
    let site = file.to_str().context("a path that is text")?.to_owned();
    let words = squall_command(&squall()?, &site, port, "off");
    let mut command = Command::new(&words[0]);
    // A version that was compiled in an earlier run would not be compiled in this one.
    command.args(&words[1..]).arg("--no-cache");
    let server = Server::start(command, port)?;
    let counts = Arc::new(Counts::default());
    let mut clients = JoinSet::new();
    for _ in 0..connections.max(1) {
        let pause = if connections == 0 { Duration::from_millis(1) } else { Duration::ZERO };
        clients.spawn(client(server.address, pause, counts.clone()));
    }
    let mut latencies = Vec::new();
    for n in 2..swaps + 2 {
        let bytes = version(world, n);
        latencies.push(swap(&file, &bytes, n, &counts).await?);
        sleep(PAUSE).await;
    }
    while connections > 0 && counts.requests.load(Ordering::Relaxed) < REQUESTS {
        sleep(PAUSE).await;
    }
    counts.stop.store(true, Ordering::Relaxed);
    while clients.join_next().await.is_some() {}
    Ok(Seen {
        requests: counts.requests.load(Ordering::Relaxed),
        failed: counts.failed.load(Ordering::Relaxed),
        mixed: counts.mixed.load(Ordering::Relaxed),
        latencies,
    })
}

/// Puts version `n` in place and waits until somebody has seen it.
async fn swap(file: &Path, bytes: &[u8], n: u32, counts: &Counts) -> Result<Duration> {
    let aside = file.with_extension("new");
    std::fs::write(&aside, bytes)?;
    let began = Instant::now();
    std::fs::rename(&aside, file)?;
    loop {
        sleep(Duration::from_millis(1)).await;
        let (version, seen) = *counts.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if version >= n {
            return Ok(seen.unwrap_or(began).duration_since(began));
        }
        anyhow::ensure!(began.elapsed() < Duration::from_secs(30), "version {n} never came");
    }
}

/// Asks over one connection, again and again. A connection that the server ends
/// between two requests is no failure; one that it ends within one is.
async fn client(address: SocketAddr, pause: Duration, counts: Arc<Counts>) {
    let mut sender: Option<Client> = None;
    while !counts.stop.load(Ordering::Relaxed) {
        if sender.as_mut().is_none_or(|sender| sender.is_closed()) {
            sender = connect(address).await.ok();
        }
        let Some(open) = &mut sender else {
            counts.failed.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        counts.requests.fetch_add(1, Ordering::Relaxed);
        match ask_for_version(open).await {
            Ok(body) => judge(&body, &counts),
            Err(_) => {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                sender = None;
            }
        }
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
}

async fn ask_for_version(client: &mut Client) -> Result<Bytes> {
    let request = Request::get("/").header("host", "bench").body(Full::default())?;
    ask(client, request).await
}

fn judge(body: &[u8], counts: &Counts) {
    let whole = body.len() == VERSION_ANSWER && body[..10] == body[VERSION_ANSWER - 10..];
    let version = body.get(2..9).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let Some(version) = version.filter(|_| whole) else {
        counts.mixed.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let mut newest = counts.newest.lock().unwrap_or_else(PoisonError::into_inner);
    if version > newest.0 {
        *newest = (version, Some(Instant::now()));
    }
}
