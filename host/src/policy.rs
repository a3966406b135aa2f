//! May this handler reach that address? Decisions only, no I/O.
//!
//! A request outward is judged twice. Before its host is resolved, scheme, host
//! and port must match a grant (`check_uri`, `check_name`). After, each address
//! the host resolved to must be public, unless the operator has named it
//! (`check_address`). Both halves are needed: a granted name may resolve to
//! anything its owner likes.
//!
//! This module must not know how a name is resolved, what a socket is or what
//! a request carries. `config` parses the lists, `upstream` asks the questions.

mod address;
mod grant;
mod host;
mod named;
#[cfg(test)]
mod tests;

pub use address::Ranges;
pub use grant::{OutboundGrants, TcpGrants};
pub use host::{BadHost, Host};
pub use named::{Named, Scheme};

use std::net::IpAddr;

/// The config keys of the lists, for messages that say where to add something.
const OUTBOUND: &str = "outbound";
const OUTBOUND_TCP: &str = "outbound_tcp";
const OUTBOUND_PRIVATE: &str = "outbound_private";

/// Why a handler may not reach something. The text is for the operator's log,
/// never for the handler's client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Denied {
    /// No grant has this scheme, host and port.
    #[error("`{target}` is not granted; add it to `{list}`")]
    NotGranted { target: String, list: &'static str },
    /// A granted name has an address that is not public.
    #[error(
        "`{host}` resolves to the {kind} address `{address}`; \
         add {} to `{OUTBOUND_PRIVATE}`", range_or_address(range.as_deref())
    )]
    PrivateAddress { host: String, address: IpAddr, kind: &'static str, range: Option<String> },
    /// A host that is itself an address (or `localhost`), not public, and
    /// granted by a wildcard only.
    #[error("`{target}` is not a public address ({kind}); add exactly it to `{list}`")]
    PrivateLiteral { target: String, kind: &'static str, list: &'static str },
    /// A host in a spelling that nobody needs and that resolvers read in
    /// different ways.
    #[error("`{host}` is not a host: {why}")]
    BadHost { host: String, why: BadHost },
    #[error("`{port}` is not a port; write a number from 1 to 65535")]
    BadPort { port: String },
    #[error("`{scheme}` is not a scheme that can be granted; use `http` or `https`")]
    BadScheme { scheme: String },
}

impl Denied {
    /// The label of a counter.
    pub fn reason(&self) -> &'static str {
        match self {
            Denied::NotGranted { .. } => "not_granted",
            Denied::PrivateAddress { .. } | Denied::PrivateLiteral { .. } => "private_address",
            Denied::BadHost { .. } => "bad_host",
            Denied::BadPort { .. } => "bad_port",
            Denied::BadScheme { .. } => "bad_scheme",
        }
    }
}

/// What is wrong with an entry of a list in the config file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("`{entry}` has no scheme; write `https://{entry}` or `http://{entry}`")]
    NoScheme { entry: String },
    #[error("`{entry}` has the scheme `{scheme}`; only `http` and `https` can be granted here")]
    Scheme { entry: String, scheme: String },
    #[error("`{entry}` has a scheme; write `{instead}`")]
    TcpScheme { entry: String, instead: String },
    #[error("`{entry}` names more than scheme, host and port; write `{instead}`")]
    Path { entry: String, instead: String },
    #[error("`{entry}` has no port; write `{entry}:5432`, with the port you need, or `{entry}:*`")]
    NoPort { entry: String },
    #[error("`{entry}` has the port `{port}`; write a number from 1 to 65535, or `*` for any")]
    Port { entry: String, port: String },
    #[error("`{entry}` has a `*` inside; only `*` alone and `*.example.com` have a meaning")]
    Wildcard { entry: String },
    #[error("`{entry}` does not name a host: {why}")]
    Host { entry: String, why: BadHost },
    #[error("`{entry}` is not a range of addresses; write it like `10.0.0.0/8` or `fd00::/8`")]
    Range { entry: String },
    #[error("`{entry}` has bits set behind its prefix; write `{instead}`")]
    RangeBits { entry: String, instead: String },
}

fn range_or_address(range: Option<&str>) -> String {
    match range {
        Some(range) => format!("`{range}` or that address"),
        None => "that address".to_owned(),
    }
}
