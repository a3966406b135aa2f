//! The same source in three ways: a handler for Squall, a standard component on Squall, and
//! a standard component on the host of those who write the standard.

use crate::support::client::{Reply, Wire, get};
use crate::support::server::{Server, Site};
use crate::support::upstream::Upstream;
use crate::support::wasmtime::{COMMAND, Wasmtime};
use crate::support::{SOON, eventually, eventually_eq};
use squall::wasm::{Shape, World, inspect};
use squall_test_guests::{root, sdk_guest, standard_sdk_guest};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

/// A host that serves the guest.
struct Host {
    address: SocketAddr,
    _server: Running,
}

#[expect(dead_code, reason = "kept for as long as it serves")]
enum Running {
    Squall(Server),
    Wasmtime(Wasmtime),
}

/// Serves a guest, if the host for it is there.
type Serve = fn(&str) -> Option<Host>;

const WAYS: [(&str, Serve); 3] = [
    ("for Squall, on Squall", |guest| Some(on_squall(&sdk_guest(guest)))),
    ("standard, on Squall", |guest| Some(on_squall(&standard_sdk_guest(guest)))),
    ("standard, on wasmtime serve", |guest| on_wasmtime(&standard_sdk_guest(guest))),
];

const CONFIG: (&str, &str) = ("greeting", "hello");

fn on_squall(component: &[u8]) -> Host {
    let (key, value) = CONFIG;
    let grants = format!(
        "outbound = [\"http://127.0.0.1:*\"]\nconfig = {{ {key} = \"{value}\" }}\n\
        limits = {{ body_size = \"8 MiB\" }}"
    );
    let server = Site::handler(component, &grants).start();
    Host { address: server.address, _server: Running::Squall(server) }
}

fn on_wasmtime(component: &[u8]) -> Option<Host> {
    let server = Wasmtime::serve(component, &[CONFIG])?;
    Some(Host { address: server.address, _server: Running::Wasmtime(server) })
}

/// Runs `check` on the guest in all these ways.
fn in_every_way(guest: &str, check: impl Fn(&Host)) {
    for (way, serve) in WAYS {
        // Shown only if the test fails.
        println!("{way}:");
        if let Some(host) = serve(guest) {
            check(&host);
        }
    }
}

impl Host {
    /// `head` is method and path, and perhaps lines of header fields.
    fn ask(&self, head: &str, body: &str) -> Reply {
        let (line, fields) = head.split_once('\n').unwrap_or((head, ""));
        let fields = if fields.is_empty() { String::new() } else { format!("{fields}\n") };
        let method = line.split(' ').next().unwrap();
        let length = match method {
            "POST" | "PUT" => format!("Content-Length: {}\n", body.len()),
            _ => String::new(),
        };
        let mut wire = Wire::open(self.address);
        wire.request(&format!(
            "{line} HTTP/1.1\nHost: test\nConnection: close\n{fields}{length}\n"
        ));
        // One that is too large need not be taken.
        let _ = wire.try_send(body);
        wire.reply_to(method).expect("a response")
    }

    /// Begins a body whose pieces and end the test sends.
    fn begin(&self, path: &str) -> Wire {
        let mut wire = Wire::open(self.address);
        wire.request(&format!(
            "POST {path} HTTP/1.1\nHost: test\nTE: trailers\nTransfer-Encoding: chunked\n\n"
        ));
        wire
    }
}

/// What is asked, the body that goes with it, and what the answer is: status, header fields
/// and body.
type Row = (&'static str, &'static str, u16, &'static [(&'static str, &'static str)], &'static str);

const JSON: &str = "POST /json\nContent-Type: application/json";
const FORM: &str = "POST /form\nContent-Type: application/x-www-form-urlencoded";
const FILES: &str = "POST /files\nContent-Type: multipart/form-data; boundary=XX";
const STORY: &str = r#"{"title":"a","points":[1,2]}"#;
const PROBLEM: (&str, &str) = ("content-type", "application/problem+json");

const ANSWERS: &[Row] = &[
    (
        // Of a target without a host, `wasmtime serve` tells none, though the client said it.
        "GET http://test/head?tag=a&tag=b+c&page=2\nX-Told: 1\nX-Told: 2",
        "",
        200,
        &[("content-type", "text/plain; charset=utf-8")],
        r#"GET ["a", "b c"] Some(2) ["1", "2"] http://test/head?tag=a&tag=b+c&page=2 Some("test")"#,
    ),
    ("DELETE http://test/head", "", 200, &[], r#"DELETE [] None [] http://test/head Some("test")"#),
    ("BREW http://test/head", "", 200, &[], r#"BREW [] None [] http://test/head Some("test")"#),
    ("GET /head?page=two", "", 400, &[PROBLEM], "`page`: invalid digit"),
    (JSON, STORY, 200, &[("content-length", "8")], "a [1, 2]"),
    (JSON, r#"{"title":"a","points":[1,"x"]}"#, 422, &[PROBLEM], "`points[1]`: invalid type"),
    (JSON, "{", 400, &[PROBLEM], "no JSON"),
    ("POST /json\nContent-Type: text/plain", STORY, 415, &[PROBLEM], "must be `application/json`"),
    (FORM, "title=a&points=1&points=2", 200, &[], "a [1, 2]"),
    (FORM, "title=a&points=x", 422, &[PROBLEM], "`points[0]`: invalid digit"),
    (
        FILES,
        "--XX\r\ncontent-disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\nfile\r\n--XX--\r\n",
        200,
        &[],
        "Some(\"a.txt\") file; ",
    ),
    ("POST /text", "some text", 200, &[], "some text"),
    ("POST /text", "", 200, &[("content-length", "0")], ""),
    (
        "GET /cookies\nCookie: b=2; a=1",
        "",
        200,
        &[("set-cookie", "a=x%3B%20y; HttpOnly; SameSite=Lax; Path=/")],
        "Some(\"2\")",
    ),
    ("GET /moved", "", 308, &[("location", "/a%20b")], ""),
    ("GET /version", "", 200, &[("etag", "\"7\"")], "version 7"),
    ("GET /version\nIf-None-Match: \"7\"", "", 304, &[("etag", "\"7\"")], ""),
    ("PUT /version\nIf-Match: \"6\"", "", 412, &[("etag", "\"7\"")], ""),
    ("GET /config", "", 200, &[], "Some(\"hello\") None"),
    ("GET /nothing", "", 204, &[], ""),
    ("GET /teapot", "", 418, &[PROBLEM], "short and stout"),
    ("GET /none", "", 404, &[PROBLEM], "no such path"),
    ("HEAD /large", "", 200, &[("content-length", "1048576")], ""),
    ("GET /wait", "", 200, &[], "waited"),
];

#[test]
fn a_handler_answers_alike_on_every_host() {
    in_every_way("anywhere", |host| {
        for (head, body, status, fields, text) in ANSWERS {
            let reply = host.ask(head, body);
            let said = reply.text();
            assert_eq!(reply.status, *status, "{head}: {said}");
            for (name, value) in *fields {
                assert_eq!(reply.header(name), Some(*value), "{head}: {}", reply.head);
            }
            let is_problem = reply.header("content-type") == Some(PROBLEM.1);
            assert!(said == *text || is_problem && said.contains(text), "{head}: {said}");
        }
        let reply = host.ask("GET /fails", "");
        assert_eq!(reply.status, 500);
        assert!(!reply.text().contains("digit"), "what failed is for the log: {}", reply.text());
        let reply = host.ask("POST /text", &"x".repeat(3 << 20));
        assert_eq!(reply.status, 413, "{}", reply.text());
    });
}

#[test]
fn bodies_stream_alike_on_every_host() {
    in_every_way("anywhere", |host| {
        // An answer grows with the request that it is made of.
        for (path, answers) in [("/echo", ["ab", "cd"]), ("/shout", ["AB", "CD"])] {
            let mut wire = host.begin(path);
            for (piece, answer) in ["ab", "cd"].into_iter().zip(answers) {
                wire.send(format!("2\r\n{piece}\r\n"));
                wire.until_received(answer);
            }
            wire.send("0\r\n\r\n");
            let reply = wire.reply();
            assert!(reply.complete && reply.text() == answers.concat(), "{path}: {reply:?}");
        }
        // Many times what fits into a guest's chunk, and a connection's buffers.
        let large: Vec<u8> = (0..4_000_000_u32).map(|i| (i % 251) as u8 & 0x5f).collect();
        let large = String::from_utf8(large).unwrap();
        for path in ["/echo", "/shout"] {
            let reply = exchange(host, path, &large);
            assert!(reply.complete, "{path}: {} bytes", reply.body.len());
            let wanted = if path == "/shout" { large.to_uppercase() } else { large.clone() };
            assert!(reply.text() == wanted, "{path}: {} bytes", reply.body.len());
        }
        let reply = host.ask("GET /large", "");
        assert_eq!(reply.header("content-length"), Some("1048576"));
        assert!(reply.complete && reply.text() == "0123456789abcdef".repeat(1 << 16));

        let mut wire = host.begin("/trailers");
        wire.send("2\r\nab\r\n0\r\nX-Sum: 42\r\n\r\n");
        let reply = wire.reply();
        assert_eq!((reply.text().as_str(), reply.trailers.as_str()), ("x-sum", "x-sum: 42\n"));
        assert_eq!(reply.header("trailer"), Some("x-sum"));

        let reply = host.ask("GET /ticks", "");
        assert!(reply.complete && reply.text() == "tick 1\ntick 2\ntick 3\n", "{reply:?}");
        // A part is not taken for the whole.
        let reply = host.ask("GET /half", "");
        assert!(!reply.complete && reply.text() == "tick 1\ntick 2\ntick 3\n", "{reply:?}");
    });
}

/// Sends and receives at the same time: no host keeps all of it in between.
fn exchange(host: &Host, path: &str, body: &str) -> Reply {
    let mut wire = Wire::open(host.address);
    let mut sending = wire.stream.try_clone().unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    std::thread::scope(|scope| {
        scope.spawn(move || {
            sending.write_all(head.as_bytes()).unwrap();
            sending.write_all(body.as_bytes()).unwrap();
        });
        wire.reply()
    })
}

#[test]
fn a_handler_asks_others_alike_on_every_host() {
    in_every_way("anywhere", |host| {
        let upstream = Upstream::start(|stream, head| {
            let body = match head {
                head if head.contains("transfer-encoding: chunked") => until(stream, "0\r\n\r\n"),
                head if head.contains("content-length: ") => until(stream, "!"),
                _ => String::new(),
            };
            let first = head.lines().next().unwrap_or_default();
            let told = format!("{first}, {}", body.contains("to upstream!"));
            let _ = write!(
                stream,
                "HTTP/1.1 203 Fine\r\nx-mark: 7\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{told}",
                told.len()
            );
        });
        let url = upstream.url();
        let reply = host.ask(&format!("GET /ask?url={url}/a?b"), "");
        assert_eq!((reply.status, reply.header("x-mark")), (203, Some("7")), "{reply:?}");
        assert_eq!(reply.text(), "GET /a?b HTTP/1.1, false");
        let reply = host.ask(&format!("POST /tell?url={url}"), "to upstream!");
        assert_eq!(reply.text(), "POST / HTTP/1.1, true");

        // What an upstream does not finish is not finished here.
        let (end, ended) = mpsc::channel::<()>();
        let ended = Mutex::new(ended);
        let breaks = Upstream::start(move |stream, _| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nsome");
            let _ = ended.lock().unwrap().recv();
        });
        let mut wire = Wire::open(host.address);
        wire.request(&format!("GET /ask?url={} HTTP/1.1\nHost: test\n\n", breaks.url()));
        wire.until_received("some");
        drop(end);
        let reply = wire.reply();
        assert!(!reply.complete && reply.text() == "some", "{reply:?}");

        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let reply = host.ask(&format!("GET /ask?url=http://{nobody}/"), "");
        assert_eq!(reply.status, 502, "{}", reply.text());
        assert!(!reply.text().contains("127.0.0.1"), "{}", reply.text());

        let slow = Upstream::slow(Duration::from_millis(300));
        assert_eq!(host.ask(&format!("GET /both?url={}", slow.url()), "").text(), "slowslow");
        assert_eq!(slow.most_at_once(), 2);

        let later = Upstream::text("thanks");
        let reply = host.ask(&format!("GET /later?url={}", later.url()), "");
        assert!(reply.complete && reply.text() == "soon", "{reply:?}");
        eventually_eq(SOON, "requests after the answer", &1, || later.connections());
        eventually(SOON, "the end of what comes after the answer", || later.closed() == 1);
    });
}

/// Reads until `end` has come.
fn until(stream: &mut impl Read, end: &str) -> String {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(end.as_bytes()) && matches!(stream.read(&mut byte), Ok(1)) {
        read.push(byte[0]);
    }
    String::from_utf8(read).unwrap()
}

#[test]
fn an_axum_router_answers_alike_on_every_host() {
    let upstream = Upstream::text("from upstream");
    in_every_way("router", |host| {
        let rows: [Row; 8] = [
            ("GET /", "", 200, &[("content-length", "4")], "axum"),
            ("GET /users/a%20b?x=1", "", 200, &[], "a b [(\"x\", \"1\")]"),
            ("POST /sum\nContent-Type: application/json", r#"{"a":1,"b":2}"#, 200, &[], "3"),
            ("GET /sum", "", 405, &[("allow", "POST")], ""),
            (
                "POST /form\nContent-Type: application/x-www-form-urlencoded",
                "a=1&b=2",
                200,
                &[("content-type", "application/json")],
                r#"{"a":1,"b":2}"#,
            ),
            ("POST /length", "12345", 200, &[], "5"),
            ("GET /nothing", "", 404, &[], ""),
            ("GET /wait", "", 200, &[], "waited"),
        ];
        for (head, body, status, fields, text) in rows {
            let reply = host.ask(head, body);
            assert_eq!((reply.status, reply.text().as_str()), (status, text), "{head}");
            for (name, value) in fields {
                assert_eq!(reply.header(name), Some(*value), "{head}: {}", reply.head);
            }
        }
        let path = format!("/fetch?url={}", upstream.url());
        assert_eq!(get(host.address, &path).text(), "from upstream");
        let large = "x".repeat(1 << 20);
        let reply = exchange(host, "/echo", &large);
        assert!(reply.complete && reply.text() == large, "{} bytes", reply.body.len());
    });
}

#[test]
fn a_standard_component_needs_nothing_of_squall() {
    for guest in ["anywhere", "router"] {
        let Shape { world, imports, .. } = inspect(&standard_sdk_guest(guest)).unwrap();
        assert_eq!(world, World::Http03, "{guest}");
        let others: Vec<_> = imports.iter().filter(|name| !name.starts_with("wasi:")).collect();
        assert!(!imports.is_empty() && others.is_empty(), "{guest}: {others:?}");
        // So that it means something.
        let Shape { imports, .. } = inspect(&sdk_guest(guest)).unwrap();
        assert!(imports.iter().any(|name| name.starts_with("squall:web/")), "{guest}: {imports:?}");
    }
}

#[test]
fn the_documents_say_how_others_serve_it() {
    for document in ["docs/reference.md", "guest-sdk/src/lib.rs"] {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        assert!(text.contains(COMMAND), "`{document}` does not have `{COMMAND}`");
    }
}
