//! A server process, pinned, watched and ended.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server. Dropping it ends it.
pub(crate) struct Server {
    child: Child,
    pub address: SocketAddr,
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

/// `command` on one core with one worker thread.
pub(crate) fn pinned(core: usize, command: &[String]) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", &core.to_string()]).args(command);
    pinned.env("TOKIO_WORKER_THREADS", "1");
    pinned
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

    /// Resident memory, in KiB.
    pub(crate) fn memory(&self) -> Result<u64> {
        // `taskset` becomes the program that it starts.
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
        number.context("no VmRSS in /proc")
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
