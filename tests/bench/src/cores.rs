//! Two cores against one, with the client on the same cores as the server.
//!
//! Where there are two cores, the client of a server that has both must share them. So it
//! shares the one core too: in both settings each core has a worker of the server, a
//! thread of the client and 32 connections, and neither setting has a cold or quiet core
//! that the other has not. What is seen on the wall is then the growth of server and
//! client together. To take the client out, the requests that the server answers in a
//! second of its own computing are compared: `growth` is twice that with two cores, of
//! that with one. What a second core costs in locks, caches and wake-ups is computing and
//! in it; time in which a core waits is not, so the idle part of both cores is told. Bare
//! hyper has the same costs of the kernel and the same runtime, and says how much of a
//! loss is theirs.

use crate::bars::Bar;
use crate::figure::Figure;
use crate::note;
use crate::process::{Cores, Server, free_port};
use crate::subject::{Subject, bare_hyper, squall_site};
use crate::table::{Table, rounded};
use crate::wrk::Load;
use anyhow::{Context, Result};
use squall_test_guests::{guest_path, sdk_guest_path};
use std::fs;
use std::time::Duration;

const CONNECTIONS_PER_CORE: usize = 32;
/// The system counts computing in hundredths of it.
const TURN: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_secs(2);

const NATIVE: &str = "Squall, native, shared";

/// One server on some of the cores.
struct Setting {
    server: Server,
    load: Load,
    turns: Vec<Turn>,
}

#[derive(Clone, Copy)]
struct Turn {
    per_second: f64,
    /// In a second of the server's computing.
    per_computed: f64,
    /// Of all cores together, from 0 to 1.
    idle: f64,
}

pub(crate) fn measure(time: Duration) -> Result<Vec<Bar>> {
    let mut table = Table::new(&[
        "server",
        "requests/s: one core",
        "both",
        "growth on the wall",
        "computed per request: one core",
        "both",
        "growth without the client",
        "idle with both",
    ]);
    let mut bars = Vec::new();
    let hello = guest_path("hello_web");
    for subject in [
        bare_hyper()?,
        squall_site(NATIVE, &hello, "shared", None)?,
        squall_site("Squall, native, request", &hello, "request", None)?,
        squall_site("Squall, WASI 0.3, shared", &guest_path("hello03"), "shared", None)?,
        squall_site("Squall, native by the SDK, shared", &sdk_guest_path("hello"), "shared", None)?,
    ] {
        note(format_args!("cores: {}", subject.name));
        let mut one = Setting::start(&subject, Cores::First)?;
        let mut both = Setting::start(&subject, Cores::Both)?;
        for _ in 0..time.as_secs().max(1) {
            one.turn()?;
            both.turn()?;
        }
        let median = |setting: &Setting, of: fn(&Turn) -> f64| {
            Figure::of(setting.turns.iter().map(of)).median
        };
        let growth = |of: fn(&Turn) -> f64, cores: f64| {
            let pairs = one.turns.iter().zip(&both.turns);
            Figure::of(pairs.map(|(one, both)| cores * of(both) / of(one)))
        };
        let computed =
            |setting| format!("{:.2} µs", 1e6 / median(setting, |turn| turn.per_computed));
        let alone = growth(|turn| turn.per_computed, Cores::Both.count() as f64);
        table.row(vec![
            subject.name.clone(),
            rounded(median(&one, |turn| turn.per_second)),
            rounded(median(&both, |turn| turn.per_second)),
            growth(|turn| turn.per_second, 1.0).to_string(),
            computed(&one),
            computed(&both),
            alone.to_string(),
            format!("{:.0} %", median(&both, |turn| turn.idle) * 100.0),
        ]);
        if subject.name == NATIVE {
            let what = "native, shared: both cores against one";
            bars.push(Bar::ratio(what, alone.median, 1.7, Some(1.9)));
        }
    }
    table.print("Two cores against one, client on the same cores");
    Ok(bars)
}

impl Setting {
    fn start(subject: &Subject, cores: Cores) -> Result<Self> {
        let port = free_port()?;
        let server = Server::start(cores.command(&(subject.command)(port)), port)?;
        let connections = CONNECTIONS_PER_CORE * cores.count();
        let load = Load { cores, ..Load::new("/", connections) };
        load.run(server.address, WARM_UP)?;
        Ok(Setting { server, load, turns: Vec::new() })
    }

    fn turn(&mut self) -> Result<()> {
        let (computed, idle) = (self.server.computed()?, Idle::now()?);
        let seen = self.load.run(self.server.address, TURN)?;
        let computed = self.server.computed()?.saturating_sub(computed);
        self.turns.push(Turn {
            per_second: seen.per_second,
            per_computed: seen.requests as f64 / computed.as_secs_f64(),
            idle: Idle::now()?.since(idle),
        });
        Ok(())
    }
}

/// What the system has counted for all cores, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Idle {
    idle: u64,
    all: u64,
}

impl Idle {
    fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        Idle::parse(&stat).context("no times of cores in /proc")
    }

    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // `man 5 proc`: idle is the fourth and waiting for disks the fifth; what guests of
        // this system take, behind the eighth, is part of the first.
        let ticks = line.split_whitespace().take(8).map(str::parse);
        let ticks: Vec<u64> = ticks.collect::<Result<_, _>>().ok()?;
        Some(Idle { idle: ticks.get(3)? + ticks.get(4)?, all: ticks.iter().sum() })
    }

    fn since(self, before: Self) -> f64 {
        (self.idle - before.idle) as f64 / (self.all - before.all) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Idle;

    #[test]
    fn idle_is_a_part_of_all() {
        let before = Idle::parse("cpu  100 0 50 800 50 0 0 0 7 7\ncpu0 1 2 3\n").unwrap();
        assert_eq!(before, Idle { idle: 850, all: 1000 });
        let after = Idle::parse("cpu  200 10 110 820 50 5 5 0 9 9\n").unwrap();
        assert_eq!(after.since(before), 0.1);
        assert_eq!(Idle::parse("intr 1 2 3"), None);
    }
}
