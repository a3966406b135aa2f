//! A `squall` of its own for each test.

use super::client::{self, Reply};
use super::{SOON, eventually, eventually_eq};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// A site in a folder of its own, not served yet.
pub(crate) struct Site {
    pub folder: tempfile::TempDir,
    path: PathBuf,
    env: Vec<(String, String)>,
    cache: Cache,
}

enum Cache {
    Folder(PathBuf),
    Default,
}

/// A running server. Dropping it ends it.
pub(crate) struct Server {
    pub site: Site,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    child: Child,
    stderr: Lines,
    stdout: Lines,
}

/// What the tests read of a server.
const HARNESS: [&str; 6] = ["--admin", "127.0.0.1:0", "--log", "json", "--access-log", "json"];

/// What a process has written so far.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    pub(crate) fn get(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn follow(stream: impl std::io::Read + Send + 'static) -> Self {
        let lines = Lines::default();
        let sink = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let Ok(line) = line else { return };
                sink.0.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
            }
        });
        lines
    }
}

impl Site {
    /// A site of this `squall.toml`.
    pub(crate) fn toml(config: &str) -> Self {
        let site = Self::empty();
        site.write("squall.toml", config);
        site
    }

    /// One component, served as it is.
    pub(crate) fn component(bytes: &[u8]) -> Self {
        let mut site = Self::empty();
        site.write("app.wasm", bytes);
        site.path = site.folder.path().join("app.wasm");
        site
    }

    /// One handler `app` at `/`, with `handler` among its keys.
    pub(crate) fn handler(bytes: &[u8], handler: &str) -> Self {
        let site = Self::toml(&format!(
            "[[routes]]\nmount = \"/\"\nhandler = \"app\"\n[handlers.app]\ncomponent = \"app.wasm\"\n{handler}\n"
        ));
        site.write("app.wasm", bytes);
        site
    }

    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        // Shared by all tests: a guest is compiled once.
        let cache = Cache::Folder(squall_test_guests::scratch().join("cache"));
        Site { folder, path, env: Vec::new(), cache }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn cache(mut self, folder: PathBuf) -> Self {
        self.cache = Cache::Folder(folder);
        self
    }

    /// Leaves it to squall where the cache is.
    pub(crate) fn default_cache(mut self) -> Self {
        self.cache = Cache::Default;
        self
    }

    /// Serves something in the folder instead of the folder.
    pub(crate) fn path(mut self, name: &str) -> Self {
        self.path = self.folder.path().join(name);
        self
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// The way of saving that most tools have: beside it, then over it.
    pub(crate) fn replace(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.path().join(name);
        let aside = self.folder.path().join(format!(".{name}.new"));
        fs::write(&aside, content).unwrap();
        fs::rename(aside, path).unwrap();
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command that serves it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
        command.arg("serve").arg(&self.path).args(["--listen", "127.0.0.1:0"]);
        if let Cache::Folder(folder) = &self.cache {
            command.arg("--cache").arg(folder);
        }
        command.env_remove("SQUALL_LOG").envs(self.env.iter().map(|(k, v)| (k, v)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(self) -> Server {
        let mut command = self.command();
        command.args(HARNESS);
        Server::spawn(self, command)
    }

    /// Starts it by a program that becomes it, such as `prlimit`.
    pub(crate) fn start_under(self, program: &[&str]) -> Server {
        let inner = self.command();
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).arg(inner.get_program()).args(inner.get_args()).args(HARNESS);
        command.env_remove("SQUALL_LOG").envs(self.env.iter().map(|(k, v)| (k, v)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Server::spawn(self, command)
    }

    /// Runs it to its end, which must come by itself.
    pub(crate) fn run(&self) -> (ExitStatus, String) {
        let output = self.command().output().unwrap();
        (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

impl Server {
    pub(crate) fn spawn(site: Site, command: Command) -> Self {
        Self::spawn_with(site, command, |_| {})
    }

    /// Starts it, and does something before it listens.
    pub(crate) fn spawn_with(
        site: Site,
        mut command: Command,
        meanwhile: impl FnOnce(&Child),
    ) -> Self {
        // Compiling guests must not count against the start.
        squall_test_guests::guest("hello02");
        let mut child = command.spawn().unwrap();
        let stderr = Lines::follow(child.stderr.take().unwrap());
        let stdout = Lines::follow(child.stdout.take().unwrap());
        meanwhile(&child);
        let mut address = None;
        let mut admin = None;
        eventually(SOON * 3, "listening", || {
            if let Some(status) = child.try_wait().unwrap() {
                thread::sleep(std::time::Duration::from_millis(100));
                panic!("squall ended with {status}: {:#?}", stderr.get());
            }
            let of = |prefix: &str| {
                let line = stderr.get().into_iter().find(|line| line.starts_with(prefix))?;
                line.rsplit("http://").next()?.parse().ok()
            };
            address = of("squall listening on http://");
            admin = of("squall admin on http://");
            address.is_some() && admin.is_some()
        });
        let (address, admin) = (address.unwrap(), admin.unwrap());
        Server { site, address, admin, child, stderr, stdout }
    }

    /// Kills it, and gives what it has left.
    pub(crate) fn kill(mut self) -> Site {
        let _ = self.child.kill();
        let _ = self.child.wait();
        std::mem::replace(&mut self.site, Site::empty())
    }

    /// Has it end by itself, and gives what it has left.
    pub(crate) fn stop(mut self) -> Site {
        self.signal(rustix::process::Signal::TERM);
        assert!(self.wait().success(), "{:?}", self.stderr());
        std::mem::replace(&mut self.site, Site::empty())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        client::get(self.address, path)
    }

    pub(crate) fn stderr(&self) -> Vec<String> {
        self.stderr.get()
    }

    pub(crate) fn stdout(&self) -> Vec<String> {
        self.stdout.get()
    }

    /// The log lines that came after the address, parsed: every one must be JSON.
    pub(crate) fn log(&self) -> Vec<serde_json::Value> {
        let lines = self.stderr.get();
        let log = lines.iter().filter(|line| !line.starts_with("squall "));
        log.map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// The lines of the access log, parsed.
    pub(crate) fn access(&self) -> Vec<serde_json::Value> {
        let lines = self.stdout.get();
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// Waits for a log line that contains `text`.
    pub(crate) fn await_log(&self, text: &str) -> String {
        let find = || self.stderr.get().into_iter().find(|line| line.contains(text));
        eventually(SOON, &format!("a log line with `{text}` in {:#?}", self.stderr.get()), || {
            find().is_some()
        });
        find().unwrap()
    }

    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::from_slice(&client::get(self.admin, "/status").body).unwrap()
    }

    /// The generation of a handler that serves now.
    pub(crate) fn generation(&self, handler: &str) -> u64 {
        let status = self.status();
        let handlers = status["handlers"].as_array().unwrap();
        handlers.iter().find(|h| h["name"] == handler).unwrap()["generation"].as_u64().unwrap()
    }

    /// All metrics, by name and labels as they are printed.
    pub(crate) fn metrics(&self) -> BTreeMap<String, f64> {
        let text = client::get(self.admin, "/metrics").text();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples
            .map(|line| {
                let (name, value) = line.rsplit_once(' ').unwrap();
                (name.to_owned(), value.parse().unwrap())
            })
            .collect()
    }

    /// One metric; 0 if it is not there.
    /// Waits until so many requests of the handler `app` are under way.
    pub(crate) fn await_in_flight(&self, n: u32) {
        eventually_eq(SOON, "requests in flight", &f64::from(n), || {
            self.metric("squall_in_flight{handler=\"app\"}")
        });
    }

    pub(crate) fn metric(&self, name: &str) -> f64 {
        self.metrics().get(name).copied().unwrap_or(0.0)
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub(crate) fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually(SOON * 2, "the end of the server", || {
            status = self.try_wait();
            status.is_some()
        });
        status.unwrap()
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Lets it have descriptors up to this number from now on; returns what it was.
    pub(crate) fn allow_descriptors(&self, most: u64) -> u64 {
        use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
        let pid = Pid::from_raw(self.pid().cast_signed());
        let maximum = getrlimit(Resource::Nofile).maximum;
        let wanted = Rlimit { current: Some(most), maximum };
        prlimit(pid, Resource::Nofile, wanted).unwrap().current.unwrap()
    }

    /// Lets its files grow to this size from now on, or to any.
    pub(crate) fn allow_file_size(&self, most: Option<u64>) {
        use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
        let pid = Pid::from_raw(self.pid().cast_signed());
        let maximum = getrlimit(Resource::Fsize).maximum;
        prlimit(pid, Resource::Fsize, Rlimit { current: most, maximum }).unwrap();
    }

    pub(crate) fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap().count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let lines = self.stderr.get();
            let last = &lines[lines.len().saturating_sub(30)..];
            eprintln!("the last lines on stderr of the server: {last:#?}");
        }
    }
}

/// Runs `squall` with these arguments to its end.
pub(crate) fn squall(args: &[&str], folder: &Path) -> (ExitStatus, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_squall")).args(args).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (output.status, text(&output.stdout), text(&output.stderr))
}
