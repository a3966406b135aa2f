//! Tables for every rule.

mod spelling;

use super::*;
use http::Uri;

fn outbound(list: &[&str]) -> OutboundGrants {
    OutboundGrants::parse(&list.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

fn tcp(list: &[&str]) -> TcpGrants {
    TcpGrants::parse(&list.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

fn private(list: &[&str]) -> Ranges {
    Ranges::parse(list).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// `ok`, or the reason of the denial, for a URI that resolves to `address`.
fn judge(grants: &OutboundGrants, uri: &str, address: &str) -> &'static str {
    let uri: Uri = uri.parse().unwrap();
    let verdict =
        grants.check_uri(&uri).and_then(|named| grants.check_address(&named, ip(address)));
    verdict.map_or_else(|denied| denied.reason(), |()| "ok")
}

#[test]
fn grants_match_scheme_host_and_port() {
    let public = "93.184.216.34";
    let rows = [
        (&["https://api.example.com"][..], "https://api.example.com/v1?q", "ok"),
        (&["https://api.example.com"], "https://api.example.com:443/", "ok"),
        (&["https://api.example.com"], "https://API.Example.COM./", "ok"),
        (&["https://API.Example.COM."], "https://api.example.com/", "ok"),
        (&["https://api.example.com"], "http://api.example.com/", "not_granted"),
        (&["https://api.example.com"], "https://api.example.com:444/", "not_granted"),
        (&["https://api.example.com"], "https://example.com/", "not_granted"),
        (&["https://api.example.com"], "https://api.example.com.evil.net/", "not_granted"),
        (&["http://*.example.com:8080"], "http://a.example.com:8080/", "ok"),
        (&["http://*.example.com:8080"], "http://a.b.c.example.com:8080/", "ok"),
        (&["http://*.example.com:8080"], "http://example.com:8080/", "not_granted"),
        (&["http://*.example.com:8080"], "http://notexample.com:8080/", "not_granted"),
        (&["http://*.example.com:8080"], "http://a.example.com/", "not_granted"),
        (&["https://*"], "https://anything.example/", "ok"),
        (&["https://*"], "https://93.184.216.34/", "ok"),
        (&["https://*"], "https://anything.example:8443/", "not_granted"),
        (&["https://*:*"], "https://anything.example:8443/", "ok"),
        (&["http://a_b.example"], "http://a_b.example/", "ok"),
        (&[], "https://api.example.com/", "not_granted"),
    ];
    for (grants, uri, expected) in rows {
        assert_eq!(judge(&outbound(grants), uri, public), expected, "{grants:?} {uri}");
    }
}

#[test]
fn tcp_grants_match_host_and_port() {
    let grants = tcp(&["db.example.com:5432", "127.0.0.1:6379", "[::1]:1", "*.cache.example:*"]);
    let check = |host: &str, port: u16| grants.check_name(host, port).map(|n| n.to_string());
    assert_eq!(check("DB.example.com.", 5432).unwrap(), "db.example.com:5432");
    assert_eq!(check("a.cache.example", 9).unwrap(), "a.cache.example:9");
    assert_eq!(check("db.example.com", 5433).unwrap_err().reason(), "not_granted");
    assert_eq!(check("db.example.com", 0).unwrap_err().reason(), "bad_port");
    assert_eq!(check("::1", 1).unwrap_err().reason(), "bad_host");

    let named = grants.check_name("[::1]", 1).unwrap();
    assert_eq!(grants.check_address(&named, ip("::1")), Ok(()));
    let named = grants.check_name("db.example.com", 5432).unwrap();
    assert!(grants.check_address(&named, ip("10.0.0.1")).is_err());
    let grants = grants.with_private(private(&["10.0.0.0/8"]));
    assert_eq!(grants.check_address(&named, ip("10.0.0.1")), Ok(()));
}

#[test]
fn addresses_that_are_not_public_are_denied() {
    let private = "\
        0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 \
        127.0.0.1 127.255.255.254 168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 \
        172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 \
        198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.7 224.0.0.1 239.255.255.250 \
        240.0.0.1 255.255.255.254 255.255.255.255 :: ::1 ::2 ::7f00:1 ::10.0.0.1 ::8.8.8.8 \
        ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0.0.0.0 \
        ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 \
        64:ff9b:1::8.8.8.8 64:ff9b:0:0:0:1:808:808 100::1 2001::1 2001:0:7f00:1::f7f7:f7f7 \
        2001:0:808:808:0:0:80ff:fffe 2001:2::1 2001:10::1 2001:db8::1 2002:7f00:1:: \
        2002:a00:1::1 2002:a9fe:a9fe:: 2002:c0a8:1:: 3fff::1 5f00::1 4000::1 fc00::1 \
        fd00:ec2::254 fd12:3456::1 fe80::1 febf::1 fec0::1 ff02::1 ff0e::1";
    let grants = outbound(&["http://*"]);
    for address in private.split_whitespace() {
        assert_eq!(judge(&grants, "http://name.example/", address), "private_address", "{address}");
    }
    let public = "\
        1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 \
        128.0.0.1 169.253.255.255 172.15.255.255 172.32.0.0 192.0.1.1 192.167.255.255 \
        192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 2606:4700::1111 2a00:1450::1 \
        2001:4860:4860::8888 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1 \
        2001:0:808:808::f7f7:f7f7";
    for address in public.split_whitespace() {
        assert_eq!(judge(&grants, "http://name.example/", address), "ok", "{address}");
    }
}

#[test]
fn an_operator_can_name_addresses_that_are_not_public() {
    let plain = outbound(&[
        "http://127.0.0.1:9000",
        "http://localhost:9000",
        "http://[2001:db8::1]",
        "http://*:9000",
        "http://api.example.com",
    ]);
    let ranged = plain.clone().with_private(private(&["10.0.0.0/8", "fd00::/8", "192.168.7.7"]));
    let rows = [
        // An exact address, however it is spelt.
        (&plain, "http://127.0.0.1:9000/", "127.0.0.1", "ok"),
        (&plain, "http://127.0.0.1.:9000/", "127.0.0.1", "ok"),
        (&plain, "http://[::ffff:127.0.0.1]:9000/", "::ffff:127.0.0.1", "ok"),
        (&plain, "http://[2001:DB8:0::1]/", "2001:db8::1", "ok"),
        (&plain, "http://127.0.0.1:9000/", "127.0.0.2", "private_address"),
        (&plain, "http://127.0.0.2:9000/", "127.0.0.2", "private_address"),
        (&plain, "http://127.0.0.1:9001/", "127.0.0.1", "not_granted"),
        // `localhost` is loopback and nothing else.
        (&plain, "http://localhost:9000/", "127.0.0.1", "ok"),
        (&plain, "http://LOCALHOST.:9000/", "::1", "ok"),
        (&plain, "http://localhost:9000/", "10.0.0.1", "private_address"),
        (&plain, "http://a.localhost:9000/", "127.0.0.1", "private_address"),
        // A name that was granted still has to be public.
        (&plain, "http://api.example.com/", "127.0.0.1", "private_address"),
        (&plain, "http://api.example.com/", "10.0.0.1", "private_address"),
        (&ranged, "http://api.example.com/", "10.0.0.1", "ok"),
        (&ranged, "http://api.example.com/", "::ffff:10.0.0.1", "ok"),
        (&ranged, "http://api.example.com/", "fd00::1", "ok"),
        (&ranged, "http://api.example.com/", "192.168.7.7", "ok"),
        (&ranged, "http://api.example.com/", "192.168.7.8", "private_address"),
        (&ranged, "http://api.example.com/", "11.0.0.1", "ok"),
        (&ranged, "http://api.example.com/", "127.0.0.1", "private_address"),
        (&ranged, "http://api.example.com/", "64:ff9b::10.0.0.1", "private_address"),
    ];
    for (grants, uri, address, expected) in rows {
        assert_eq!(judge(grants, uri, address), expected, "{uri} at {address}");
    }
}

#[test]
fn one_spelling_comes_out() {
    let grants = outbound(&["http://*:*", "https://*:*"]);
    let rows = [
        ("http://A.Example.:80/", "a.example", "http://a.example"),
        ("https://a.example:443", "a.example", "https://a.example"),
        ("https://a.example:80", "a.example:80", "https://a.example:80"),
        ("http://[2A00:0:0::1]:8080/", "[2a00::1]:8080", "http://[2a00::1]:8080"),
    ];
    for (uri, authority, grant) in rows {
        let named = grants.check_uri(&uri.parse().unwrap()).unwrap();
        assert_eq!((named.authority().as_str(), named.to_string().as_str()), (authority, grant));
        assert!(!outbound(&[grant]).is_empty());
    }
}

#[test]
fn denials_say_what_would_allow_it() {
    let grants = outbound(&["http://*:*", "https://db.internal"]);
    let denial = |uri: &str, address: &str| {
        let named = grants.check_uri(&uri.parse().unwrap());
        named.and_then(|n| grants.check_address(&n, ip(address))).unwrap_err().to_string()
    };
    let rows = [
        (
            "https://api.example.com/x",
            "1.1.1.1",
            "`https://api.example.com` is not granted; add it to `outbound`",
        ),
        (
            "https://db.internal/",
            "10.0.0.3",
            "`db.internal` resolves to the private address `10.0.0.3`; \
          add `10.0.0.0/8` or that address to `outbound_private`",
        ),
        (
            "http://db.internal/",
            "64:ff9b::7f00:1",
            "`db.internal` resolves to the loopback address `64:ff9b::7f00:1`; \
          add that address to `outbound_private`",
        ),
        (
            "http://127.0.0.1:9000/",
            "127.0.0.1",
            "`http://127.0.0.1:9000` is not a public address (loopback); \
          add exactly it to `outbound`",
        ),
        (
            "http://localhost/",
            "::1",
            "`http://localhost` is not a public address (loopback); add exactly it to `outbound`",
        ),
        (
            "http://127.1/",
            "127.0.0.1",
            "`127.1` is not a host: it ends in a number but is not an IPv4 address of four plain \
          decimal numbers",
        ),
    ];
    for (uri, address, expected) in rows {
        assert_eq!(denial(uri, address), expected);
    }
    let denied = tcp(&[]).check_name("db.example.com", 5432).unwrap_err().to_string();
    assert_eq!(denied, "`db.example.com:5432` is not granted; add it to `outbound_tcp`");
}

#[test]
fn entries_that_mean_nothing_are_explained() {
    let rows = [
        ("api.example.com", "write `https://api.example.com` or `http://api.example.com`"),
        ("ftp://a.example", "has the scheme `ftp`"),
        ("https://a.example/", "write `https://a.example`"),
        ("https://a.example:1/v1?q#f", "write `https://a.example:1`"),
        ("https://a.example?q", "write `https://a.example`"),
        ("https://u:p@a.example", "leave out what stands before the `@`"),
        ("https://a.example:0", "has the port `0`"),
        ("https://a.example:", "has the port ``"),
        ("https://a.example:99999", "has the port `99999`"),
        ("https://a.*.example", "has a `*` inside"),
        ("https://a*.example", "has a `*` inside"),
        ("https://*.*.example", "has a `*` inside"),
        ("https://*.127.0.0.1", "has a `*` inside"),
        ("https://*.", "it is empty"),
        ("https://127.1", "it ends in a number"),
        ("https://::1", "write one in brackets"),
        ("https://münchen.example", "in its `xn--` form"),
        ("https://", "it is empty"),
    ];
    for (entry, expected) in rows {
        let error = OutboundGrants::parse(&[entry.to_owned()]).unwrap_err().to_string();
        assert!(error.contains(entry) && error.contains(expected), "{error}");
        assert!(!error.ends_with('.'), "{error}");
    }
    let rows = [
        ("db.example.com", "write `db.example.com:5432`"),
        ("tcp://db.example.com:1/x", "write `db.example.com:1`"),
        ("::1:1", "write one in brackets"),
        ("a.example:x", "has the port `x`"),
    ];
    for (entry, expected) in rows {
        let error = TcpGrants::parse(&[entry.to_owned()]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let rows = [
        ("10.0.0.3/8", "write `10.0.0.0/8`"),
        ("fd00::1/8", "write `fd00::/8`"),
        ("10.0.0.0/33", "is not a range"),
        ("10.0.0.0/+8", "is not a range"),
        ("10.0.0.0/", "is not a range"),
        ("10.0.0/8", "is not a range"),
        ("::ffff:10.0.0.0/104", "is not a range"),
        ("db.internal", "is not a range"),
        ("", "is not a range"),
    ];
    for (entry, expected) in rows {
        let error = Ranges::parse(&[entry]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(private(&["0.0.0.0/0"]).contains(ip("10.0.0.1")));
    assert!(private(&["::/0"]).contains(ip("fd00::1")));
}

#[test]
fn a_denial_tells_no_password() {
    let uri: Uri = "http://bob:hunter2@a.example:1/".parse().unwrap();
    let host = "bob:hunter2@a.example:1";
    let denials = [
        outbound(&["http://*:*"]).check_uri(&uri).unwrap_err(),
        tcp(&["*:*"]).check_host(host).unwrap_err(),
        tcp(&["*:*"]).check_name(host, 1).unwrap_err(),
    ];
    for denied in denials {
        let text = denied.to_string();
        assert!(text.contains("`a.example:1`"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("bob"), "{text}");
    }
}
