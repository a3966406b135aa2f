//! From the start of the process to the first answer.

use crate::note;
use crate::process::{Server, free_port};
use crate::subject::{squall, squall_command};
use crate::table::Table;
use anyhow::{Context, Result};
use squall_test_guests::{guest, guest_path};
use std::process::Command;
use std::time::{Duration, Instant};

const STARTS: usize = 20;

pub(crate) fn measure() -> Result<()> {
    let squall = squall()?;
    let folder = tempfile::tempdir()?;
    // Made by squall, with the mode that it wants.
    let cache = folder.path().join("cache");
    let cache = cache.to_str().context("a path that is text")?;
    let mut table = Table::new(&["component", "compile cache", "p50", "worst"]);
    for name in ["hello03", "hello02"] {
        for warm in [true, false] {
            note(format_args!("start: {name}, {}", if warm { "warm" } else { "cold" }));
            let options: &[&str] = if warm { &["--cache", cache] } else { &["--no-cache"] };
            let site = guest_path(name);
            let site = site.to_str().context("a path that is text")?;
            let once = || -> Result<Duration> {
                let port = free_port()?;
                let words = squall_command(&squall, site, port, "off");
                let mut command = Command::new(&words[0]);
                command.args(&words[1..]).args(options);
                let began = Instant::now();
                let server = Server::start(command, port)?;
                let took = began.elapsed();
                drop(server);
                Ok(took)
            };
            // Fills the cache, and the page cache of the system.
            once()?;
            let mut times = (0..STARTS).map(|_| once()).collect::<Result<Vec<_>>>()?;
            times.sort_unstable();
            table.row(vec![
                format!("{name}, {} KB", guest(name).len() / 1000),
                if warm { "warm" } else { "off" }.to_owned(),
                format!("{:.0} ms", times[STARTS / 2].as_secs_f64() * 1e3),
                format!("{:.0} ms", times[STARTS - 1].as_secs_f64() * 1e3),
            ]);
        }
    }
    table.print("From start to the first 200");
    Ok(())
}
