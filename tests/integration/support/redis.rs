//! A Redis of its own for each test, gone with it. Also for the tests of the store by
//! itself.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Redis {
    folder: tempfile::TempDir,
    address: SocketAddr,
    child: Option<Child>,
}

impl Redis {
    /// Starts one. Where the package is missing there is none, and a message, unless
    /// `SQUALL_TEST_REDIS` says that there must be.
    pub(crate) fn start() -> Option<Self> {
        let is_there = Command::new("redis-server").arg("--version").output().is_ok();
        if !is_there {
            assert!(
                std::env::var_os("SQUALL_TEST_REDIS").is_none(),
                "`redis-server` is missing; install the package of that name"
            );
            println!("skipped: install `redis-server`");
            return None;
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut redis = Redis { folder: tempfile::tempdir().unwrap(), address, child: None };
        redis.go();
        Some(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Ends it at once, with what it has written down.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again, where it was.
    pub(crate) fn go(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &self.address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
        command.arg("--dir").arg(self.folder.path());
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(quiet.spawn().unwrap());
        let began = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "redis-server does not start");
            sleep(Duration::from_millis(10));
        }
    }

    /// From now on.
    pub(crate) fn require_password(&self, password: &str) {
        let port = self.address.port().to_string();
        let set = ["-p", &port, "config", "set", "requirepass", password];
        assert!(Command::new("redis-cli").args(set).output().unwrap().status.success());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
