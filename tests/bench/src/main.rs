//! Measures Squall and its peers side by side, and prints ratios.
//!
//! Figures of different runs do not compare, because machines and moods differ; the
//! ratios to bare hyper of one run do. Every server runs pinned to the first core
//! and its client to the second, one server at a time. Needs Linux, `taskset` and
//! `wrk`; peers that are not installed are left out and named.

mod hyper_server;
mod process;
mod start;
mod state;
mod subject;
mod suspended;
mod swap;
mod table;
mod throughput;
mod wrk;

use anyhow::Result;
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
    /// How long each server is under load
    #[arg(long, value_name = "SECONDS", default_value = "6", global = true)]
    seconds: u64,
    /// Only servers whose name contains this, besides bare hyper
    #[arg(long, value_name = "TEXT", global = true)]
    only: Option<String>,
}

#[derive(Subcommand, Clone, Copy)]
enum What {
    /// Requests per second on one core
    Throughput,
    /// 10,000 requests that each wait a second, on one core
    Suspended,
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

fn main() -> Result<()> {
    let line = Line::parse();
    let time = Duration::from_secs(line.seconds);
    let only = line.only.as_deref();
    match line.what {
        Some(What::Hyper { port }) => return hyper_server::serve(port),
        Some(What::Throughput) => throughput::measure(time, only)?,
        Some(What::Suspended) => suspended::measure(only)?,
        Some(What::Swap) => swap::measure()?,
        Some(What::Start) => start::measure()?,
        Some(What::State) => state::measure(time)?,
        None => {
            throughput::measure(time, only)?;
            suspended::measure(only)?;
            swap::measure()?;
            start::measure()?;
            state::measure(time)?;
        }
    }
    Ok(())
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
