//! The native world: what a request and a response are there, and that nothing of them is
//! changed on the way.

use crate::support::aftermath::{Aftermath, site_with_canary};
use crate::support::client::{self, Wire};
use crate::support::fault_guests::limited;
use crate::support::h2::H2;
use crate::support::server::{Server, Site};
use crate::support::upstream::Upstream;
use crate::support::{SOON, eventually};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use squall_test_guests::guest;
use std::io::{Read, Write};
use std::net::SocketAddr;

/// What the guest says of a request: each line.
fn described(server: &Server, request: &str) -> Vec<String> {
    let text = client::send(server.address, request).text();
    text.lines().map(str::to_owned).collect()
}

/// The request's name in the access log.
fn request_id(server: &Server, target: &str) -> String {
    let find = || server.access().into_iter().find(|line| line["target"] == target);
    eventually(SOON, "the access line", || find().is_some());
    find().unwrap()["request"].as_str().unwrap().to_owned()
}

fn routed(route: &str) -> Server {
    let site = Site::toml(&format!(
        "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[[routes]]\n{route}\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n"
    ));
    site.write("app.wasm", guest("faults_web"));
    site.start()
}

#[test]
fn a_request_is_told_as_one_record() {
    let server = routed("path = \"/request/{a}/{*rest}\"");
    let target = "/request/a%20b%2fc/x/y%C3%A9?q=%41";
    let request = format!(
        "BREW {target} HTTP/1.1\nHost: test:8080\nX-Forwarded-For: 2001:db8::1\n\
         Squall-Client-Address: 6.6.6.6\nConnection: close, X-Hop\nX-Hop: 1\n\
         X-Mine: one\nX-Other: 2\nX-Mine: three\n\n"
    );
    let lines = described(&server, &request);
    let id = request_id(&server, target);
    let expected = [
        "method=BREW".to_owned(),
        "scheme=http".to_owned(),
        "authority=test:8080".to_owned(),
        "path=/request/a%20b%2Fc/x/y%C3%A9?q=%41".to_owned(),
        "mount=".to_owned(),
        "client=2001:db8::1".to_owned(),
        format!("id={id}"),
        "body=empty".to_owned(),
    ];
    assert_eq!(lines[..expected.len()], expected);
    let told: Vec<&str> = lines[expected.len()..]
        .iter()
        .take(8)
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    let names = [":method", ":scheme", ":authority", ":path", ":id", ":client"];
    assert_eq!(told[..6], names);
    assert_eq!(lines[expected.len() + 6..][..2], [":capture-a: a b/c", ":capture-rest: x/yé"]);
    let mut headers = lines[expected.len() + 8..].to_vec();
    headers.sort();
    // Repeats are in their order, and the host is the authority.
    let expected = [
        "x-forwarded-for: 2001:db8::1",
        "x-forwarded-for: 127.0.0.1",
        "x-mine: one",
        "x-mine: three",
        "x-other: 2",
    ];
    let mut sorted = expected;
    sorted.sort_unstable();
    assert_eq!(headers, sorted);
    // A capture that is no text is one with a mark in its place.
    let lines = described(&server, "GET /request/%FF/x HTTP/1.1\nHost: a\nConnection: close\n\n");
    assert!(lines.contains(&":capture-a: \u{fffd}".to_owned()), "{lines:?}");
}

#[test]
fn a_mount_and_an_address_are_told() {
    let server = routed("mount = \"/request/a%20b\"");
    let lines = described(
        &server,
        "GET /request/a%20b/c HTTP/1.1\nHost: a\nConnection: close\nX-Forwarded-For: 8.8.8.8\n\n",
    );
    assert_eq!(lines[4..6], ["mount=/request/a%20b", "client=8.8.8.8"]);
    // The whole of a host is no mount.
    let server = routed("mount = \"/\"");
    let lines = described(&server, "GET /request HTTP/1.1\nHost: a\nConnection: close\n\n");
    assert_eq!(lines[4..6], ["mount=", "client=127.0.0.1"]);
    let mut h2 = H2::open(server.address);
    let text = String::from_utf8(h2.get("/request").body).unwrap();
    assert!(text.contains("authority=test\n") && text.contains("scheme=http\n"), "{text}");
}

/// A head on its way to a guest, and back as it was. Names are those that nobody else has a
/// say in.
#[test]
fn any_header_bytes_come_through() {
    let server = Site::component(&guest("faults_web")).start();
    let value = prop::collection::vec(
        any::<u8>().prop_filter("of a value", |b| *b == b'\t' || (*b >= b' ' && *b != 127)),
        0..40,
    );
    let field = ("x-[a-z0-9!#$%&'*+.^_`|~-]{0,3}", value);
    let fields = prop::collection::vec(field, 0..30);
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&fields, |fields| {
            let sent = sorted(fields.iter().map(|(n, v)| (n.clone(), v.trim_ascii().to_vec())));
            prop_assert_eq!(sorted(mirrored(server.address, &fields).into_iter()), sent);
            Ok(())
        })
        .unwrap();
}

type Field = (String, Vec<u8>);

/// By name; values of one name stay in their order.
fn sorted(fields: impl Iterator<Item = Field>) -> Vec<Field> {
    let mut fields: Vec<Field> = fields.collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields
}

/// The fields of that kind in the answer.
fn mirrored(address: SocketAddr, fields: &[Field]) -> Vec<Field> {
    let mut wire = Wire::open(address);
    let mut request = b"GET /mirror HTTP/1.1\r\nHost: test\r\nConnection: close\r\n".to_vec();
    for (name, value) in fields {
        request.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    wire.send(request);
    let answer = wire.until_closed();
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let lines = answer[..head].split(|byte| *byte == b'\n').skip(1);
    let field = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':').unwrap();
        let name = String::from_utf8(line[..colon].to_vec()).unwrap();
        (name, line[colon + 1..].trim_ascii().to_vec())
    };
    lines
        .map(field)
        .filter(|(name, _)| name.starts_with("x-") && name != "x-forwarded-for")
        .collect()
}

#[test]
fn a_length_is_told_once_or_twice_the_same() {
    let mut server = site_with_canary(&guest("faults_web"), "").start();
    // Of the head, of the stream, and what is sent.
    for (right, bytes) in [
        ("**5", 5),
        ("5**5", 5),
        ("*5*5", 5),
        ("5*5*5", 5),
        ("*100000*100000", 100_000),
        ("**0", 0),
        ("*0*0", 0),
    ] {
        let reply = server.get(&format!("/lengths?{right}"));
        assert!(reply.complete && reply.status == 200, "{right}: {reply:?}");
        assert_eq!(reply.body.len(), bytes, "{right}");
        assert_eq!(reply.header("content-length"), Some(&*bytes.to_string()), "{right}");
    }
    let after = Aftermath::begin(&server);
    let wrong =
        ["10**5", "3**5", "*10*5", "*3*5", "5*10*5", "10*5*5", "*10*100000", "*200000*100000"];
    for lengths in wrong {
        let reply = server.get(&format!("/lengths?{lengths}"));
        assert!(reply.status == 502 || !reply.complete, "{lengths}: {reply:?}");
    }
    after.check(&mut server, &[("framing", wrong.len() as f64)]);
}

#[test]
fn a_fields_bytes_that_only_the_connection_may_have_go_no_further() {
    let server = Site::component(&guest("faults_web")).start();
    let mut wire = Wire::open(server.address);
    for name in ["transfer-encoding", "connection", "upgrade"] {
        wire.request(&format!("GET /forbidden-header?{name} HTTP/1.1\nHost: test\n\n"));
        let reply = wire.reply();
        assert_eq!((reply.status, reply.header(name)), (200, None));
    }
    wire.request("GET /forbidden-header?content-length HTTP/1.1\nHost: test\n\n");
    assert_eq!(wire.reply().status, 502, "a length that is no number");
    wire.request("GET / HTTP/1.1\nHost: test\n\n");
    assert_eq!(wire.reply().text(), "ok", "the connection stays in step");
}

/// Takes a whole request and answers with the part of it that is framed as chunks.
fn mirroring() -> Upstream {
    Upstream::start(|stream, head| {
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        let mut all = Vec::new();
        let mut piece = [0; 1024];
        // The last chunk, and the trailers behind it.
        while !(all.windows(5).any(|w| w == b"\r\n0\r\n") && all.ends_with(b"\r\n\r\n")) {
            match stream.read(&mut piece) {
                Ok(n) if n > 0 => all.extend_from_slice(&piece[..n]),
                _ => break,
            }
        }
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", all.len());
        let _ = stream.write_all(&all);
    })
}

#[test]
fn what_it_asks_others_streams_and_has_trailers() {
    let (mirror, trailing) = (
        mirroring(),
        Upstream::start(|stream, _| {
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
              4\r\ntext\r\n0\r\nx-sum: 42\r\n\r\n",
            );
        }),
    );
    let server = limited("faults_web", "", "");
    let text = server.get(&format!("/post-stream?{}", mirror.url())).text();
    for piece in ["200 ", "one ", "two ", "three", "x-sum: 42"] {
        assert!(text.contains(piece), "{piece}: {text}");
    }
    let text = server.get(&format!("/fetch-trailers?{}", trailing.url())).text();
    assert_eq!(text, "text x-sum: 42");
}

#[test]
fn what_it_asks_others_is_held_to_its_words() {
    let (silent, text) = (Upstream::silent(), Upstream::text("text"));
    let server = limited("faults_web", "", "outbound_head = \"500ms\"");
    let said = |path: &str| server.get(path).text();
    // A time of its own, if it is shorter than the handler's.
    let within = |ms: u32| said(&format!("/fetch-within?{ms}*{}", silent.url()));
    assert!(within(50).contains("Timeout") && within(50).contains("50 ms"), "{}", within(50));
    assert!(within(600_000).contains("500 ms"), "{}", within(600_000));
    assert_eq!(said(&format!("/fetch-within?400*{}", text.url())), "answered");
    assert_eq!(said(&format!("/post-length?5*{}", text.url())), "answered");
    for wrong in ["6", "4", "x", "5, 5"] {
        let told = said(&format!("/post-length?{}*{}", wrong.replace(' ', ""), text.url()));
        assert!(told.contains("Error::Invalid"), "{wrong}: {told}");
    }
}

#[test]
fn a_health_request_is_told_like_any_other() {
    let server = Site::handler(&guest("faults_web"), "health = \"/log-health\"").start();
    server.await_log("health: client=.");
    assert_eq!(server.get("/").text(), "ok");
}
