//! Measures Squall and its peers side by side, and prints ratios.
//!
//! Figures of different runs do not compare, because machines and moods differ; the
//! ratios of one run do. Unless it says otherwise a server runs pinned to the first core
//! and its client to the second, and one server at a time has something to do. Needs
//! Linux, `taskset` and `wrk`; peers that are not installed are left out and named.

mod bars;
mod client;
mod cores;
mod figure;
mod hyper_server;
mod idle;
mod json;
#[path = "../../fixtures/sdk/guests/json/order.rs"]
mod order;
mod peers;
mod process;
mod rounds;
mod start;
mod state;
mod subject;
mod suspended;
mod swap;
mod table;
mod throughput;
mod wrk;

use anyhow::Result;
use bars::Bar;
use clap::{Parser, Subcommand};
use std::time::Duration;

/// The allocator of `squall`, so that the bare server has no other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "Measures Squall and its peers side by side, and prints ratios")]
struct Line {
    #[command(subcommand)]
    what: Option<What>,
    /// How long each server is under load, in turns of a second
    #[arg(long, value_name = "SECONDS", default_value = "10", global = true)]
    seconds: u64,
    /// Only servers whose name contains this, besides bare hyper; not of all measurements
    #[arg(long, value_name = "TEXT", global = true)]
    only: Option<String>,
}

#[derive(Subcommand, Clone, Copy)]
enum What {
    /// Requests per second on one core
    Throughput,
    /// JSON in and out, on one core
    Json,
    /// 10,000 requests that each wait a second, on one core
    Suspended,
    /// Two cores against one
    Cores,
    /// Memory of a host with 20 handlers that nobody asks
    Idle,
    /// Requests lost, and latency, while a component is swapped
    Swap,
    /// From the start of the process to the first answer
    Start,
    /// Durable writes of the store
    State,
    /// Bare hyper, for the program itself
    #[command(hide = true)]
    Hyper { port: u16 },
}

/// All that there is, in the order of the report.
const ALL: [What; 8] = [
    What::Throughput,
    What::Json,
    What::Suspended,
    What::Cores,
    What::Idle,
    What::Swap,
    What::Start,
    What::State,
];

fn main() -> Result<()> {
    let line = Line::parse();
    let chosen = match line.what {
        Some(What::Hyper { port }) => return hyper_server::serve(port),
        Some(what) => vec![what],
        None => ALL.to_vec(),
    };
    let mut bars = Vec::new();
    for what in chosen {
        bars.extend(measure(what, &line)?);
    }
    if !bars.is_empty() {
        bars::print(&bars);
    }
    Ok(())
}

/// Prints what it has seen, and returns what there is a bar for.
fn measure(what: What, line: &Line) -> Result<Vec<Bar>> {
    let time = Duration::from_secs(line.seconds);
    let only = line.only.as_deref();
    match what {
        What::Throughput => throughput::measure(time, only),
        What::Json => json::measure(time),
        What::Suspended => suspended::measure(only),
        What::Cores => cores::measure(time),
        What::Idle => idle::measure(),
        What::State => state::measure(time),
        What::Swap => swap::measure().map(|()| Vec::new()),
        What::Start => start::measure().map(|()| Vec::new()),
        What::Hyper { .. } => Ok(Vec::new()),
    }
}

/// One line of the report, on stdout.
#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn print(line: impl std::fmt::Display) {
    println!("{line}");
}

/// What is going on meanwhile, on stderr.
#[expect(clippy::print_stderr, reason = "progress of a program that takes minutes")]
fn note(line: impl std::fmt::Display) {
    eprintln!("{line}");
}
