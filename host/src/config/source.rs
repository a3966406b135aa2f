//! What `squall serve PATH` can be given, and how it becomes a config.

use super::place::{self, Problem};
use super::{Config, Grants, HandlerConfig, Target, check, raw};
use crate::id::HandlerName;
use crate::limits::{HandlerLimits, ServerLimits};
use crate::policy::Ranges;
use crate::route::{PathPattern, RouteKey};
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
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
            if components_in(path)?.is_empty() {
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

    /// Reads and checks the config. Handlers named in `keep` stay part of a folder
    /// although their file is gone: a deleted file must not stop what serves.
    pub fn load(&self, keep: &[HandlerName]) -> Result<Config> {
        match self {
            Source::File(file) => load_file(file),
            Source::Component(file) => {
                let name = name_of(file)?;
                Ok(site_of(BTreeMap::from([(name, file.clone())]), |_| "/".into()))
            }
            Source::Folder(folder) => {
                let mut components = components_in(folder)?;
                for name in keep {
                    let file = folder.join(format!("{name}.wasm"));
                    components.entry(name.clone()).or_insert(file);
                }
                Ok(site_of(components, |name| format!("/{name}")))
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

/// Where a server listens unless told otherwise.
pub(super) fn default_listen() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 3000).into()
}

fn load_file(file: &Path) -> Result<Config> {
    let describe = || format!("cannot read `{}`", file.display());
    let found = std::fs::metadata(file).with_context(describe)?;
    if !found.is_file() || found.len() > MAX_CONFIG_SIZE {
        bail!("`{}` is not a file of at most {} MiB", file.display(), MAX_CONFIG_SIZE >> 20);
    }
    let text = std::fs::read_to_string(file).with_context(describe)?;
    let raw: raw::Raw = place::parse(file, &text)?;
    check::config(raw, file).map_err(|problems| {
        let texts = problems.into_iter().map(|problem| problem.locate(file, &text).to_string());
        anyhow!("{}", texts.collect::<Vec<_>>().join("\n"))
    })
}

fn components_in(folder: &Path) -> Result<BTreeMap<HandlerName, PathBuf>> {
    let describe = || format!("cannot read folder `{}`", folder.display());
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(describe)? {
        let path = entry.with_context(describe)?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.extension().is_some_and(|e| e == "wasm") && !hidden {
            found.insert(name_of(&path)?, path);
        }
    }
    Ok(found)
}

fn name_of(file: &Path) -> Result<HandlerName> {
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    let name = stem.ok_or_else(|| Problem::new("the file's name is not text"));
    let name = name.and_then(|name| check::check_name(name).map(|()| name));
    name.map(HandlerName::new).map_err(|problem| problem.locate(file, ""))
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
        limits: ServerLimits::default(),
        handlers,
        routes,
    }
}
