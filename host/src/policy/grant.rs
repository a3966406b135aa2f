//! Grants: what an operator has allowed, and whether a name matches.

use super::address::{self, Ranges};
use super::host::{BadHost, Host, parse_port, quoted, split_authority};
use super::named::{Granted, Named, Scheme};
use super::{Denied, PolicyError};
use http::Uri;
use std::net::IpAddr;

/// The HTTP origins that a handler may reach; by default none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboundGrants(Grants);

impl OutboundGrants {
    /// Reads entries such as `https://api.example.com`, `http://*.example.com:8080`,
    /// `https://*` and `http://localhost:*`.
    pub fn parse(list: &[String]) -> Result<Self, PolicyError> {
        let grants = list.iter().map(|entry| Grant::parse_origin(entry));
        Ok(OutboundGrants(Grants::new(grants.collect::<Result<_, _>>()?)))
    }

    /// Allows addresses in `private` to every granted name that resolves there.
    pub fn with_private(mut self, private: Ranges) -> Self {
        self.0.private = private;
        self
    }

    /// Whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        self.0.list.is_empty()
    }

    /// Judges an absolute URI by its name, before anything is resolved.
    pub fn check_uri(&self, uri: &Uri) -> Result<Named, Denied> {
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            other => {
                return Err(Denied::BadScheme { scheme: quoted(other.unwrap_or_default()) });
            }
        };
        // `Uri::host` and `Uri::port` are lenient: they skip a user name and
        // turn a port that is no number into none.
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let bad_host = |why| Denied::BadHost { host: quoted(authority), why };
        let (host, port) = split_authority(authority).map_err(bad_host)?;
        let port = match port {
            None => scheme.default_port(),
            Some(text) => parse_port(text),
        };
        let port = port.ok_or_else(|| Denied::BadPort { port: quoted(authority) })?;
        self.check_name(scheme, host, port)
    }

    /// Judges a name before it is resolved. `host` is spelt as in a URI.
    pub fn check_name(&self, scheme: Scheme, host: &str, port: u16) -> Result<Named, Denied> {
        self.0.check_name(scheme, host, port)
    }

    /// Judges one address that a judged name has resolved to.
    pub fn check_address(&self, named: &Named, address: IpAddr) -> Result<(), Denied> {
        address::check(&self.0.private, named, address)
    }
}

/// The TCP services that a handler may reach; by default none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpGrants(Grants);

impl TcpGrants {
    /// Reads entries such as `db.example.com:5432`, `127.0.0.1:6379`, `[::1]:1`
    /// and `*.example.com:*`.
    pub fn parse(list: &[String]) -> Result<Self, PolicyError> {
        let grants = list.iter().map(|entry| Grant::parse_service(entry));
        Ok(TcpGrants(Grants::new(grants.collect::<Result<_, _>>()?)))
    }

    /// Allows addresses in `private` to every granted name that resolves there.
    pub fn with_private(mut self, private: Ranges) -> Self {
        self.0.private = private;
        self
    }

    /// Whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        self.0.list.is_empty()
    }

    /// What may be resolved: a host of which any port is granted.
    pub fn check_host(&self, host: &str) -> Result<Host, Denied> {
        self.0.check_host(Scheme::Tcp, host)
    }

    /// Judges a name before it is resolved. An IPv6 address is in brackets.
    pub fn check_name(&self, host: &str, port: u16) -> Result<Named, Denied> {
        self.0.check_name(Scheme::Tcp, host, port)
    }

    /// Judges one address that a judged name has resolved to.
    pub fn check_address(&self, named: &Named, address: IpAddr) -> Result<(), Denied> {
        address::check(&self.0.private, named, address)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Grants {
    /// Exact hosts first, because they can allow more than a wildcard.
    list: Vec<Grant>,
    private: Ranges,
}

impl Grants {
    fn new(mut list: Vec<Grant>) -> Self {
        list.sort_by_key(|grant| !matches!(grant.host, HostPattern::Exact(_)));
        Grants { list, private: Ranges::default() }
    }

    fn check_host(&self, scheme: Scheme, host: &str) -> Result<Host, Denied> {
        let parsed =
            Host::parse(host).map_err(|why| Denied::BadHost { host: quoted(host), why })?;
        let port = |grant: &Grant| grant.port.unwrap_or(u16::MAX);
        let granted = |grant: &Grant| grant.matches(scheme, &parsed, port(grant)).is_some();
        match self.list.iter().any(granted) {
            true => Ok(parsed),
            false => Err(Denied::NotGranted { target: parsed.to_string(), list: scheme.list() }),
        }
    }

    fn check_name(&self, scheme: Scheme, host: &str, port: u16) -> Result<Named, Denied> {
        if port == 0 {
            return Err(Denied::BadPort { port: port.to_string() });
        }
        let host = match Host::parse(host) {
            Ok(host) => host,
            Err(why) => {
                return Err(Denied::BadHost { host: quoted(host), why });
            }
        };
        let granted = self.list.iter().find_map(|grant| grant.matches(scheme, &host, port));
        let named = Named::new(scheme, host, port, granted.unwrap_or(Granted::Name));
        match granted {
            Some(_) => Ok(named),
            None => Err(Denied::NotGranted { target: named.to_string(), list: scheme.list() }),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    scheme: Scheme,
    host: HostPattern,
    /// `None` for any.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    Exact(Host),
    /// `*.example.com`, kept as `.example.com`.
    Below(String),
    Any,
}

impl Grant {
    fn parse_origin(entry: &str) -> Result<Grant, PolicyError> {
        let (scheme, rest) = entry
            .split_once("://")
            .ok_or_else(|| PolicyError::NoScheme { entry: entry.to_owned() })?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => {
                let (entry, scheme) = (entry.to_owned(), scheme.to_owned());
                return Err(PolicyError::Scheme { entry, scheme });
            }
        };
        if let Some(end) = rest.find(['/', '?', '#']) {
            let instead = entry[..entry.len() - rest.len() + end].to_owned();
            return Err(PolicyError::Path { entry: entry.to_owned(), instead });
        }
        Grant::parse(scheme, entry, rest)
    }

    fn parse_service(entry: &str) -> Result<Grant, PolicyError> {
        if let Some((_, rest)) = entry.split_once("://") {
            let instead = rest.split(['/', '?', '#']).next().unwrap_or(rest).to_owned();
            return Err(PolicyError::TcpScheme { entry: entry.to_owned(), instead });
        }
        Grant::parse(Scheme::Tcp, entry, entry)
    }

    fn parse(scheme: Scheme, entry: &str, authority: &str) -> Result<Grant, PolicyError> {
        let bad_host = |why| PolicyError::Host { entry: entry.to_owned(), why };
        let (host, port) = split_authority(authority).map_err(bad_host)?;
        let host = match host {
            "*" => HostPattern::Any,
            _ => match host.strip_prefix("*.") {
                Some(base) => match Host::parse(base) {
                    Ok(Host::Name(base)) => HostPattern::Below(format!(".{base}")),
                    Ok(Host::Address(_)) => {
                        return Err(PolicyError::Wildcard { entry: entry.to_owned() });
                    }
                    Err(why) => return Err(wildcard_or_host(entry, why)),
                },
                None => {
                    HostPattern::Exact(Host::parse(host).map_err(|e| wildcard_or_host(entry, e))?)
                }
            },
        };
        let port = match port {
            Some("*") => None,
            Some(text) => Some(parse_port(text).ok_or_else(|| PolicyError::Port {
                entry: entry.to_owned(),
                port: text.to_owned(),
            })?),
            None => match scheme.default_port() {
                Some(port) => Some(port),
                None => {
                    return Err(PolicyError::NoPort { entry: entry.to_owned() });
                }
            },
        };
        Ok(Grant { scheme, host, port })
    }

    /// What this grant allows of that name, if it is about it at all.
    fn matches(&self, scheme: Scheme, host: &Host, port: u16) -> Option<Granted> {
        if self.scheme != scheme || self.port.is_some_and(|granted| granted != port) {
            return None;
        }
        match (&self.host, host) {
            (HostPattern::Exact(exact), host) if exact == host => Some(match host {
                Host::Address(address) => Granted::Address(*address),
                Host::Name(_) if host.is_localhost() => Granted::Localhost,
                Host::Name(_) => Granted::Name,
            }),
            (HostPattern::Below(suffix), Host::Name(name)) if name.ends_with(suffix.as_str()) => {
                Some(Granted::Name)
            }
            (HostPattern::Any, _) => Some(Granted::Name),
            _ => None,
        }
    }
}

fn wildcard_or_host(entry: &str, why: BadHost) -> PolicyError {
    let entry = entry.to_owned();
    match why {
        BadHost::Character('*') => PolicyError::Wildcard { entry },
        why => PolicyError::Host { entry, why },
    }
}
