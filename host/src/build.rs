//! Compiles plugins: a crate becomes the component that its handler serves.
//!
//! The result is put in place by a rename, so a server that watches it swaps it as
//! a whole.

mod krate;
mod toolchain;

pub use toolchain::add_target;

use crate::config::{CONFIG_FILE, Source};
use anyhow::{Context, Result, bail};
use krate::{Crate, MANIFEST};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What plugins are compiled for.
pub const TARGET: &str = "wasm32-wasip2";

/// Compiles all plugins of the site at `path`, or the one whose crate it is.
/// Progress goes to `say`, the compiler's own words to stderr.
pub fn build(path: &Path, say: &mut dyn FnMut(&str)) -> Result<()> {
    if let Some(folder) = crate_at(path) {
        let krate = Crate::read(folder)?;
        return build_crate(&krate, &krate.component(), say);
    }
    if path.is_dir() && fs::symlink_metadata(path.join(CONFIG_FILE)).is_err() {
        bail!(
            "there is nothing to build in `{}`: it has neither a `{MANIFEST}`, as a plugin's crate has, nor a `{CONFIG_FILE}`, as a site has",
            path.display()
        );
    }
    let config = Source::find(path)?.load()?;
    let mut built = 0;
    for (name, handler) in &config.handlers {
        let Some(source) = &handler.source else { continue };
        say(&format!("building handler `{name}`"));
        Crate::read(source)
            .and_then(|krate| build_crate(&krate, &handler.component, say))
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
    let Some(folder) = crate_at(path) else { return Ok(path.to_owned()) };
    let component = Crate::read(folder)?.component();
    if !component.exists() {
        let path = path.display();
        bail!(
            "`{path}` is a crate that is not built yet; run `squall build {path}`, or add `--build` to `squall serve`"
        );
    }
    Ok(component)
}

/// The folder of the crate that `path` is, unless it is a site. Its manifest stands for it,
/// as it does for cargo.
fn crate_at(path: &Path) -> Option<&Path> {
    if path.file_name().is_some_and(|name| name == MANIFEST) {
        return path
            .parent()
            .map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    }
    let is_crate = path.join(MANIFEST).exists() && !path.join(CONFIG_FILE).exists();
    is_crate.then_some(path)
}

fn build_crate(krate: &Crate, component: &Path, say: &mut dyn FnMut(&str)) -> Result<()> {
    add_target(&krate.folder, TARGET, say)?;
    let artifact = compile(&krate.folder)?;
    let built =
        fs::read(&artifact).with_context(|| format!("cannot read `{}`", artifact.display()))?;
    crate::wasm::inspect(&built).with_context(|| {
        let krate = krate.folder.display();
        format!("`{krate}` compiles, but to no handler (a function in it needs `#[handler]`)")
    })?;
    if fs::read(component).is_ok_and(|old| old == built) {
        say(&format!("{} is up to date", component.display()));
        return Ok(());
    }
    put(component, &built).with_context(|| format!("cannot write `{}`", component.display()))?;
    say(&format!("built {} ({} KiB)", component.display(), built.len() / 1024));
    Ok(())
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
        .map_err(|error| toolchain::does_not_start("cargo", error))?;
    if !output.status.success() {
        bail!("`{}` does not compile; see above", krate.display());
    }
    let artifacts = String::from_utf8_lossy(&output.stdout);
    let manifest = folder.join(MANIFEST);
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
