//! What has been judged by its name: the only key to a judgement by address.

use super::host::Host;
use super::{OUTBOUND, OUTBOUND_TCP};
use std::fmt;
use std::net::IpAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
    Tcp,
}

impl Scheme {
    /// The port of a URI that names none.
    pub fn default_port(self) -> Option<u16> {
        match self {
            Scheme::Http => Some(80),
            Scheme::Https => Some(443),
            Scheme::Tcp => None,
        }
    }

    /// The list that grants it.
    pub(super) fn list(self) -> &'static str {
        match self {
            Scheme::Http | Scheme::Https => OUTBOUND,
            Scheme::Tcp => OUTBOUND_TCP,
        }
    }
}

/// Scheme, host and port that a grant allows, as far as the name goes. Its
/// addresses are still to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    scheme: Scheme,
    host: Host,
    port: u16,
    granted: Granted,
}

impl Named {
    pub(super) fn new(scheme: Scheme, host: Host, port: u16, granted: Granted) -> Self {
        Named { scheme, host, port, granted }
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port in their one spelling, without a default port: what stands
    /// in a `host` field.
    pub fn authority(&self) -> String {
        match self.scheme.default_port() == Some(self.port) {
            true => self.host.to_string(),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    pub(super) fn granted(&self) -> Granted {
        self.granted
    }
}

/// The entry that grants exactly this.
impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::Http => f.write_str("http://")?,
            Scheme::Https => f.write_str("https://")?,
            Scheme::Tcp => {}
        }
        f.write_str(&self.authority())
    }
}

/// Which addresses the matching grant allows besides public ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Granted {
    /// None: the operator granted a name or a wildcard.
    Name,
    /// This one: the operator wrote it into the grant.
    Address(IpAddr),
    /// Loopback: the operator wrote `localhost` into the grant.
    Localhost,
}
