//! Servers that others have made, as far as they are installed.

use crate::note;
use crate::subject::{Subject, peer_file, text, words};
use anyhow::Result;
use std::env;
use std::path::Path;
use std::process::Command;

/// `wasmtime serve` on a component of WASI's, with `options` besides.
pub(crate) fn wasmtime(name: &str, component: &Path, options: &[&str]) -> Result<Option<Subject>> {
    let install = "cargo install wasmtime-cli --version 48.0.8 --locked";
    let Some(wasmtime) = find("wasmtime", install) else { return Ok(None) };
    let component = text(component)?;
    let options = words(options);
    Ok(Some(Subject::new(name, move |port| {
        let address = format!("127.0.0.1:{port}");
        let mut command = words(&[&wasmtime, "serve", "-S", "cli", "--addr", &address]);
        command.extend(options.iter().cloned());
        command.push(component.clone());
        command
    })))
}

/// A script on Node's own server.
pub(crate) fn node(name: &str, script: &str) -> Result<Option<Subject>> {
    let Some(node) = find("node", "apt-get install nodejs") else { return Ok(None) };
    let script = text(&peer_file(script))?;
    Ok(Some(Subject::new(name, move |port| words(&[&node, &script, &port.to_string()]))))
}

pub(crate) fn tornado() -> Result<Option<Subject>> {
    let install = "pip install tornado";
    let Some(python) = find("python3", install) else { return Ok(None) };
    let import = Command::new(&python).args(["-c", "import tornado"]).output();
    if !import.is_ok_and(|output| output.status.success()) {
        missing("Tornado", install);
        return Ok(None);
    }
    let script = text(&peer_file("hello.py"))?;
    Ok(Some(Subject::new("Tornado", move |port| words(&[&python, &script, &port.to_string()]))))
}

fn find(program: &str, install: &str) -> Option<String> {
    let paths = env::var_os("PATH")?;
    let mut places = env::split_paths(&paths).map(|folder| folder.join(program));
    let found = places.find(|place| place.is_file());
    if found.is_none() {
        missing(program, install);
    }
    found?.to_str().map(str::to_owned)
}

fn missing(name: &str, install: &str) {
    note(format_args!("`{name}` is left out: it is not installed ({install})"));
}
