//! The Rust that compiles plugins, and what it lacks.

use anyhow::{Context, Result, bail};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Adds `target` to the toolchain that compiles `krate`, if it lacks it.
pub fn add_target(krate: &Path, target: &str, say: &mut dyn FnMut(&str)) -> Result<()> {
    let sysroot = sysroot(krate)?;
    let has_target = || sysroot.join("lib/rustlib").join(target).is_dir();
    if has_target() {
        return Ok(());
    }
    say(&format!("adding the target {target} (`rustup target add {target}`)"));
    let added = Command::new("rustup").args(["target", "add", target]).current_dir(krate).status();
    let lacks = format!("the Rust toolchain in `{}` lacks the target {target}", sysroot.display());
    match added {
        Ok(status) if status.success() && has_target() => Ok(()),
        Ok(status) if status.success() => bail!(
            "{lacks}, and `rustup` has added it to another one; put rustup's `rustc` first on the path, or add the target with whatever installed that Rust"
        ),
        Ok(status) => bail!("`rustup target add {target}` failed ({status}); see above"),
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "{lacks}, and there is no `rustup` that could add it; add the target with whatever installed Rust, or install Rust from https://rustup.rs"
        ),
        Err(error) => bail!("{lacks}, and `rustup` cannot be run: {error}"),
    }
}

/// Why a program of the toolchain does not even start.
pub(super) fn does_not_start(program: &str, error: io::Error) -> anyhow::Error {
    if error.kind() == ErrorKind::NotFound {
        return anyhow::anyhow!(
            "`{program}` is not on the path; install Rust from https://rustup.rs, or add the folder that has it"
        );
    }
    anyhow::Error::new(error).context(format!("cannot run `{program}`"))
}

/// Where the toolchain is that compiles `krate`.
fn sysroot(krate: &Path) -> Result<PathBuf> {
    let told = Command::new("rustc").args(["--print", "sysroot"]).current_dir(krate).output();
    let told = told.map_err(|error| does_not_start("rustc", error))?;
    if !told.status.success() {
        let words = String::from_utf8_lossy(&told.stderr);
        bail!("`rustc` failed in `{}`: {}", krate.display(), words.trim());
    }
    let path =
        String::from_utf8(told.stdout).context("the path of the Rust toolchain is no text")?;
    Ok(PathBuf::from(path.trim()))
}
