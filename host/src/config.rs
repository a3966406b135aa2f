//! What a site is made of, read from `squall.toml` or from a folder.
//!
//! Three steps: text to raw structs (`raw`), raw structs to a valid [`Config`]
//! (`check`), and the place of an error in the file (`place`). Nothing here opens
//! a port, compiles a component or reads anything but the config itself.

mod address;
mod check;
mod place;
mod raw;
mod source;
mod state;

pub use address::{parse_admin, parse_listen};
pub use source::{CONFIG_FILE, Reading, Source};
pub use state::{Durability, SchemaChange, State, StateUrl};

use crate::id::{HandlerName, SchemaNumber};
use crate::limits::{HandlerLimits, ServerLimits};
use crate::policy::{OutboundGrants, Ranges, TcpGrants};
use crate::route::RouteKey;
use http::StatusCode;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A valid configuration. Paths are absolute or relative to the working
/// directory, ready to be opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What it was read from, if somebody wrote it.
    pub file: Option<PathBuf>,
    pub listen: Vec<SocketAddr>,
    /// The admin listener, off unless configured.
    pub admin: Option<SocketAddr>,
    /// Peers whose `x-forwarded-for` is believed.
    pub trusted_proxies: Ranges,
    pub access_log: Option<AccessLog>,
    /// What handlers keep is kept there.
    pub state: State,
    pub limits: ServerLimits,
    pub handlers: BTreeMap<HandlerName, HandlerConfig>,
    pub routes: Vec<(RouteKey, Target)>,
}

impl Config {
    /// The same without these handlers, and the routes to them.
    pub fn without(&self, handlers: &[HandlerName]) -> Self {
        let mut config = self.clone();
        config.handlers.retain(|name, _| !handlers.contains(name));
        config.routes.retain(|(_, target)| match target {
            Target::Handler(name) => !handlers.contains(name),
            _ => true,
        });
        config
    }

    /// The file with the state of handlers, if any of them has some.
    pub fn state_file(&self) -> Option<&Path> {
        let keeps = |handler: &HandlerConfig| !handler.grants.key_value.is_empty();
        self.state.file().filter(|_| self.handlers.values().any(keeps))
    }

    /// The folders that routes lead to.
    pub fn static_folders(&self) -> impl Iterator<Item = &Path> {
        self.routes.iter().filter_map(|(_, target)| match target {
            Target::Static(folder) => Some(folder.as_path()),
            _ => None,
        })
    }
}

/// One handler: its component, its grants, its limits.
#[derive(Clone, Debug, PartialEq)]
pub struct HandlerConfig {
    pub component: PathBuf,
    /// The crate that `squall build` compiles to `component`.
    pub source: Option<PathBuf>,
    /// `None` takes the default of the component's world.
    pub isolation: Option<Isolation>,
    /// A path that a new generation must answer with 2xx before it replaces the
    /// old one.
    pub health: Option<String>,
    /// Which state the component understands, in place of what it says itself.
    pub schema: Option<SchemaNumber>,
    pub schema_change: SchemaChange,
    pub grants: Grants,
    pub limits: HandlerLimits,
}

impl HandlerConfig {
    /// The files that it is made of: its component, the secrets that are in files, and
    /// the certificates that it trusts.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let secrets = self.grants.secrets.values().chain(&self.grants.signing_keys);
        let secrets = secrets.filter_map(|source| match source {
            SecretSource::File(path) => Some(path.as_path()),
            SecretSource::Environment(_) => None,
        });
        let trusted = self.grants.outbound_ca.as_deref();
        std::iter::once(self.component.as_path()).chain(secrets).chain(trusted)
    }

    /// What no handler may write: who could would decide what runs, and with what.
    pub fn precious(&self) -> impl Iterator<Item = PathBuf> {
        let source = self.source.iter().flat_map(|source| [source.clone(), source.join("src")]);
        self.files().map(Path::to_owned).chain(source)
    }
}

/// What a handler may reach. Nothing by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grants {
    pub outbound: OutboundGrants,
    pub outbound_private: Ranges,
    /// The server's `outbound_ca`, of a handler with `outbound`: a PEM file with
    /// certificates to trust besides the system's.
    pub outbound_ca: Option<PathBuf>,
    pub outbound_tcp: TcpGrants,
    /// Values that the handler sees through `wasi:config` and its environment.
    pub config: BTreeMap<String, String>,
    /// The same, from a place outside the config file; never printed.
    pub secrets: BTreeMap<String, SecretSource>,
    pub folders: Vec<Folder>,
    /// Keys to sign with, newest first; the handler does not see them.
    pub signing_keys: Vec<SecretSource>,
    /// The names of its buckets.
    pub key_value: Vec<String>,
}

/// Where a secret's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum SecretSource {
    Environment(String),
    File(PathBuf),
}

/// A folder of the host that the handler sees as one of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Folder {
    pub host: PathBuf,
    pub guest: String,
    pub access: Access,
}

impl Folder {
    /// What is wrong with it, if it holds what handlers keep.
    pub fn why_not_granted(&self) -> String {
        format!(
            "`{}` holds the state of all handlers; grant a folder without it, or keep the state in another `file` below `[server.state]`",
            self.host.display()
        )
    }

    /// What is wrong with writing to it, if it holds something precious.
    pub fn why_not_written(&self) -> String {
        format!(
            "`{}` holds the config, or a component, crate, secret or `outbound_ca`, and who may write there could grant itself anything; grant a folder of its own",
            self.host.display()
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    ReadWrite,
}

/// How requests share instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// A fresh instance for each request.
    Request,
    /// An instance serves several requests, 0.3 ones at the same time.
    Shared,
}

impl Isolation {
    pub fn label(self) -> &'static str {
        match self {
            Isolation::Request => "request",
            Isolation::Shared => "shared",
        }
    }
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    Handler(HandlerName),
    Static(PathBuf),
    /// `to` may name captures of the path: `/new/{id}`.
    Redirect {
        to: String,
        status: StatusCode,
    },
    Status(StatusCode),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Handler(name) => write!(f, "handler `{name}`"),
            Target::Static(folder) => write!(f, "folder `{}`", folder.display()),
            Target::Redirect { to, status } => write!(f, "redirect {} to `{to}`", status.as_u16()),
            Target::Status(status) => write!(f, "status {}", status.as_u16()),
        }
    }
}

/// The form of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    Off,
    Text,
    Json,
}

impl AccessLog {
    /// Text for a person at a terminal, JSON for a machine.
    pub fn of_stdout() -> Self {
        if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
            AccessLog::Text
        } else {
            AccessLog::Json
        }
    }
}

impl std::str::FromStr for AccessLog {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(AccessLog::Off),
            "text" => Ok(AccessLog::Text),
            "json" => Ok(AccessLog::Json),
            other => Err(format!("`{other}` is not `off`, `text` or `json`")),
        }
    }
}
