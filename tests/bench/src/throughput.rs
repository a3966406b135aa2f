//! Requests per second on one core, 32 connections.

use crate::note;
use crate::process::{Server, free_port, pinned};
use crate::subject::{self, Sites, Subject};
use crate::table::{Table, rounded};
use crate::wrk::{Load, Seen};
use anyhow::Result;
use std::time::Duration;

const CONNECTIONS: usize = 32;
const WARM_UP: Duration = Duration::from_secs(2);

pub(crate) fn measure(time: Duration, only: Option<&str>) -> Result<()> {
    let sites = Sites::new()?;
    let subjects = subject::all(&sites)?;
    let hyper = subject::bare_hyper()?;
    let (before, hyper_memory) = run(&hyper, time)?;
    let mut rows = Vec::new();
    for subject in &subjects {
        if only.is_none_or(|text| subject.name.contains(text)) {
            let (seen, memory) = run(subject, time)?;
            rows.push((subject.name.clone(), seen, memory));
        }
    }
    // The machine may have changed its mind meanwhile: bare hyper is the mean of a
    // run before and one after all others.
    let (after, _) = run(&hyper, time)?;
    let drift = after.per_second / before.per_second;
    let bare = Seen { per_second: (before.per_second + after.per_second) / 2.0, ..after };
    let mut table =
        Table::new(&["server", "requests/s", "of bare hyper", "p50", "p99", "memory", "errors"]);
    let all = std::iter::once((hyper.name.clone(), bare.clone(), hyper_memory)).chain(rows);
    for (name, seen, memory) in all {
        table.row(vec![
            name,
            rounded(seen.per_second),
            format!("{:.2}", seen.per_second / bare.per_second),
            seen.p50,
            seen.p99,
            format!("{} MB", memory / 1024),
            seen.errors.to_string(),
        ]);
    }
    table.print(&format!("Throughput, one core, {CONNECTIONS} connections"));
    note(format_args!("bare hyper after all others: {drift:.2} of what it was before"));
    Ok(())
}

/// What the load has seen, and the server's memory under it in KiB.
fn run(subject: &Subject, time: Duration) -> Result<(Seen, u64)> {
    note(format_args!("throughput: {}", subject.name));
    let port = free_port()?;
    let server = Server::start(pinned(0, &(subject.command)(port)), port)?;
    Load::start(server.address, "/", CONNECTIONS, WARM_UP)?.end()?;
    let seen = Load::start(server.address, "/", CONNECTIONS, time)?.end()?;
    Ok((seen, server.memory()?))
}
