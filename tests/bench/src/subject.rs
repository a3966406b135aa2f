//! What is measured. Bare hyper and Squall are here, others are `peers`.

use anyhow::{Context, Result, ensure};
use squall_test_guests::root;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// One server to measure.
pub(crate) struct Subject {
    pub name: String,
    /// Makes the command that serves on a port.
    pub command: Box<dyn Fn(u16) -> Vec<String>>,
}

impl Subject {
    pub(crate) fn new(name: &str, command: impl Fn(u16) -> Vec<String> + 'static) -> Self {
        Subject { name: name.to_owned(), command: Box::new(command) }
    }
}

/// Bare hyper, which all others are compared with.
pub(crate) fn bare_hyper() -> Result<Subject> {
    let program = text(&env::current_exe()?)?;
    Ok(Subject::new("bare hyper 1", move |port| words(&[&program, "hyper", &port.to_string()])))
}

/// Squall with all defaults, one component at the root, and the access log in a file if
/// there is to be one.
pub(crate) fn squall_site(
    name: &str,
    component: &Path,
    isolation: &str,
    access_log: Option<&Path>,
) -> Result<Subject> {
    let squall = squall()?;
    let folder = tempfile::tempdir()?;
    fs::copy(component, folder.path().join("app.wasm"))
        .with_context(|| format!("cannot copy `{}`", component.display()))?;
    let config = format!(
        "[handlers.app]\ncomponent = \"app.wasm\"\nisolation = \"{isolation}\"\n\
         [[routes]]\nmount = \"/\"\nhandler = \"app\"\n"
    );
    fs::write(folder.path().join("squall.toml"), config)?;
    let access_log = access_log.map(text).transpose()?;
    Ok(Subject::new(name, move |port| {
        let site = folder.path().display().to_string();
        let Some(file) = &access_log else { return squall_command(&squall, &site, port, "off") };
        let mut shell = words(&["sh", "-c", "log=$1; shift; exec \"$@\" >\"$log\"", "sh", file]);
        shell.extend(squall_command(&squall, &site, port, "json"));
        shell
    }))
}

/// The release build of `squall` beside this program, made anew if need be.
pub(crate) fn squall() -> Result<String> {
    static BUILT: OnceLock<String> = OnceLock::new();
    if let Some(built) = BUILT.get() {
        return Ok(built.clone());
    }
    let program = env::current_exe()?.with_file_name("squall");
    let built = Command::new("cargo")
        .args(["build", "--release"])
        .current_dir(root())
        .status()
        .context("cannot run `cargo`")?;
    ensure!(built.success() && program.exists(), "cannot build `{}`", program.display());
    Ok(BUILT.get_or_init(|| program.display().to_string()).clone())
}

pub(crate) fn squall_command(squall: &str, site: &str, port: u16, access_log: &str) -> Vec<String> {
    let address = format!("127.0.0.1:{port}");
    words(&[squall, "serve", site, "--listen", &address, "--access-log", access_log])
}

pub(crate) fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).with_context(|| format!("`{}` is not text", path.display()))
}

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A file of this program's.
pub(crate) fn peer_file(name: &str) -> PathBuf {
    root().join("tests/bench/peers").join(name)
}
