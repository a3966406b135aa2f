//! Ten thousand requests that each wait a second, on one core: the ideal is ten
//! thousand answers a second.

use crate::bars::Bar;
use crate::client::ask_once;
use crate::process::{Cores, Server, free_port, raise_descriptors};
use crate::subject::{Subject, bare_hyper, squall, squall_command, text, words};
use crate::table::{Table, rounded};
use crate::wrk::{Load, Seen};
use crate::{hyper_server, note, peers};
use anyhow::{Context, Result, ensure};
use http_body_util::Full;
use hyper::Request;
use hyper::header::HOST;
use squall_test_guests::{guest_path, sdk_guest_path};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

const CLIENTS: usize = 10_000;
const TIME: Duration = Duration::from_secs(12);
/// When the looking begins: all clients have been served several times.
const LOOK: Duration = Duration::from_secs(8);
/// The clients come in waves of a little more than a second, so one look may meet the
/// moment between two.
const LOOKS: u32 = 15;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

const HYPER: &str = "bare hyper 1, sleeping in tokio";

/// A server, and where it says how many requests wait in it.
struct Sleeper {
    subject: Subject,
    tells: Tells,
}

#[derive(Clone, Copy, Debug)]
enum Tells {
    Nothing,
    /// Itself, in plain text.
    Here(&'static str),
    /// As one of Squall's metrics.
    Metrics(u16),
}

struct Outcome {
    seen: Seen,
    /// KB for each suspended request.
    each: f64,
    /// How many there were when that was so.
    at_once: Option<u64>,
}

pub(crate) fn measure(only: Option<&str>) -> Result<Vec<Bar>> {
    let descriptors = raise_descriptors();
    ensure!(
        descriptors > CLIENTS as u64 + 500,
        "{descriptors} descriptors are too few for {CLIENTS} clients"
    );
    let sleepers = sleepers()?;
    let bare = Sleeper {
        subject: Subject { name: HYPER.to_owned(), ..bare_hyper()? },
        tells: Tells::Here(hyper_server::SUSPENDED),
    };
    let bare = (HYPER.to_owned(), run(&bare)?);
    let rest = sleepers
        .iter()
        .filter(|sleeper| only.is_none_or(|text| sleeper.subject.name.contains(text)));
    let rest = rest.map(|sleeper| Ok((sleeper.subject.name.clone(), run(sleeper)?)));
    let rest = rest.collect::<Result<Vec<_>>>()?;
    let mut table = Table::new(&[
        "server",
        "requests/s",
        "of bare hyper",
        "p99",
        "errors",
        "at once",
        "memory each",
        "on top of bare hyper",
    ]);
    let mut bars = Vec::new();
    for (name, Outcome { seen, each, at_once }) in std::iter::once(&bare).chain(&rest) {
        let on_top = each - bare.1.each;
        table.row(vec![
            name.clone(),
            rounded(seen.per_second),
            format!("{:.2}", seen.per_second / bare.1.seen.per_second),
            seen.p99.to_string(),
            seen.errors.to_string(),
            at_once.map_or("-".into(), |count| count.to_string()),
            format!("{each:.1} KB"),
            format!("{on_top:.1} KB"),
        ]);
        for (what, of) in [(BAR, NATIVE), (BAR_BY_SDK, NATIVE_BY_SDK)] {
            if name == of {
                bars.push(Bar::kilobytes(what, on_top, 5.0, 2.0));
            }
        }
    }
    table.print("Suspended, one core, 10,000 requests that each wait one second");
    Ok(bars)
}

const NATIVE: &str = "Squall, native, defaults";
const NATIVE_BY_SDK: &str = "Squall, native by the SDK, defaults";
const BAR: &str = "suspended native request: memory on top of bare hyper";
const BAR_BY_SDK: &str = "suspended native request, by the SDK: memory on top of bare hyper";

fn sleepers() -> Result<Vec<Sleeper>> {
    let mut all = vec![
        squall_file(NATIVE, &guest_path("hello_web"))?,
        squall_file(NATIVE_BY_SDK, &sdk_guest_path("hello"))?,
        squall_file("Squall, WASI 0.3, defaults", &guest_path("hello03"))?,
    ];
    let raised = [
        "--max-concurrent-connections=20000",
        "--max-concurrent-requests=20000",
        "--max-instance-concurrent-reuse-count=128",
    ];
    let wasmtime = "wasmtime serve, limits raised";
    let others = [
        peers::wasmtime(wasmtime, &guest_path("hello03"), &raised)?,
        peers::node("Node http", "hello.js")?,
        peers::tornado()?,
    ];
    let others = others.into_iter().flatten();
    all.extend(others.map(|subject| Sleeper { subject, tells: Tells::Nothing }));
    Ok(all)
}

/// A file served as it is: this must do with the defaults.
fn squall_file(name: &str, component: &Path) -> Result<Sleeper> {
    let (squall, component) = (squall()?, text(component)?);
    let admin = free_port()?;
    let subject = Subject::new(name, move |port| {
        let mut command = squall_command(&squall, &component, port, "off");
        command.extend(words(&["--admin", &format!("127.0.0.1:{admin}")]));
        command
    });
    Ok(Sleeper { subject, tells: Tells::Metrics(admin) })
}

fn run(sleeper: &Sleeper) -> Result<Outcome> {
    note(format_args!("suspended: {}", sleeper.subject.name));
    let port = free_port()?;
    let command = Cores::First.command(&(sleeper.subject.command)(port));
    let server = Server::start(command, port)?;
    let before = server.memory()?.resident;
    let load = Load::new("/sleep", CLIENTS).start(server.address, TIME)?;
    std::thread::sleep(LOOK);
    let mut most = (None, 0);
    for _ in 0..LOOKS {
        let look = (at_once(sleeper.tells, server.address)?, server.memory()?.resident);
        most = most.max(look);
        std::thread::sleep(BETWEEN_LOOKS);
    }
    let seen = load.end()?;
    let (at_once, during) = most;
    let each = during.saturating_sub(before) as f64 / CLIENTS as f64;
    Ok(Outcome { seen, each, at_once })
}

fn at_once(tells: Tells, server: SocketAddr) -> Result<Option<u64>> {
    let ask = |address, path: &str| {
        let request = Request::get(path).header(HOST, "localhost").body(Full::default())?;
        Ok::<_, anyhow::Error>(String::from_utf8(ask_once(address, request)?.to_vec())?)
    };
    Ok(Some(match tells {
        Tells::Nothing => return Ok(None),
        Tells::Here(path) => ask(server, path)?.parse()?,
        Tells::Metrics(admin) => {
            let metrics = ask(([127, 0, 0, 1], admin).into(), "/metrics")?;
            waiting(&metrics).context("no numbers of requests in the metrics")?
        }
    }))
}

/// Those that an instance has: of all under way, not those that wait for one.
fn waiting(metrics: &str) -> Option<u64> {
    let of = |name: &str| {
        let mut lines = metrics.lines().filter(|line| !line.starts_with('#'));
        let line = lines.find(|line| line.split(['{', ' ']).next() == Some(name))?;
        line.rsplit(' ').next()?.parse::<u64>().ok()
    };
    of("squall_in_flight")?.checked_sub(of("squall_queue")?)
}

#[cfg(test)]
mod tests {
    use super::waiting;

    #[test]
    fn what_waits_for_an_instance_is_not_suspended_in_one() {
        let metrics = "# HELP squall_queue Requests.\n# TYPE squall_queue gauge\n\
                       squall_queue{handler=\"app\"} 12\nsquall_queue_x{handler=\"app\"} 5\n\
                       squall_in_flight{handler=\"app\"} 9999\n# EOF\n";
        assert_eq!(waiting(metrics), Some(9987));
        assert_eq!(waiting(""), None);
    }
}
