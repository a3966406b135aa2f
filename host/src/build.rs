//! Compiles plugins: a crate becomes the component that its handler serves.
//!
//! The result is put in place by a rename, so a server that watches it swaps it as
//! a whole.

use crate::config::Source;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What plugins are compiled for.
pub const TARGET: &str = "wasm32-wasip2";

/// Compiles all plugins of the site at `path`, or the one whose crate it is.
/// Progress goes to `say`, the compiler's own words to stderr.
pub fn build(path: &Path, say: &mut dyn FnMut(&str)) -> Result<()> {
    if let Some(krate) = crate_at(path) {
        let component = component_of_crate(&krate)?;
        return build_crate(&krate, &component, say);
    }
    let config = Source::find(path)?.load()?;
    let mut built = 0;
    for (name, handler) in &config.handlers {
        let Some(source) = &handler.source else { continue };
        say(&format!("building handler `{name}`"));
        build_crate(source, &handler.component, say)
            .with_context(|| format!("handler `{name}`"))?;
        built += 1;
    }
    if built == 0 {
        bail!("no handler of `{}` has a `source` to build", path.display());
    }
    Ok(())
}

/// What to serve for `path`: a plugin's crate stands for its component.
pub fn site_of(path: &Path) -> Result<PathBuf> {
    let Some(krate) = crate_at(path) else { return Ok(path.to_owned()) };
    let component = component_of_crate(&krate)?;
    if !component.exists() {
        let path = path.display();
        bail!(
            "`{path}` is a crate that is not built yet; run `squall build {path}`, or add `--build` to `squall serve`"
        );
    }
    Ok(component)
}

/// `path` if it is a crate and not a site.
fn crate_at(path: &Path) -> Option<PathBuf> {
    let is_crate =
        path.join("Cargo.toml").exists() && !path.join(crate::config::CONFIG_FILE).exists();
    is_crate.then(|| path.to_owned())
}

/// Where the component of a crate that belongs to no site is put.
fn component_of_crate(krate: &Path) -> Result<PathBuf> {
    Ok(krate.join(format!("{}.wasm", manifest(krate)?.package.name)))
}

#[derive(Deserialize)]
struct Manifest {
    package: Package,
    #[serde(default)]
    lib: Lib,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

#[derive(Default, Deserialize)]
struct Lib {
    #[serde(default, rename = "crate-type", alias = "crate_type")]
    crate_type: Vec<String>,
}

fn manifest(krate: &Path) -> Result<Manifest> {
    let manifest = krate.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)
        .with_context(|| format!("cannot read `{}`", manifest.display()))?;
    toml::from_str(&text)
        .with_context(|| format!("`{}` is not the manifest of a crate", manifest.display()))
}

fn build_crate(krate: &Path, component: &Path, say: &mut dyn FnMut(&str)) -> Result<()> {
    if !krate.join("Cargo.toml").exists() {
        bail!("`{}` is not a crate: it has no `Cargo.toml`", krate.display());
    }
    if !manifest(krate)?.lib.crate_type.iter().any(|kind| kind == "cdylib") {
        bail!(
            "`{}` makes no component; its `[lib]` needs `crate-type = [\"cdylib\"]`",
            krate.display()
        );
    }
    add_target(krate, TARGET, say)?;
    let artifact = compile(krate)?;
    let built =
        fs::read(&artifact).with_context(|| format!("cannot read `{}`", artifact.display()))?;
    if fs::read(component).is_ok_and(|old| old == built) {
        return Ok(());
    }
    put(component, &built).with_context(|| format!("cannot write `{}`", component.display()))?;
    say(&format!("built {} ({} KiB)", component.display(), built.len() / 1024));
    Ok(())
}

/// Adds `target` to the toolchain that compiles `krate`, if it lacks it.
pub fn add_target(krate: &Path, target: &str, say: &mut dyn FnMut(&str)) -> Result<()> {
    let sysroot = Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir(krate)
        .output()
        .context("cannot run `rustc`; is Rust installed?")?;
    if !sysroot.status.success() {
        let words = String::from_utf8_lossy(&sysroot.stderr);
        bail!("`rustc` failed in `{}`: {}", krate.display(), words.trim());
    }
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    if sysroot.join("lib/rustlib").join(target).is_dir() {
        return Ok(());
    }
    say(&format!("adding the target {target} (`rustup target add {target}`)"));
    let added = Command::new("rustup").args(["target", "add", target]).current_dir(krate).status();
    match added {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("`rustup target add {target}` failed ({status})"),
        Err(error) => bail!(
            "the Rust toolchain lacks the target {target}, and `rustup` cannot be run ({error}); add the target with whatever installed Rust"
        ),
    }
}

/// Runs cargo and returns the component that it made. It runs in the crate's folder,
/// so that the crate's own `.cargo/config.toml` and `rust-toolchain.toml` hold.
fn compile(krate: &Path) -> Result<PathBuf> {
    let folder = fs::canonicalize(krate)?;
    let output = Command::new("cargo")
        .args(["build", "--lib", "--release", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(&folder)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run `cargo`; is Rust installed?")?;
    if !output.status.success() {
        bail!("`{}` does not compile; see above", krate.display());
    }
    let artifacts = String::from_utf8_lossy(&output.stdout);
    let manifest = folder.join("Cargo.toml");
    let component = artifacts.lines().filter_map(|line| artifact_of(line, &manifest)).next_back();
    component.with_context(|| format!("cargo made no component of `{}`", krate.display()))
}

/// The `.wasm` file in one of cargo's messages, if it is of the crate itself.
fn artifact_of(line: &str, manifest: &Path) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        manifest_path: PathBuf,
        filenames: Vec<PathBuf>,
    }
    let message: Message = serde_json::from_str(line).ok()?;
    let ours = message.reason == "compiler-artifact"
        && fs::canonicalize(&message.manifest_path).is_ok_and(|path| path == manifest);
    let is_component = |path: &PathBuf| path.extension().is_some_and(|e| e == "wasm");
    message.filenames.into_iter().find(is_component).filter(|_| ours)
}

fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let temporary = path.with_extension(format!("wasm.{}.tmp", std::process::id()));
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path).inspect_err(|_| {
        // What is left of a failed attempt is of no use.
        let _ = fs::remove_file(&temporary);
    })
}
