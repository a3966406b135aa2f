//! Spellings that somebody might read as an address: a table, and a generator
//! for the rule that matters most: nothing reaches loopback without a grant
//! that says so.

use super::{ip, outbound};
use crate::policy::{Host, Scheme};
use http::Uri;
use std::net::{IpAddr, Ipv4Addr};

#[test]
fn odd_spellings_are_refused_not_interpreted() {
    let grants = outbound(&["http://*:*", "http://127.0.0.1", "http://localhost"]);
    let hosts = [
        "127.1",
        "127.0.1",
        "0x7f000001",
        "0X7F.1",
        "0x7f.0.0.1",
        "2130706433",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1.0",
        "127.0.0.256",
        "1.2.3.4.5",
        "a.1",
        "a.0x1",
        "a.0x",
        "0",
        "127.0.0.0x1",
        "",
        ".",
        "..",
        "a..b",
        ".a",
        "127.0.0.1..",
        "localhost..",
        "-a.example",
        "a-.example",
        "%31%32%37.0.0.1",
        "127%2e0.0.1",
        "a%00b",
        "a b",
        "a\0b",
        "a\nb",
        "a/b",
        "a?b",
        "a#b",
        "a\\b",
        "user@127.0.0.1",
        "a:b@127.0.0.1",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "ｌｏｃａｌｈｏｓｔ",
        "١٢٧.0.0.1",
        "[::1",
        "::1]",
        "::1",
        "[127.0.0.1]",
        "[::1%25lo]",
        "[fe80::1%eth0]",
        "[::127.1]",
        "[::ffff:0x7f000001]",
        "[]",
        "[v1.a]",
        "127.0.0.1:80",
    ];
    for host in hosts {
        let denied = grants.check_name(Scheme::Http, host, 80).unwrap_err();
        assert_eq!(denied.reason(), "bad_host", "{host:?}");
        assert!(!denied.to_string().contains(char::is_control), "{denied}");
    }
    let long = format!("{}.example", "a".repeat(64));
    assert!(grants.check_name(Scheme::Http, &long, 80).is_err());
    assert!(grants.check_name(Scheme::Http, &"a.".repeat(127), 80).is_ok());
    assert!(grants.check_name(Scheme::Http, &"a.".repeat(128), 80).is_err());

    let uris = [
        ("http://user@127.0.0.1/", "bad_host"),
        ("http://a.example@127.0.0.1/", "bad_host"),
        ("http://127.0.0.1@a.example/", "bad_host"),
        ("http://a.example:0/", "bad_port"),
        ("http://a.example:/", "bad_port"),
        ("http://a.example:080/", "bad_port"),
        ("http://a.example:65536/", "bad_port"),
        ("http://a.example:+80/", "bad_port"),
        ("ftp://a.example/", "bad_scheme"),
        ("/path", "bad_scheme"),
    ];
    for (uri, expected) in uris {
        // What `http` itself refuses never gets here.
        if let Ok(parsed) = uri.parse::<Uri>() {
            assert_eq!(grants.check_uri(&parsed).unwrap_err().reason(), expected, "{uri}");
        }
    }
}

/// Whatever a generated spelling is, it is refused, or it is a name that no
/// resolver takes for a number, or it is an address in its usual form. And no
/// grant but one that says so lets any of them reach loopback.
#[test]
fn no_spelling_reaches_loopback() {
    let grants = outbound(&["http://*:*", "https://*:*", "http://*.example.com:*"]);
    let mut random = Random(0x5eed);
    let (mut names, mut literals, mut refused) = (0, 0, 0);
    for _ in 0..200_000 {
        let spelling = random.host();
        let Ok(uri) = format!("http://{spelling}:{}/", random.below(3) * 80).parse::<Uri>() else {
            continue;
        };
        let Ok(named) = grants.check_uri(&uri) else {
            refused += 1;
            continue;
        };
        match named.host() {
            Host::Name(name) => {
                names += 1;
                assert_eq!(inet_aton(name), None, "{spelling:?} may be read as an address");
                for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
                    assert!(grants.check_address(&named, ip(address)).is_err(), "{spelling:?}");
                }
            }
            Host::Address(address) => {
                literals += 1;
                let verdict = grants.check_address(&named, *address);
                assert!(verdict.is_err() || !is_loopback(*address), "{spelling:?}");
            }
        }
    }
    // The generator must reach all three outcomes often to prove anything.
    assert!(names > 1_000 && literals > 1_000 && refused > 1_000, "{names} {literals} {refused}");
}

/// Loopback itself, or any form that carries it in its last four bytes.
fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => address.is_loopback() || address.octets()[12] == 127,
    }
}

/// What the laxest resolver of the C library makes of `name`.
fn inet_aton(name: &str) -> Option<Ipv4Addr> {
    let number = |part: &str| -> Option<u32> {
        match part.strip_prefix("0x").or(part.strip_prefix("0X")) {
            Some("") => Some(0),
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None if part.len() > 1 && part.starts_with('0') => u32::from_str_radix(part, 8).ok(),
            None => part.parse().ok(),
        }
    };
    let parts = name.split('.').map(number).collect::<Option<Vec<_>>>()?;
    let (last, heads) = parts.split_last()?;
    if heads.len() > 3 {
        return None;
    }
    let shift = 32 - 8 * heads.len() as u32;
    let high = heads.iter().fold(0u64, |sum, &head| (sum << 8) | u64::from(head)) << shift;
    Some(Ipv4Addr::from(u32::try_from(high).ok()? | last))
}

/// A small deterministic generator (xorshift), so that a failure repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn host(&mut self) -> String {
        let mut host = match self.below(8) {
            0 | 1 => self.number_parts(),
            2 => self.pick(&["127.0.0.1", "8.8.8.8", "127.0.0.2"]).to_owned(),
            3 => self.v6(),
            4 => format!("{}.{}", self.pick(&["a", "localhost", "x1"]), self.number_parts()),
            5 => format!("{}@{}", self.pick(&["a", "a:b", ""]), self.number_parts()),
            _ => self
                .pick(&["localhost", "a.example.com", "1e100.example", "0xg", "7f.x"])
                .to_owned(),
        };
        if self.below(4) == 0 {
            host.push('.');
        }
        if self.below(8) == 0 {
            let noise = self.pick(&["%2e", "-", "_", "..", "%00", "0x", "۱", ":", "[", "1"]);
            let mut at = self.below(host.len() + 1);
            while !host.is_char_boundary(at) {
                at -= 1;
            }
            host.insert_str(at, noise);
        }
        match self.below(4) {
            0 => host.to_uppercase(),
            _ => host,
        }
    }

    /// One to five numbers, each decimal, octal or hexadecimal.
    fn number_parts(&mut self) -> String {
        let count = 1 + self.below(5);
        let part = |random: &mut Random| {
            let number = [0, 1, 127, 255, 256, 0x7f_0001, 0x7f00_0001][random.below(7)];
            match random.below(4) {
                0 => format!("0x{number:x}"),
                1 => format!("0{number:o}"),
                _ => number.to_string(),
            }
        };
        (0..count).map(|_| part(self)).collect::<Vec<_>>().join(".")
    }

    fn v6(&mut self) -> String {
        let prefix = self.pick(&["::", "::ffff:", "64:ff9b::", "::ffff:0:", "0:0:0:0:0:ffff:"]);
        let rest = self.pick(&["127.0.0.1", "7f00:1", "1", "127.1", "0x7f000001"]);
        format!("[{prefix}{rest}]")
    }
}
