//! What is measured: bare hyper, Squall in each world and isolation, and the peers
//! that are installed.

use crate::note;
use anyhow::{Context, Result, ensure};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One server to measure.
pub(crate) struct Subject {
    pub name: String,
    /// Makes the command that serves on a port.
    pub command: Box<dyn Fn(u16) -> Vec<String>>,
}

impl Subject {
    fn new(name: &str, command: impl Fn(u16) -> Vec<String> + 'static) -> Self {
        Subject { name: name.to_owned(), command: Box::new(command) }
    }
}

/// Where the sites that Squall serves are written.
pub(crate) struct Sites(tempfile::TempDir);

impl Sites {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for guest in ["hello02", "hello03", "hello_web", "hello_core"] {
            fs::copy(
                squall_test_guests::guest_path(guest),
                folder.path().join(format!("{guest}.wasm")),
            )?;
        }
        Ok(Sites(folder))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A config file with one handler at the root.
    fn config(&self, guest: &str, isolation: &str) -> Result<PathBuf> {
        let path = self.path(&format!("{guest}-{isolation}.toml"));
        let config = format!(
            "[handlers.hello]\ncomponent = \"{guest}.wasm\"\nisolation = \"{isolation}\"\n\
             [[routes]]\nmount = \"/\"\nhandler = \"hello\"\n"
        );
        fs::write(&path, config)?;
        Ok(path)
    }
}

/// Bare hyper, which all others are compared with.
pub(crate) fn bare_hyper() -> Result<Subject> {
    let program = text(&env::current_exe()?)?;
    Ok(Subject::new("bare hyper 1", move |port| {
        vec![program.clone(), "hyper".into(), port.to_string()]
    }))
}

/// All servers but bare hyper that can be measured with a hello.
pub(crate) fn all(sites: &Sites) -> Result<Vec<Subject>> {
    let squall = squall()?;
    let mut subjects = Vec::new();
    let worlds = [("WASI 0.3", "hello03"), ("WASI 0.2", "hello02")];
    let native = [("native", "hello_web"), ("native core module", "hello_core")];
    for (world, guest) in native.into_iter().chain(worlds) {
        for isolation in ["shared", "request"] {
            let site = text(&sites.config(guest, isolation)?)?;
            let squall = squall.clone();
            subjects.push(Subject::new(&format!("Squall, {world}, {isolation}"), move |port| {
                squall_command(&squall, &site, port)
            }));
        }
    }
    match find("wasmtime") {
        Some(wasmtime) => {
            for (world, guest) in worlds {
                let component = text(&sites.path(&format!("{guest}.wasm")))?;
                let wasmtime = wasmtime.clone();
                let name = format!("wasmtime serve, {world}, its default");
                subjects.push(Subject::new(&name, move |port| {
                    let address = format!("127.0.0.1:{port}");
                    words(&[&wasmtime, "serve", "-S", "cli", "--addr", &address, &component])
                }));
            }
        }
        None => missing("wasmtime serve", "cargo install wasmtime-cli --version 48.0.8 --locked"),
    }
    subjects.extend(scripts()?);
    Ok(subjects)
}

/// The subjects of the suspended-requests measurement.
pub(crate) fn suspended(sites: &Sites) -> Result<Vec<Subject>> {
    let squall = squall()?;
    // A file served as it is: this must do with the defaults.
    let mut subjects = Vec::new();
    for (world, guest) in [("native", "hello_web"), ("WASI 0.3", "hello03")] {
        let (squall, component) = (squall.clone(), text(&sites.path(&format!("{guest}.wasm")))?);
        subjects.push(Subject::new(&format!("Squall, {world}, defaults"), move |port| {
            squall_command(&squall, &component, port)
        }));
    }
    if let Some(wasmtime) = find("wasmtime") {
        let component = text(&sites.path("hello03.wasm"))?;
        subjects.push(Subject::new("wasmtime serve, limits raised", move |port| {
            let address = format!("127.0.0.1:{port}");
            words(&[
                &wasmtime,
                "serve",
                "-S",
                "cli",
                "--max-concurrent-connections",
                "20000",
                "--max-concurrent-requests",
                "20000",
                "--max-instance-concurrent-reuse-count",
                "128",
                "--addr",
                &address,
                &component,
            ])
        }));
    }
    subjects.extend(scripts()?);
    Ok(subjects)
}

fn scripts() -> Result<Vec<Subject>> {
    let peers = squall_test_guests::root().join("tests/bench/peers");
    let mut subjects = Vec::new();
    match find("node") {
        Some(node) => {
            let script = text(&peers.join("hello.js"))?;
            subjects.push(Subject::new("Node http", move |port| {
                words(&[&node, &script, &port.to_string()])
            }));
        }
        None => missing("Node", "apt-get install nodejs"),
    }
    let python = find("python3").filter(|python| {
        let import = Command::new(python).args(["-c", "import tornado"]).output();
        import.is_ok_and(|output| output.status.success())
    });
    match python {
        Some(python) => {
            let script = text(&peers.join("hello.py"))?;
            subjects.push(Subject::new("Tornado", move |port| {
                words(&[&python, &script, &port.to_string()])
            }));
        }
        None => missing("Tornado", "pip install tornado"),
    }
    Ok(subjects)
}

/// The release build of `squall` beside this program, made anew if need be.
pub(crate) fn squall() -> Result<String> {
    let program = env::current_exe()?.with_file_name("squall");
    let built = Command::new("cargo")
        .args(["build", "--release"])
        .current_dir(squall_test_guests::root())
        .status()
        .context("cannot run `cargo`")?;
    ensure!(built.success() && program.exists(), "cannot build `{}`", program.display());
    text(&program)
}

/// Serves `site` with everything on but the access log.
pub(crate) fn squall_command(squall: &str, site: &str, port: u16) -> Vec<String> {
    let address = format!("127.0.0.1:{port}");
    words(&[squall, "serve", site, "--listen", &address, "--access-log", "off"])
}

fn find(program: &str) -> Option<String> {
    let paths = env::var_os("PATH")?;
    let found =
        env::split_paths(&paths).map(|folder| folder.join(program)).find(|p| p.is_file())?;
    found.to_str().map(str::to_owned)
}

fn missing(name: &str, remedy: &str) {
    note(format_args!("{name} is left out: it is not installed ({remedy})"));
}

fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).with_context(|| format!("`{}` is not text", path.display()))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
