//! Which addresses are public, and which others an operator has allowed.
//!
//! IPv4 is public unless listed, IPv6 is not public unless inside `2000::/3`
//! and not listed: that is how the two registries are made (IANA special-purpose
//! address registries). An address that carries an IPv4 address to a translator
//! or tunnel is judged by what it carries. One hole is left and cannot be closed
//! from here: a network's own NAT64 prefix looks like any public address.

use super::host::Host;
use super::named::{Granted, Named};
use super::{Denied, PolicyError};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ranges of addresses that an operator has named: those that names may resolve to
/// although they are not public, and those of proxies that are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<Range>);

impl Ranges {
    /// Reads entries such as `10.0.0.0/8`, `fd00::/8` and `10.1.2.3`.
    pub fn parse<S: AsRef<str>>(list: &[S]) -> Result<Self, PolicyError> {
        let ranges = list.iter().map(|entry| Range::parse(entry.as_ref()));
        Ok(Ranges(ranges.collect::<Result<_, _>>()?))
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address.to_canonical()))
    }
}

/// Judges one address that `named` has resolved to.
pub(super) fn check(private: &Ranges, named: &Named, address: IpAddr) -> Result<(), Denied> {
    let address = address.to_canonical();
    let Some(Special { kind, range }) = special(address) else {
        return Ok(());
    };
    let named_by_operator = match named.granted() {
        Granted::Address(granted) => granted == address,
        Granted::Localhost => address.is_loopback(),
        Granted::Name => false,
    };
    if named_by_operator || private.contains(address) {
        return Ok(());
    }
    Err(match named.host() {
        Host::Name(host) if !named.host().is_localhost() => Denied::PrivateAddress {
            host: host.clone(),
            address,
            kind,
            range: range.map(|range| range.to_string()),
        },
        _ => {
            Denied::PrivateLiteral { target: named.to_string(), kind, list: named.scheme().list() }
        }
    })
}

/// Why an address is not public.
struct Special {
    kind: &'static str,
    /// What to allow for it; none where that would allow far more than meant.
    range: Option<Range>,
}

/// Not globally reachable, or reachable in a way that no handler means.
const SPECIAL_V4: &[(Ipv4Addr, u8, &str)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "unspecified"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    // Azure's link to the machine below: public by number only.
    (Ipv4Addr::new(168, 63, 129, 16), 32, "metadata"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmarking"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(255, 255, 255, 255), 32, "broadcast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

/// The same for IPv6. What carries IPv4 is not here but in [`carried`].
const SPECIAL_V6: &[(Ipv6Addr, u8, &str)] = &[
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "local translation"),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, "discard"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "reserved"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "documentation"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "documentation"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "private"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link-local"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "site-local"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast"),
];

/// Where public IPv6 addresses are handed out.
const GLOBAL_V6: Range =
    Range { base: IpAddr::V6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0)), prefix: 3 };

fn special(address: IpAddr) -> Option<Special> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<Special> {
    listed(SPECIAL_V4, address.into())
}

fn special_v6(address: Ipv6Addr) -> Option<Special> {
    if let Some(found) = listed(SPECIAL_V6, address.into()).filter(|_| !is_teredo(address)) {
        return Some(found);
    }
    if let Some(carried) = carried(address) {
        let found = carried.into_iter().find_map(special_v4);
        return found.map(|found| Special { kind: found.kind, range: None });
    }
    let public = GLOBAL_V6.contains(address.into());
    (!public).then_some(Special { kind: "reserved", range: None })
}

fn listed<A: Copy + Into<IpAddr>>(
    list: &[(A, u8, &'static str)],
    address: IpAddr,
) -> Option<Special> {
    list.iter().find_map(|&(base, prefix, kind)| {
        let range = Range { base: base.into(), prefix };
        range.contains(address).then_some(Special { kind, range: Some(range) })
    })
}

/// The one or two IPv4 addresses that packets to this one pass through or end
/// at. Mapped addresses (`::ffff:0:0/96`) have become IPv4 before this.
fn carried(address: Ipv6Addr) -> Option<[Ipv4Addr; 2]> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        // NAT64
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some([v4(high, low); 2]),
        // 6to4
        [0x2002, high, low, ..] => Some([v4(high, low); 2]),
        // Teredo: the server, and the client with its bits flipped
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            Some([v4(high, low), v4(!client_high, !client_low)])
        }
        _ => None,
    }
}

fn is_teredo(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0x2001, 0, ..])
}

/// A CIDR range. Bits behind the prefix are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    base: IpAddr,
    prefix: u8,
}

impl Range {
    fn parse(entry: &str) -> Result<Range, PolicyError> {
        let bad = || PolicyError::Range { entry: entry.to_owned() };
        let (base, prefix) = match entry.split_once('/') {
            Some((base, prefix)) => (base, Some(prefix)),
            None => (entry, None),
        };
        let base: IpAddr = base.parse().map_err(|_| bad())?;
        let prefix = match prefix {
            None => width(base),
            Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().ok().filter(|&prefix| prefix <= width(base)).ok_or_else(bad)?
            }
            Some(_) => return Err(bad()),
        };
        // Addresses are compared after they have lost their mapping.
        if base.to_canonical() != base {
            return Err(bad());
        }
        let cut = Range { base: truncate(base, prefix), prefix };
        match cut.base == base {
            true => Ok(cut),
            false => {
                Err(PolicyError::RangeBits { entry: entry.to_owned(), instead: cut.to_string() })
            }
        }
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.base.is_ipv4() == address.is_ipv4() && truncate(address, self.prefix) == self.base
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// `address` with the bits behind `prefix` set to zero.
fn truncate(address: IpAddr, prefix: u8) -> IpAddr {
    let behind = u32::from(width(address).saturating_sub(prefix));
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(behind).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(behind).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}
