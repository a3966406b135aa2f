//! What `squall serve PATH` can be given, and how it becomes a config.

use super::check::{self, check_name};
use super::place;
use super::{Config, Grants, HandlerConfig, SchemaChange, State, Target, raw};
use crate::id::HandlerName;
use crate::limits::{HandlerLimits, ServerLimits};
use crate::policy::Ranges;
use crate::route::{PathPattern, RouteKey};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The file that describes a site.
pub const CONFIG_FILE: &str = "squall.toml";

/// Large enough for thousands of routes; a larger one is a mistake.
const MAX_CONFIG_SIZE: u64 = 4 << 20;

/// Where a site is described.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A `squall.toml`.
    File(PathBuf),
    /// A folder of components, each mounted at `/NAME/`.
    Folder(PathBuf),
    /// One component, mounted at `/`.
    Component(PathBuf),
}

impl Source {
    /// Tells what `path` is.
    pub fn find(path: &Path) -> Result<Self> {
        let found =
            std::fs::metadata(path).with_context(|| format!("cannot open `{}`", path.display()))?;
        if found.is_dir() {
            let file = path.join(CONFIG_FILE);
            // A link to nowhere is a mistake too, and no reason to serve the folder
            // without what its config says.
            if std::fs::symlink_metadata(&file).is_ok() {
                return Ok(Source::File(file));
            }
            if !entries_of(path)?.iter().any(|file| is_component(file)) {
                bail!(
                    "folder `{}` holds neither a `{CONFIG_FILE}` nor a `.wasm` file",
                    path.display()
                );
            }
            return Ok(Source::Folder(path.to_owned()));
        }
        match path.extension().and_then(|e| e.to_str()) {
            Some("toml") => Ok(Source::File(path.to_owned())),
            Some("wasm") => Ok(Source::Component(path.to_owned())),
            _ => bail!(
                "`{}` is none of a `{CONFIG_FILE}`, a folder that holds one, a folder of `.wasm` files, a `.wasm` file",
                path.display()
            ),
        }
    }

    /// Reads and checks the config, or says all that is wrong with it.
    pub fn load(&self) -> Result<Config> {
        let Reading { config, problems } = self.read(&[])?;
        if problems.is_empty() { Ok(config) } else { bail!("{}", problems.join("\n")) }
    }

    /// Reads and checks the config. Handlers named in `keep` stay part of a folder
    /// although their file is gone: a deleted file must not stop what serves.
    pub fn read(&self, keep: &[HandlerName]) -> Result<Reading> {
        match self {
            Source::File(file) => read_file(file),
            Source::Component(file) => Ok(read_components([file.clone()], |_| "/".into())),
            Source::Folder(folder) => {
                let mut files = entries_of(folder)?;
                files.retain(|file| is_component(file));
                files.extend(keep.iter().map(|name| folder.join(format!("{name}.wasm"))));
                Ok(read_components(files, |name| format!("/{name}")))
            }
        }
    }

    /// The path to watch besides the components: the config file or the folder.
    pub fn path(&self) -> &Path {
        match self {
            Source::File(path) | Source::Folder(path) | Source::Component(path) => path,
        }
    }
}

/// What could be read of a config, and what is wrong with it.
#[derive(Debug)]
pub struct Reading {
    /// Without what is wrong: with handlers of which everything is right, and the routes
    /// that lead to them or to no handler.
    pub config: Config,
    pub problems: Vec<String>,
}

/// Where a server listens unless told otherwise.
pub(super) fn default_listen() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 3000).into()
}

fn read_file(file: &Path) -> Result<Reading> {
    let describe = || format!("cannot read `{}`", file.display());
    let found = std::fs::metadata(file).with_context(describe)?;
    if !found.is_file() || found.len() > MAX_CONFIG_SIZE {
        bail!("`{}` is not a file of at most {} MiB", file.display(), MAX_CONFIG_SIZE >> 20);
    }
    let text = std::fs::read_to_string(file).with_context(describe)?;
    let raw: raw::Raw = place::parse(file, &text)?;
    let (config, problems) = check::config(raw, file);
    let problems = problems.into_iter().map(|problem| problem.locate(file, &text).to_string());
    Ok(Reading { config, problems: problems.collect() })
}

fn entries_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>());
    entries.with_context(|| format!("cannot read folder `{}`", folder.display()))
}

fn is_component(file: &Path) -> bool {
    let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    file.extension().is_some_and(|extension| extension == "wasm") && !hidden
}

/// A site of the components that have a name to be served under.
fn read_components(
    files: impl IntoIterator<Item = PathBuf>,
    mount: impl Fn(&HandlerName) -> String,
) -> Reading {
    let (mut components, mut problems) = (BTreeMap::new(), Vec::new());
    for file in files {
        match name_of(&file) {
            Ok(name) => drop(components.insert(name, file)),
            Err(problem) => {
                problems.push(format!("`{}`: {problem}; rename the file", file.display()))
            }
        }
    }
    // A folder lists them in no order.
    problems.sort();
    Reading { config: site_of(components, mount), problems }
}

fn name_of(file: &Path) -> Result<HandlerName, String> {
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    let name = stem.ok_or("the name of the file is not UTF-8")?;
    check_name(name).map(|()| HandlerName::new(name))
}

/// A site of components that nobody wrote a config for.
fn site_of(
    components: BTreeMap<HandlerName, PathBuf>,
    mount: impl Fn(&HandlerName) -> String,
) -> Config {
    let mut handlers = BTreeMap::new();
    let mut routes = Vec::new();
    for (name, component) in components {
        // A checked name has no character that a mount cannot have.
        if let Ok(path) = PathPattern::mount(&mount(&name)) {
            let key = RouteKey { host: None, methods: Vec::new(), path };
            routes.push((key, Target::Handler(name.clone())));
        }
        let handler = HandlerConfig {
            component,
            source: None,
            isolation: None,
            health: None,
            schema: None,
            schema_change: SchemaChange::default(),
            grants: Grants::default(),
            limits: HandlerLimits::default(),
        };
        handlers.insert(name, handler);
    }
    Config {
        file: None,
        listen: vec![default_listen()],
        admin: None,
        trusted_proxies: Ranges::default(),
        access_log: None,
        // None of its handlers has a grant.
        state: State::beside(Path::new("")),
        limits: ServerLimits::default(),
        handlers,
        routes,
    }
}
