//! `wasmtime serve`, the host of those who write the standard.

use super::server::Lines;
use super::{SOON, eventually};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// A running `wasmtime serve`. Dropping it ends it.
pub(crate) struct Wasmtime {
    pub address: SocketAddr,
    child: Child,
    stderr: Lines,
    _folder: tempfile::TempDir,
}

/// What the documents tell people to run.
pub(crate) const COMMAND: &str = "wasmtime serve -S cli,config";

/// The first line that knows WASI 0.3 as it was released.
const OLDEST: u32 = 48;

impl Wasmtime {
    /// Serves a component with these config values. Where the program is missing there is
    /// none, and a message, unless `SQUALL_TEST_WASMTIME` says where it must be.
    pub(crate) fn serve(component: &[u8], config: &[(&str, &str)]) -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.wasm");
        std::fs::write(&file, component).unwrap();
        let mut command = Command::new(program);
        command.args(COMMAND.split(' ').skip(1)).args(["--addr", "127.0.0.1:0"]);
        for (key, value) in config {
            command.args(["-S", &format!("config-var={key}={value}")]);
        }
        command.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = Lines::follow(child.stderr.take().unwrap());
        let mut address = None;
        eventually(SOON * 3, "listening", || {
            let ended = child.try_wait().unwrap();
            address = stderr.get().iter().find_map(|line| {
                line.strip_prefix("Serving HTTP on http://")?.trim_end_matches('/').parse().ok()
            });
            assert!(ended.is_none(), "`{COMMAND}` ended: {:#?}", stderr.get());
            address.is_some()
        });
        Some(Wasmtime { address: address.unwrap(), child, stderr, _folder: folder })
    }
}

impl Drop for Wasmtime {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("`{COMMAND}` has said: {:#?}", self.stderr.get());
        }
    }
}

/// The program of the variable, or the one on the path if it can do what is needed.
fn program() -> Option<OsString> {
    let wanted = std::env::var_os("SQUALL_TEST_WASMTIME");
    let is_wanted = wanted.is_some();
    let program = wanted.unwrap_or_else(|| "wasmtime".into());
    let output = Command::new(&program).arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let major = version.as_ref().ok().and_then(|text| {
        text.trim().strip_prefix("wasmtime ")?.split('.').next()?.parse::<u32>().ok()
    });
    if major.is_some_and(|major| major >= OLDEST) {
        return Some(program);
    }
    assert!(!is_wanted, "SQUALL_TEST_WASMTIME is {program:?}, which says {version:?}");
    println!(
        "skipped: run `.ci/peers` and set SQUALL_TEST_WASMTIME to the program that it names, \
         or have wasmtime {OLDEST} or later on the path"
    );
    None
}
