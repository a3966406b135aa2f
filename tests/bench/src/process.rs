//! A server process, pinned, watched and ended.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cores {
    First,
    Second,
    Both,
}

impl Cores {
    pub(crate) fn count(self) -> usize {
        match self {
            Cores::First | Cores::Second => 1,
            Cores::Both => 2,
        }
    }

    /// `words` on these, with as many worker threads.
    pub(crate) fn command(self, words: &[String]) -> Command {
        let list = match self {
            Cores::First => "0",
            Cores::Second => "1",
            Cores::Both => "0,1",
        };
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", list]).args(words);
        pinned.env("TOKIO_WORKER_THREADS", self.count().to_string());
        pinned
    }
}

/// A running server. Dropping it ends it.
pub(crate) struct Server {
    child: Child,
    pub address: SocketAddr,
}

/// In KiB: what is resident, and of that the share of this process in what it shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    pub resident: u64,
    pub proportional: u64,
}

/// A port that nobody uses at this moment.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Raises the descriptor limit as far as allowed, for us and those we start.
pub(crate) fn raise_descriptors() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    // What cannot be raised stays.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

impl Server {
    /// Starts `command` and waits until `port` answers a request.
    pub(crate) fn start(mut command: Command, port: u16) -> Result<Self> {
        // Backtraces cost wasmtime a tenth of its speed; no server gets them.
        command.env("RUST_BACKTRACE", "0");
        let log = tempfile::tempfile()?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
        let child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        let mut server = Server { child, address: ([127, 0, 0, 1], port).into() };
        let began = Instant::now();
        while get(server.address, "/").is_none() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{command:?} ended with {status}: {}", text_of(log)?);
            }
            if began.elapsed() > Duration::from_secs(60) {
                bail!("{command:?} does not answer: {}", text_of(log)?);
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        Ok(server)
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        let smaps = fs::read_to_string(self.about("smaps_rollup"))?;
        memory(&smaps).context("no sums in /proc")
    }

    /// What all its threads have computed so far, in the system's name too.
    pub(crate) fn computed(&self) -> Result<Duration> {
        let stat = fs::read_to_string(self.about("stat"))?;
        let ticks = ticks(&stat).context("no times in /proc")?;
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }

    /// `taskset` becomes the program that it starts, so the child is the server.
    fn about(&self, what: &str) -> String {
        format!("/proc/{}/{what}", self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status of one GET, if there is an answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = [0; 16];
    stream.read_exact(&mut answer).ok()?;
    std::str::from_utf8(&answer).ok()?.split(' ').nth(1)?.parse().ok()
}

fn text_of(mut log: File) -> Result<String> {
    use std::io::Seek;
    log.rewind()?;
    let mut text = String::new();
    log.read_to_string(&mut text)?;
    Ok(text)
}

fn memory(smaps_rollup: &str) -> Option<Memory> {
    let of = |label: &str| {
        let line = smaps_rollup.lines().find_map(|line| line.strip_prefix(label))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Memory { resident: of("Rss:")?, proportional: of("Pss:")? })
}

/// Those of user and system together. The name of a program, in parentheses, may hold
/// anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    // `man 5 proc`: the state is field 3, these are 14 and 15.
    let mut fields = after_name.split_whitespace().skip(14 - 3);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_proc_are_understood() {
        let text = "55d0c2e00000-7ffd5c9f2000 ---p 00000000 00:00 0    [rollup]
Rss:               21432 kB
Pss:               20011 kB
Pss_Dirty:         12345 kB
";
        assert_eq!(memory(text), Some(Memory { resident: 21_432, proportional: 20_011 }));
        assert_eq!(memory(""), None);
    }

    #[test]
    fn a_name_does_not_move_the_times() {
        let rest = "S 1 2 3 0 -1 4194304 9 9 9 9 700 45 8 8 20 0 3 0 99 1000 200";
        assert_eq!(ticks(&format!("42 (squall) {rest}")), Some(745));
        assert_eq!(ticks(&format!("42 (a) b 1 2) {rest}")), Some(745));
    }
}
