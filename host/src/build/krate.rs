//! What is at a path that somebody wants built: a crate, or what looks like one.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file that makes a folder a crate.
pub(super) const MANIFEST: &str = "Cargo.toml";

/// A crate that can become a component, as far as its manifest tells.
#[derive(Debug)]
pub(super) struct Crate {
    pub(super) folder: PathBuf,
    name: String,
}

impl Crate {
    /// Reads the manifest in `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let file = folder.join(MANIFEST);
        let path = folder.display();
        if !file.exists() {
            bail!("`{path}` is not a crate: it has no `{MANIFEST}`");
        }
        let text = fs::read_to_string(&file)
            .with_context(|| format!("cannot read `{}`", file.display()))?;
        let manifest: Manifest = toml::from_str(&text)
            .with_context(|| format!("`{}` is not the manifest of a crate", file.display()))?;
        let Some(package) = manifest.package else {
            let crates = components_of_workspace(folder);
            if crates.is_empty() {
                bail!("`{path}` is a workspace; name the folder of a crate in it");
            }
            let commands: Vec<_> =
                crates.iter().map(|krate| format!("`squall build {}`", krate.display())).collect();
            bail!(
                "`{path}` is a workspace; build its crates one by one ({}), or give it a `squall.toml` whose handlers have them as `source`",
                commands.join(", ")
            );
        };
        if !manifest.lib.crate_type.iter().any(|kind| kind == CDYLIB) {
            bail!("`{path}` makes no component; its `[lib]` needs `crate-type = [\"{CDYLIB}\"]`");
        }
        Ok(Crate { folder: folder.to_owned(), name: package.name })
    }

    /// Where its component is put if it belongs to no site.
    pub(super) fn component(&self) -> PathBuf {
        self.folder.join(format!("{}.wasm", self.name))
    }
}

/// The kind of library that becomes a component.
const CDYLIB: &str = "cdylib";

#[derive(Deserialize)]
struct Manifest {
    /// None in the manifest of a workspace.
    package: Option<Package>,
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

/// The folders of those crates of a workspace that make a component. None if cargo, which
/// alone knows what belongs to it, does not tell.
fn components_of_workspace(folder: &Path) -> Vec<PathBuf> {
    let told = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(folder)
        .output();
    let workspace =
        told.ok().and_then(|told| serde_json::from_slice::<Workspace>(&told.stdout).ok());
    let Some(Workspace { packages, workspace_root }) = workspace else { return Vec::new() };
    let makes_component =
        |target: &CargoTarget| target.crate_types.iter().any(|kind| kind == CDYLIB);
    let mut folders: Vec<_> = packages
        .iter()
        .filter(|package| package.targets.iter().any(makes_component))
        .filter_map(|package| {
            let member = package.manifest_path.parent()?;
            // In the words of who asks, where that is possible.
            Some(member.strip_prefix(&workspace_root).map_or(member.to_owned(), |m| folder.join(m)))
        })
        .collect();
    folders.sort();
    folders
}

/// What `cargo metadata` tells.
#[derive(Deserialize)]
struct Workspace {
    packages: Vec<Member>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Member {
    manifest_path: PathBuf,
    targets: Vec<CargoTarget>,
}

#[derive(Deserialize)]
struct CargoTarget {
    crate_types: Vec<String>,
}
