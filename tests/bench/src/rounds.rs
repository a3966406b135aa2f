//! Servers side by side under load. The speed of a machine drifts within minutes, so
//! each server has many short turns, one in every round, instead of a long one; and a
//! ratio is the median of those that the rounds have, each between neighbours in time.

use crate::figure::Figure;
use crate::note;
use crate::process::{Cores, Memory, Server, free_port};
use crate::subject::Subject;
use crate::table::{Table, rounded};
use crate::wrk::{Latency, Load, Seen};
use anyhow::Result;
use std::time::Duration;

/// Nothing shorter is possible with `wrk`.
const TURN: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_secs(2);

/// What came of all, in the order in which they had their turns.
pub(crate) struct Rounds(Vec<Measured>);

/// What came of one server.
pub(crate) struct Measured {
    pub name: String,
    /// One for each round.
    pub turns: Vec<Seen>,
    /// All, with those of the warm-up.
    pub requests: u64,
    /// After the last turn.
    pub memory: Memory,
}

impl Rounds {
    /// Has all of them serve `load` for about `time` each, on the first core.
    pub(crate) fn run(subjects: &[Subject], load: &Load, time: Duration) -> Result<Self> {
        let mut servers = Vec::new();
        for subject in subjects {
            note(format_args!("warming up: {}", subject.name));
            let port = free_port()?;
            let server = Server::start(Cores::First.command(&(subject.command)(port)), port)?;
            let requests = load.run(server.address, WARM_UP)?.requests;
            servers.push((server, requests, Vec::new()));
        }
        let rounds = time.as_secs().max(1);
        for round in 1..=rounds {
            note(format_args!("round {round} of {rounds}"));
            for (server, requests, turns) in &mut servers {
                let seen = load.run(server.address, TURN)?;
                *requests += seen.requests;
                turns.push(seen);
            }
        }
        let all = subjects.iter().zip(servers).map(|(subject, (server, requests, turns))| {
            Ok(Measured { name: subject.name.clone(), turns, requests, memory: server.memory()? })
        });
        Ok(Rounds(all.collect::<Result<_>>()?))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Measured> {
        self.0.iter().find(|measured| measured.name == name)
    }

    /// If both are there.
    pub(crate) fn ratio(&self, name: &str, of: &str) -> Option<Figure> {
        Some(self.get(name)?.of(self.get(of)?))
    }

    /// With columns for the ratios to two of them.
    pub(crate) fn table(&self, hyper: &str, node: &str) -> Table {
        let mut table = Table::new(&[
            "server",
            "requests/s",
            "of bare hyper",
            "of Node http",
            "p50",
            "p99",
            "memory",
            "errors",
        ]);
        for measured in &self.0 {
            let of = |other: &str| {
                self.ratio(&measured.name, other).map_or("-".into(), |ratio| ratio.to_string())
            };
            table.row(vec![
                measured.name.clone(),
                rounded(measured.per_second()),
                of(hyper),
                of(node),
                measured.latency(|turn| turn.p50).to_string(),
                measured.latency(|turn| turn.p99).to_string(),
                format!("{} MB", measured.memory.resident / 1024),
                measured.turns.iter().map(|turn| turn.errors).sum::<u64>().to_string(),
            ]);
        }
        table
    }
}

impl Measured {
    fn per_second(&self) -> f64 {
        Figure::of(self.turns.iter().map(|turn| turn.per_second)).median
    }

    /// Of the same rounds.
    fn of(&self, other: &Measured) -> Figure {
        let rounds = self.turns.iter().zip(&other.turns);
        Figure::of(rounds.map(|(mine, theirs)| mine.per_second / theirs.per_second))
    }

    fn latency(&self, of: impl Fn(&Seen) -> Latency) -> Latency {
        let mut all: Vec<_> = self.turns.iter().map(of).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(name: &str, rates: &[f64]) -> Measured {
        let turn = |rate: &f64| Seen { per_second: *rate, ..Seen::default() };
        let memory = Memory { resident: 0, proportional: 0 };
        let turns = rates.iter().map(turn).collect();
        Measured { name: name.to_owned(), turns, requests: 0, memory }
    }

    #[test]
    fn a_ratio_is_made_of_neighbours_in_time() {
        // The machine becomes twice as slow, and one turn is disturbed.
        let rounds = Rounds(vec![
            measured("bare", &[200.0, 100.0, 100.0, 100.0]),
            measured("squall", &[120.0, 60.0, 10.0, 60.0]),
        ]);
        let ratio = rounds.ratio("squall", "bare").unwrap();
        assert_eq!(ratio.to_string(), "0.60 (0.10-0.60)");
        assert_eq!(rounds.get("bare").unwrap().per_second(), 100.0);
        assert_eq!(rounds.ratio("squall", "Node"), None);
    }
}
