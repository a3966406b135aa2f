//! Rows C: how bytes are read as requests, and what no client can say.

use crate::support::client::{self, Wire};
use crate::support::fault_guests::serve;
use crate::support::server::Site;
use squall_test_guests::guest;
use std::time::Duration;

#[test]
fn c9_two_lengths_are_one_request_and_the_connection_ends() {
    let server = serve("", "");
    for lines in [
        "Content-Length: 6\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\nContent-Length: 6",
    ] {
        let mut wire = Wire::open(server.address);
        wire.request(&format!("POST /request HTTP/1.1\nHost: test\n{lines}\n\n0\n\nGET /second HTTP/1.1\nHost: test\n\n"));
        let first = wire.reply();
        assert_eq!(first.status, 200);
        assert!(
            !first.text().contains("content-length"),
            "hidden from the guest: {}",
            first.text()
        );
        let rest = wire.until_closed();
        assert!(
            rest.is_empty(),
            "a second request was answered: {}",
            String::from_utf8_lossy(&rest)
        );
    }
}

#[test]
fn c10_false_framing_is_refused() {
    let server = serve("", "");
    let cases = [
        "Content-Length: 5\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: -1",
        "Content-Length: 18446744073709551616",
        "Content-Length: 5, 6",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
    ];
    for lines in cases {
        let mut wire = Wire::open(server.address);
        wire.request(&format!("POST /count HTTP/1.1\nHost: test\n{lines}\n\n"));
        assert_eq!(wire.reply().status, 400, "{lines}");
        assert!(wire.closes_within(Duration::from_secs(5)), "{lines}");
    }
    let mut wire = Wire::open(server.address);
    wire.request("POST /count HTTP/1.0\nHost: test\nTransfer-Encoding: chunked\n\n0\n\n");
    assert_eq!(wire.reply().status, 400);
    // Equal lengths are one length (RFC 9110 section 8.6).
    let reply = client::send(
        server.address,
        "POST /count HTTP/1.1\nHost: test\nContent-Length: 2\nContent-Length: 2\nConnection: close\n\nok",
    );
    assert_eq!(reply.text(), "2 whole");
}

/// What hyper makes of bytes that are not quite HTTP, pinned: an upgrade that reads
/// one of them in another way must be looked at.
#[test]
fn c11_odd_bytes_have_a_pinned_reading() {
    let server = serve("", "");
    let cases: [(&str, &[u8], Option<u16>); 12] = [
        ("bare LF", b"GET / HTTP/1.1\nHost: test\n\n", Some(200)),
        ("obs-fold", b"GET / HTTP/1.1\r\nHost: test\r\nX-A: a\r\n b\r\n\r\n", Some(400)),
        ("space before colon", b"GET / HTTP/1.1\r\nHost : test\r\n\r\n", Some(400)),
        ("NUL in a value", b"GET / HTTP/1.1\r\nHost: test\r\nX-A: a\0b\r\n\r\n", Some(400)),
        ("CR alone", b"GET / HTTP/1.1\r\nHost: test\rX-A: a\r\n\r\n", Some(400)),
        ("leading newlines", b"\r\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n", Some(200)),
        ("0x80 in a name", b"GET / HTTP/1.1\r\nHost: test\r\nX-\x80: a\r\n\r\n", Some(400)),
        ("no version", b"GET /\r\nHost: test\r\n\r\n", Some(400)),
        ("bad version", b"GET / HTTP/3.0\r\nHost: test\r\n\r\n", Some(400)),
        ("two spaces", b"GET  / HTTP/1.1\r\nHost: test\r\n\r\n", Some(400)),
        (
            "LF ends a chunk",
            b"POST /count HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\n0\n\n",
            Some(400),
        ),
        (
            "chunk size overflow",
            b"POST /count HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nok\r\n",
            Some(400),
        ),
    ];
    let mut read = Vec::new();
    for (name, bytes, expected) in cases {
        let mut wire = Wire::open(server.address);
        wire.send(bytes);
        let status = wire.reply_to("GET").map(|reply| reply.status);
        if status != expected {
            read.push(format!("{name}: {status:?} instead of {expected:?}"));
        }
    }
    assert!(read.is_empty(), "{read:#?}");
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn c13_a_request_has_exactly_one_host() {
    let server = serve("", "");
    let bad = [
        "GET / HTTP/1.1\n\n",
        "GET / HTTP/1.1\nHost: a\nHost: b\n\n",
        "GET / HTTP/1.1\nHost: a\nHost: a\n\n",
        "GET / HTTP/1.1\nHost:\n\n",
        "GET / HTTP/1.1\nHost: a@b\n\n",
        "GET / HTTP/1.1\nHost: a:port\n\n",
        "GET / HTTP/1.1\nHost: a:99999\n\n",
        "GET / HTTP/1.1\nHost: a b\n\n",
        "GET / HTTP/1.1\nHost: a:\n\n",
        "GET / HTTP/1.1\nHost: :80\n\n",
        "GET / HTTP/1.1\nHost: *\n\n",
        "GET http://other/ HTTP/1.1\nHost: test\n\n",
        // The field is asked for whatever the target says.
        "GET http://test/ HTTP/1.1\n\n",
        "GET http://test:99999/ HTTP/1.0\n\n",
        "GET http://test:/ HTTP/1.0\n\n",
        "GET http://:80/ HTTP/1.0\n\n",
        "GET http://./ HTTP/1.0\n\n",
        "GET http://*/ HTTP/1.0\n\n",
        "GET http://a@test/ HTTP/1.0\n\n",
        "GET http://test:8080/ HTTP/1.1\nHost: test\n\n",
        "GET http://test:80/ HTTP/1.1\nHost: test:8080\n\n",
    ];
    for request in bad {
        let mut wire = Wire::open(server.address);
        wire.request(request);
        assert_eq!(wire.reply().status, 400, "{request}");
        assert!(wire.closes_within(Duration::from_secs(5)), "{request}");
    }
    let good = [
        "GET / HTTP/1.0\n\n",
        "GET / HTTP/1.1\nHost: test\nConnection: close\n\n",
        "GET / HTTP/1.1\nHost: test:8080\nConnection: close\n\n",
        "GET / HTTP/1.1\nHost: [::1]:8080\nConnection: close\n\n",
        "GET http://test/ HTTP/1.1\nHost: test\nConnection: close\n\n",
        "GET http://test/ HTTP/1.0\n\n",
        "GET http://test:80/ HTTP/1.1\nHost: test\nConnection: close\n\n",
        "GET http://TEST/ HTTP/1.1\nHost: test:80\nConnection: close\n\n",
        "GET https://test:443/ HTTP/1.1\nHost: test\nConnection: close\n\n",
        "GET http://[::1]:80/ HTTP/1.1\nHost: [::1]\nConnection: close\n\n",
    ];
    for request in good {
        assert_eq!(client::send(server.address, request).status, 200, "{request}");
    }
}

#[test]
fn c31_every_spelling_of_a_path_takes_the_same_route() {
    let site = Site::toml(
        "[[routes]]\npath = \"/admin\"\nstatus = 403\n\
         [[routes]]\nmount = \"/admin/secret\"\nstatus = 403\n\
         [[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n",
    );
    site.write("app.wasm", guest("faults03"));
    let server = site.start();
    for path in [
        "/admin",
        "//admin",
        "/./admin",
        "/x/../admin",
        "/%61dmin",
        "/x/%2e%2e/admin",
        "/admin/secret/",
        "/admin//secret/x",
        "/admin/%73ecret/x",
        "/admin/secret/x/../y",
    ] {
        assert_eq!(server.get(path).status, 403, "{path}");
    }
    // What is another path is another path, and the guest sees what was matched.
    for (path, seen) in [
        ("/request/../request", "path=/request"),
        ("/requ%65st?a=%2e", "path=/request?a=%2e"),
        ("//request", "path=/request"),
    ] {
        let text = server.get(path).text();
        assert!(text.contains(&format!("{seen}\n")), "{path}: {text}");
    }
    assert_eq!(server.get("/ADMIN").status, 200, "paths have case");
    for path in ["/%zz", "/%", "/a%00b"] {
        assert_eq!(server.get(path).status, 400, "{path}");
    }
}

#[test]
fn c32_a_client_cannot_say_what_only_the_host_may() {
    let site = Site::toml(
        "[[routes]]\nmount = \"/api\"\nhandler = \"app\"\n\
         [[routes]]\npath = \"/api/users/{id}/{*rest}\"\nhandler = \"app\"\n\
         [[routes]]\npath = \"/request\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n",
    );
    site.write("app.wasm", guest("faults03"));
    let server = site.start();
    let forged = "Squall-Base-Path: /forged\nsquall-path-id: forged\nSquall_Path_Id: forged\n\
                  Squall-Request-Id: forged\nX-Forwarded-For: 6.6.6.6\nX_Forwarded_For: 6.6.6.6\n\
                  X-Forwarded-Proto: https\nForwarded: for=6.6.6.6\nX-Real-IP: 6.6.6.6\n\
                  X-Mine: kept\nConnection: close, X-Hop\nX-Hop: dropped\nKeep-Alive: timeout=5\nUpgrade: h2c\n";
    let text =
        client::send(server.address, &format!("GET /request HTTP/1.1\nHost: test\n{forged}\n"))
            .text();
    assert!(!text.contains("forged") && !text.contains("6.6.6.6"), "{text}");
    assert!(text.contains("x-mine: kept"), "{text}");
    for gone in ["x-hop", "keep-alive", "upgrade", "connection", "x-forwarded-proto"] {
        assert!(!text.contains(gone), "`{gone}` in {text}");
    }
    assert!(text.contains("x-forwarded-for: 127.0.0.1"), "{text}");
    assert!(text.contains("squall-request-id: "), "{text}");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = serve("", "");
    let mut wire = Wire::open(server.address);
    let mut all = String::new();
    for i in 0..50 {
        all.push_str(&format!("GET /sleep-ms?{} HTTP/1.1\r\nHost: test\r\n\r\n", (50 - i) % 3));
    }
    wire.send(all);
    for _ in 0..50 {
        assert_eq!(wire.reply().text(), "slept");
    }
}
