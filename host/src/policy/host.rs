//! Hosts in one spelling each, and the refusal of every other spelling.
//!
//! Resolvers, URL parsers and C libraries disagree about what `0x7f.1` or
//! `127.1.` is. Here nothing is interpreted: a host is an address in its usual
//! form, or a name that cannot be mistaken for one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host in its one spelling: lower case, no trailing dot, IPv4 out of IPv6
/// mapping.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    Name(String),
    Address(IpAddr),
}

impl Host {
    /// Reads a host as it stands in a URI: an IPv6 address is in brackets.
    pub fn parse(text: &str) -> Result<Host, BadHost> {
        if let Some(rest) = text.strip_prefix('[') {
            let address = rest.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
            let address = address.ok_or(BadHost::Ipv6)?;
            return Ok(Host::Address(IpAddr::V6(address).to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        check_characters(&name)?;
        check_labels(&name)?;
        if !ends_in_a_number(&name) {
            return Ok(Host::Name(name));
        }
        match name.parse::<Ipv4Addr>() {
            Ok(address) if address.to_string() == name => Ok(Host::Address(address.into())),
            _ => Err(BadHost::Number),
        }
    }

    /// Whether this is the name `localhost` itself.
    pub fn is_localhost(&self) -> bool {
        matches!(self, Host::Name(name) if name == "localhost")
    }
}

/// As it stands in a URI.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => address.fmt(f),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// What keeps a text from being a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum BadHost {
    #[error("it is empty")]
    Empty,
    #[error("it holds a user name; leave out what stands before the `@`")]
    UserInfo,
    #[error("it is not ASCII; write an international name in its `xn--` form")]
    NotAscii,
    #[error("it holds `{0}`; a host has letters, digits, `-`, `_` and `.` only")]
    Character(char),
    #[error("one of its labels is empty, longer than 63 characters or has a `-` at its end")]
    Label,
    #[error("it is longer than 253 characters")]
    TooLong,
    #[error("it ends in a number but is not an IPv4 address of four plain decimal numbers")]
    Number,
    #[error("it is not an IPv6 address; write one in brackets and without a zone, like `[::1]`")]
    Ipv6,
}

/// Splits `host:port` without judging either part. The port is what follows
/// the colon, even if that is nothing.
pub(super) fn split_authority(text: &str) -> Result<(&str, Option<&str>), BadHost> {
    if text.contains('@') {
        return Err(BadHost::UserInfo);
    }
    let host_end = match text.starts_with('[') {
        true => text.find(']').ok_or(BadHost::Ipv6)? + 1,
        false => text.find(':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at(host_end);
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Ok((host, None)),
        // `::1` and `[::1]x`
        Some(port) if !port.contains(':') => Ok((host, Some(port))),
        _ => Err(BadHost::Ipv6),
    }
}

/// A port in its one spelling: no sign, no leading zero, not 0.
pub(super) fn parse_port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}

/// Text from a stranger, fit for a log line: what stands before the last `@` may
/// be a password.
pub(super) fn quoted(text: &str) -> String {
    let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
    text.chars().take(100).flat_map(char::escape_debug).collect()
}

fn check_characters(name: &str) -> Result<(), BadHost> {
    if !name.is_ascii() {
        return Err(BadHost::NotAscii);
    }
    let strange = |c: &char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    match name.chars().find(strange) {
        Some('@') => Err(BadHost::UserInfo),
        Some(':') => Err(BadHost::Ipv6),
        // One that would break the log line is not shown.
        Some(c) => Err(BadHost::Character(if c.is_ascii_control() { '?' } else { c })),
        None => Ok(()),
    }
}

fn check_labels(name: &str) -> Result<(), BadHost> {
    let good = |label: &str| {
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    match name {
        "" => Err(BadHost::Empty),
        name if name.len() > 253 => Err(BadHost::TooLong),
        name if !name.split('.').all(good) => Err(BadHost::Label),
        _ => Ok(()),
    }
}

/// Whether some resolver would read this as an IPv4 address (the rule of the
/// WHATWG URL standard, which covers `inet_aton`).
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hex = |digits: &str| digits.bytes().all(|b| b.is_ascii_hexdigit());
    last.bytes().all(|b| b.is_ascii_digit()) || last.strip_prefix("0x").is_some_and(hex)
}
