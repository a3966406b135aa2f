//! Static folders behind routes. What the files module itself promises is tested
//! beside it; here is what the server makes of it.

use crate::support::client::{self, Wire};
use crate::support::h2::{DATA, H2, RST_STREAM, WINDOW_UPDATE};
use crate::support::server::{Server, Site};
use crate::support::{SOON, eventually};
use std::sync::Arc;

fn serve() -> Server {
    let site = Site::toml(
        "[[routes]]\nmount = \"/\"\nfolder = \"public\"\n\
         [[routes]]\nmount = \"/assets\"\nfolder = \"public/static\"\n",
    );
    site.write("public/index.html", "<h1>home</h1>");
    site.write("public/docs/index.html", "<h1>docs</h1>");
    site.write("public/static/app.js", "let x = 1;".repeat(20_000));
    site.write("public/static/index.html", "assets");
    site.write("secret.txt", "outside the root");
    site.start()
}

#[test]
fn files_are_served_below_their_mount() {
    let server = serve();
    let reply = server.get("/");
    assert_eq!((reply.status, reply.text().as_str()), (200, "<h1>home</h1>"));
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(server.get("/assets/app.js").body.len(), 200_000);
    assert_eq!(server.get("/static/app.js").body.len(), 200_000);
    assert_eq!(server.get("/assets/none.js").status, 404);
    for (path, place) in [("/assets", "/assets/"), ("/docs", "docs/")] {
        let reply = server.get(path);
        assert_eq!(reply.status, 308, "{path}");
        assert!(reply.header("location").unwrap().ends_with(place), "{}", reply.head);
    }
    assert_eq!(server.get("/docs/").text(), "<h1>docs</h1>");
}

#[test]
fn conditional_ranged_and_head_requests_keep_the_connection_in_step() {
    let server = serve();
    let mut wire = Wire::open(server.address);
    wire.request("GET /assets/app.js HTTP/1.1\nHost: test\n\n");
    let whole = wire.reply();
    let etag = whole.header("etag").unwrap().to_owned();
    wire.request(&format!("GET /assets/app.js HTTP/1.1\nHost: test\nIf-None-Match: {etag}\n\n"));
    let reply = wire.reply();
    assert_eq!((reply.status, reply.body.len()), (304, 0));
    wire.request("GET /assets/app.js HTTP/1.1\nHost: test\nRange: bytes=10-19\n\n");
    let reply = wire.reply();
    assert_eq!((reply.status, reply.body.as_slice()), (206, &whole.body[10..20]));
    wire.request(
        "GET /assets/app.js HTTP/1.1\nHost: test\nRange: bytes=0-1\nIf-Range: \"other\"\n\n",
    );
    assert_eq!(wire.reply().body.len(), 200_000);
    wire.request("HEAD /assets/app.js HTTP/1.1\nHost: test\n\n");
    let reply = wire.reply_to("HEAD").unwrap();
    assert_eq!((reply.status, reply.header("content-length")), (200, Some("200000")));
    wire.request("POST /assets/app.js HTTP/1.1\nHost: test\nContent-Length: 0\n\n");
    let reply = wire.reply();
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")));
    wire.request("GET / HTTP/1.1\nHost: test\n\n");
    assert_eq!(wire.reply().status, 200);
    let mut h2 = H2::open(server.address);
    assert_eq!(h2.get("/assets/app.js").body.len(), 200_000);
}

#[test]
fn g36_nothing_outside_the_root_is_ever_served() {
    let server = serve();
    let up =
        ["..", "%2e%2e", "%252e%252e", ".%2e", "..%2f", "%5c..", "..;", ".../..", "%c0%ae%c0%ae"];
    for prefix in ["/", "/assets/", "/docs/", "//", "/./"] {
        for step in up {
            for depth in 1..4 {
                let path = format!("{prefix}{}secret.txt", format!("{step}/").repeat(depth));
                let reply = client::send(
                    server.address,
                    &format!("GET {path} HTTP/1.1\nHost: test\nConnection: close\n\n"),
                );
                assert!(!reply.text().contains("outside the root"), "{path}");
                assert!(matches!(reply.status, 404 | 400), "{path}: {}", reply.status);
            }
        }
    }
    for path in ["/.env", "/.git/config", "/etc/passwd", "/%00", "/index.html%00.js"] {
        assert!(matches!(server.get(path).status, 404 | 400), "{path}");
    }
}

const FILE_CHANGED: &str = "squall_rejects_total{kind=\"file_changed\"}";

/// More than the buffers of two sockets take.
const LARGE: u64 = 64 << 20;

/// A folder with a large file and a small one, served with these limits.
fn serve_large(limits: &str) -> Server {
    let site = Site::toml(&format!(
        "[server.limits]\n{limits}\n[[routes]]\nmount = \"/\"\nfolder = \"public\"\n"
    ));
    site.write("public/small.txt", "small");
    let large = std::fs::File::create(site.file("public/large.bin")).unwrap();
    large.set_len(LARGE).unwrap();
    site.start()
}

/// Asks for a file, and takes no more of it than its head.
fn hold(server: &Server) -> Wire {
    let mut wire = Wire::open(server.address);
    wire.request("GET /large.bin HTTP/1.1\nHost: test\n\n");
    wire.until_received("200 OK");
    wire
}

fn open(server: &Server) -> f64 {
    server.metric("squall_files_open")
}

#[test]
fn c30_open_files_are_bounded() {
    let server = serve_large("files_open = 2\nfiles_wait = \"100ms\"\nwrite_gap = \"1h\"");
    assert_eq!(server.get("/small.txt").text(), "small");
    let descriptors = server.descriptors();
    let mut held = vec![hold(&server), hold(&server)];
    assert_eq!(open(&server), 2.0);
    for path in ["/small.txt", "/large.bin", "/none"] {
        let reply = server.get(path);
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")), "{path}");
        assert!(reply.text().starts_with("the server is busy\n"), "{}", reply.text());
    }
    assert_eq!(server.metric("squall_rejects_total{kind=\"files_open\"}"), 3.0);
    // A connection and a file for each of those that are served, and no more.
    assert!(server.descriptors() <= descriptors + 2 * 2 + 2, "{}", server.descriptors());
    held.pop().unwrap().reset();
    eventually(SOON, "giving back", || open(&server) == 1.0);
    assert_eq!(server.get("/small.txt").text(), "small");
    // To its end, all of it came.
    let reply = held.pop().unwrap().reply();
    assert_eq!((reply.body.len(), reply.complete), (LARGE as usize, true));
    eventually(SOON, "giving back", || open(&server) == 0.0);
}

/// More clients at once than files may be open: they take turns.
#[test]
fn c30_a_rush_for_files_waits_its_turn() {
    let server = serve_large("files_open = 2");
    let address = server.address;
    let clients: Vec<_> = (0..60)
        .map(|_| std::thread::spawn(move || client::get(address, "/small.txt").status))
        .collect();
    for client in clients {
        assert_eq!(client.join().unwrap(), 200);
    }
}

/// Nobody holds a file by taking nothing of it, over neither protocol.
#[test]
fn c30_a_client_that_takes_nothing_gives_its_file_back() {
    let server = serve_large("files_open = 1\nfiles_wait = \"0s\"\nwrite_gap = \"500ms\"");
    let held = hold(&server);
    assert_eq!(server.get("/small.txt").status, 503);
    eventually(SOON, "giving back", || open(&server) == 0.0);
    assert_eq!(server.get("/small.txt").text(), "small");
    drop(held);
    // A stream has a window of its own, which its client does not widen.
    let mut h2 = H2::open(server.address);
    let stalled = h2.request("GET", "/large.bin", &[], true);
    eventually(SOON, "opening", || open(&server) == 1.0);
    eventually(SOON, "giving back", || open(&server) == 0.0);
    let reply = h2.reply(stalled);
    assert!(reply.reset.is_some() && !reply.ended, "visibly broken");
    assert_eq!(h2.get("/small.txt").body, b"small", "the connection goes on");
}

/// Slow is not nothing: a client that takes a little in `write_gap` gets all.
#[test]
fn c4_an_http2_client_may_take_its_time() {
    let server = serve_large("write_gap = \"1s\"");
    let size = 256 << 10;
    std::fs::write(server.site.file("public/some.bin"), vec![7; size]).unwrap();
    let mut h2 = H2::open(server.address);
    let stream = h2.request("GET", "/some.bin", &[], true);
    let mut left = size;
    let mut unasked = 0;
    while left > 0 {
        let frame = h2.frame().expect("a frame");
        assert_ne!(frame.kind, RST_STREAM, "{left} bytes before the end");
        if frame.kind != DATA {
            continue;
        }
        left -= frame.payload.len();
        unasked += frame.payload.len();
        // 64 KiB, which is what is read of a file at once, take longer than the gap.
        if unasked >= 16 << 10 {
            std::thread::sleep(std::time::Duration::from_millis(300));
            for of in [0, stream] {
                h2.send(WINDOW_UPDATE, 0, of, &u32::try_from(unasked).unwrap().to_be_bytes());
            }
            unasked = 0;
        }
    }
}

/// Row C30: refusals are counted, and told once and not line by line.
#[test]
fn a_flood_of_refusals_is_one_line() {
    let server = serve_large("files_open = 1\nfiles_wait = \"0s\"\nwrite_gap = \"1h\"");
    let _held = hold(&server);
    for _ in 0..100 {
        assert_eq!(server.get("/small.txt").status, 503);
    }
    server.await_log("the server is busy");
    let lines = server.log();
    let lines: Vec<_> = lines.iter().filter(|line| line["kind"] == "files_open").collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
}

/// Row O21: neither who asks for files nor who connects fills the log with what the
/// server lacks.
#[test]
fn a_flood_of_errors_is_one_line_of_each_kind() {
    let server = serve_large("");
    let mut wire = Wire::open(server.address);
    let mut ask = || {
        wire.request("GET /small.txt HTTP/1.1\nHost: test\n\n");
        wire.reply().status
    };
    assert_eq!(ask(), 200);
    let before = server.allow_descriptors(server.descriptors() as u64 - 1);
    for _ in 0..100 {
        assert_eq!(ask(), 503);
    }
    server.await_log("Too many open files");
    let mut waiting = Wire::open(server.address);
    waiting.request("GET /small.txt HTTP/1.1\nHost: test\nConnection: close\n\n");
    server.await_log("cannot accept a connection");
    // Several more looks at who waits.
    std::thread::sleep(std::time::Duration::from_millis(500));
    server.allow_descriptors(before);
    assert_eq!((waiting.reply().status, ask()), (200, 200));
    for text in ["cannot read `/small.txt`", "cannot accept a connection"] {
        let lines: Vec<_> =
            server.stderr().into_iter().filter(|line| line.contains(text)).collect();
        assert_eq!(lines.len(), 1, "{lines:#?}");
    }
    assert!(server.metric("squall_accept_errors_total{error=\"EMFILE\"}") > 1.0);
    assert_eq!(server.metric("squall_rejects_total{kind=\"files_open\"}"), 100.0);
}

/// A file that is written over while it is asked for is answered whole, or refused and
/// counted: it is nobody's bug.
#[test]
fn a_file_that_is_rewritten_in_place_is_never_a_500() {
    let server = serve_large("");
    let path = server.site.file("public/small.txt");
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let asking = Arc::new(());
    let asked = Arc::downgrade(&asking);
    // However the test ends, so does this.
    let writing = std::thread::spawn(move || {
        while asked.upgrade().is_some() {
            for length in [60_000, 10] {
                file.set_len(length).unwrap();
            }
        }
    });
    let mut wire = Wire::open(server.address);
    let mut refused = 0;
    for _ in 0..900 {
        wire.request("GET /small.txt HTTP/1.1\nHost: test\n\n");
        let reply = wire.reply();
        match reply.status {
            200 => assert!([5, 10, 60_000].contains(&reply.body.len()), "{}", reply.head),
            503 => refused += 1,
            _ => panic!("{}", reply.head),
        }
    }
    drop(asking);
    writing.join().unwrap();
    assert_eq!(server.metric(FILE_CHANGED), f64::from(refused));
}

/// A response that cannot be completed breaks visibly, and says of which file.
#[test]
fn a_file_that_shrinks_while_it_is_sent_is_told_as_such() {
    let server = serve_large("");
    let mut held = hold(&server);
    let file = std::fs::File::options().write(true).open(server.site.file("public/large.bin"));
    file.unwrap().set_len(LARGE / 2).unwrap();
    assert!(!held.reply().complete);
    eventually(SOON, "counting", || server.metric(FILE_CHANGED) == 1.0);
    server.await_log("file_changed");
    let lines = server.log();
    let line = lines.iter().find(|line| line["kind"] == "file_changed").unwrap();
    assert!(line["cause"].as_str().unwrap().contains("`/large.bin`"), "{line}");
    assert!(!line["message"].as_str().unwrap().contains("handler"), "{line}");
    let is_changed = |line: &serde_json::Value| line["fault"] == "file_changed";
    eventually(SOON, "an access line", || server.access().iter().any(is_changed));
}

/// The files among which one is chosen do not take the descriptors of others.
#[test]
fn a_server_full_of_clients_has_descriptors_for_its_files() {
    let site = Site::toml("[[routes]]\nmount = \"/\"\nfolder = \"public\"\n");
    for (name, byte) in [("a.js", b'a'), ("a.js.br", b'b'), ("a.js.gz", b'c')] {
        site.write(&format!("public/{name}"), vec![byte; 60_000]);
    }
    let server = site.start_under(&["prlimit", "--nofile=512:512", "--"]);
    let mut wires: Vec<_> = (0..455).map(|_| Wire::open(server.address)).collect();
    for _ in 0..10 {
        for wire in &mut wires {
            wire.request(
                "GET /a.js HTTP/1.1\nHost: test\nAccept-Encoding: br, gzip\nRange: bytes=5-\n\n",
            );
        }
        for wire in &mut wires {
            let reply = wire.reply();
            match reply.status {
                206 => assert_eq!(reply.body, vec![b'b'; 60_000 - 5]),
                503 => assert_eq!(reply.header("retry-after"), Some("1")),
                _ => panic!("{}", reply.head),
            }
        }
    }
    assert!(server.stderr().iter().all(|line| !line.contains("os error 24")));
}
