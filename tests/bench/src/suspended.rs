//! Ten thousand requests that each wait a second, on one core: the ideal is ten
//! thousand answers a second.

use crate::note;
use crate::process::{Server, free_port, pinned, raise_descriptors};
use crate::subject::{self, Sites, Subject};
use crate::table::{Table, rounded};
use crate::wrk::{Load, Seen};
use anyhow::{Result, ensure};
use std::time::Duration;

const CLIENTS: u64 = 10_000;
const TIME: Duration = Duration::from_secs(12);
/// When memory is looked at: all clients have been served several times.
const LOOK: Duration = Duration::from_secs(9);

pub(crate) fn measure(only: Option<&str>) -> Result<()> {
    let descriptors = raise_descriptors();
    ensure!(
        descriptors > CLIENTS + 500,
        "{descriptors} descriptors are too few for {CLIENTS} clients"
    );
    let sites = Sites::new()?;
    let subjects = subject::suspended(&sites)?;
    let (bare, bare_each) = run(&subject::bare_hyper()?)?;
    let mut table = Table::new(&[
        "server",
        "requests/s",
        "of bare hyper",
        "p99",
        "errors",
        "memory each",
        "on top of bare hyper",
    ]);
    let mut row = |name: String, seen: &Seen, each: f64| {
        table.row(vec![
            name,
            rounded(seen.per_second),
            format!("{:.2}", seen.per_second / bare.per_second),
            seen.p99.clone(),
            seen.errors.to_string(),
            format!("{each:.1} KB"),
            format!("{:.1} KB", each - bare_each),
        ]);
    };
    row("bare hyper 1, sleeping in tokio".into(), &bare, bare_each);
    for subject in &subjects {
        if only.is_none_or(|text| subject.name.contains(text)) {
            let (seen, each) = run(subject)?;
            row(subject.name.clone(), &seen, each);
        }
    }
    table.print("Suspended, one core, 10,000 requests that each wait one second");
    Ok(())
}

/// What the load has seen, and KB per suspended request.
fn run(subject: &Subject) -> Result<(Seen, f64)> {
    note(format_args!("suspended: {}", subject.name));
    let port = free_port()?;
    let server = Server::start(pinned(0, &(subject.command)(port)), port)?;
    let before = server.memory()?;
    let clients = usize::try_from(CLIENTS)?;
    let load = Load::start(server.address, "/sleep", clients, TIME)?;
    std::thread::sleep(LOOK);
    let during = server.memory()?;
    let seen = load.end()?;
    Ok((seen, during.saturating_sub(before) as f64 / CLIENTS as f64))
}
