//! The load generator: `wrk`.

use crate::process::Cores;
use crate::subject::{peer_file, text};
use anyhow::{Context, Result, ensure};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

/// What is asked for, again and again.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub path: &'static str,
    /// A file of JSON to post; otherwise it is a GET.
    pub json: Option<PathBuf>,
    pub connections: usize,
    /// Of the client, with a thread on each.
    pub cores: Cores,
}

/// What `wrk` has seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub requests: u64,
    pub per_second: f64,
    pub p50: Latency,
    pub p99: Latency,
    /// Answers that were not 2xx or 3xx, and connections that failed.
    pub errors: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Latency(Duration);

/// A load that is under way.
pub(crate) struct Running(Child);

impl Load {
    pub(crate) fn new(path: &'static str, connections: usize) -> Self {
        Load { path, json: None, connections, cores: Cores::Second }
    }

    /// `time` is rounded to seconds, as `wrk` knows no less.
    pub(crate) fn start(&self, address: SocketAddr, time: Duration) -> Result<Running> {
        let mut words = vec![
            "wrk".to_owned(),
            format!("-t{}", self.cores.count()),
            format!("-c{}", self.connections),
            format!("-d{}s", time.as_secs()),
            "--timeout=10s".to_owned(),
            "--latency".to_owned(),
        ];
        let url = format!("http://{address}{}", self.path);
        match &self.json {
            Some(file) => {
                let file = text(file)?;
                let script = text(&peer_file("post.lua"))?;
                words.extend(["-s".into(), script, url, "--".into(), file]);
            }
            None => words.push(url),
        }
        let child = self.cores.command(&words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        Ok(Running(child.context("cannot run `wrk` (apt-get install wrk)")?))
    }

    pub(crate) fn run(&self, address: SocketAddr, time: Duration) -> Result<Seen> {
        self.start(address, time)?.end()
    }
}

impl Running {
    pub(crate) fn end(self) -> Result<Seen> {
        let output = self.0.wait_with_output()?;
        ensure!(output.status.success(), "`wrk` failed");
        parse(&String::from_utf8_lossy(&output.stdout))
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_micros() {
            micros @ 0..1_000 => write!(f, "{micros} µs"),
            1_000..1_000_000 => write!(f, "{:.2} ms", self.0.as_secs_f64() * 1e3),
            _ => write!(f, "{:.2} s", self.0.as_secs_f64()),
        }
    }
}

fn parse(text: &str) -> Result<Seen> {
    let value = |label: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(label))?;
        line.split_whitespace().last()
    };
    let per_second = value("Requests/sec:").context("`wrk` has told no rate")?;
    // 158344 requests in 2.00s, 19.63MB read
    let requests = text.lines().find_map(|line| line.trim_start().split_once(" requests in "));
    let (requests, _) = requests.context("`wrk` has told no number of requests")?;
    let failed = value("Non-2xx or 3xx responses:").and_then(|n| n.parse().ok()).unwrap_or(0);
    // Socket errors: connect 0, read 0, write 0, timeout 256
    let sockets = text.lines().find_map(|line| line.trim_start().strip_prefix("Socket errors:"));
    let sockets: u64 = sockets
        .map(|line| line.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok()).sum())
        .unwrap_or(0);
    Ok(Seen {
        requests: requests.parse()?,
        per_second: per_second.parse()?,
        p50: value("50%").and_then(latency).unwrap_or_default(),
        p99: value("99%").and_then(latency).unwrap_or_default(),
        errors: failed + sockets,
    })
}

/// `88.00us`, `1.02ms`, `1.20s` or `1.00m`.
fn latency(text: &str) -> Option<Latency> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok().map(Latency)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_understood() {
        let text = "Running 2s test @ http://127.0.0.1:8080/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   401.37us  203.82us   5.28ms   93.27%
    Req/Sec    79.63k     2.19k   83.52k    80.95%
  Latency Distribution
     50%  376.00us
     75%  438.00us
     90%  512.00us
     99%    1.02ms
  158344 requests in 2.00s, 19.63MB read
  Socket errors: connect 0, read 3, write 1, timeout 2
  Non-2xx or 3xx responses: 10
Requests/sec:  79172.15
Transfer/sec:      9.82MB
";
        let seen = parse(text).unwrap();
        assert_eq!((seen.requests, seen.per_second, seen.errors), (158_344, 79_172.15, 16));
        assert_eq!(
            (seen.p50.to_string(), seen.p99.to_string()),
            ("376 µs".into(), "1.02 ms".into())
        );
        assert!(parse("unable to connect").is_err());
    }

    #[test]
    fn latencies_have_units() {
        let known =
            ["88.00us", "0.91ms", "12.30ms", "1.20s", "1.50m"].map(|text| latency(text).unwrap());
        assert!(known.is_sorted());
        assert_eq!(
            known.map(|l| l.to_string()),
            ["88 µs", "910 µs", "12.30 ms", "1.20 s", "90.00 s"]
        );
        assert_eq!(latency("12"), None);
    }
}
