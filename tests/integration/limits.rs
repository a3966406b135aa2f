//! Limits that no fault row sets: each is tried with another number than its
//! default, and with nothing in its way just below that number.

use crate::support::client::{self, Wire};
use crate::support::fault_guests::{FAULTS, limited};
use crate::support::h2::{GOAWAY, H2, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE};
use crate::support::server::{Server, Site, squall};
use crate::support::wat::wat02;
use crate::support::{SOON, eventually};
use squall_test_guests::{guest, root, version};
use std::fs;
use std::path::Path;
use std::time::Duration;

fn closed(server: &Server, reason: &str) -> f64 {
    server.metric(&format!("squall_connections_closed_total{{reason=\"{reason}\"}}"))
}

#[test]
fn sizes_of_a_head() {
    let server = limited(
        "faults03",
        "head_size = \"16 KiB\"\nhead_fields = 20\ntarget_size = \"100 B\"",
        "",
    );
    let ask = |target: &str, fields: &str| {
        client::send(
            server.address,
            &format!("GET {target} HTTP/1.1\nHost: test\nConnection: close\n{fields}\n"),
        )
        .status
    };
    let big = |n: usize| format!("X-Big: {}\n", "x".repeat(n));
    let many = |n: usize| (0..n).map(|i| format!("X-{i}: v\n")).collect::<String>();
    assert_eq!((ask("/", &big(15 << 10)), ask("/", &big(16 << 10))), (200, 431));
    assert_eq!((ask("/", &many(18)), ask("/", &many(19))), (200, 431));
    let path = |n: usize| format!("/{}", "x".repeat(n - 1));
    assert_eq!((ask(&path(100), ""), ask(&path(101), "")), (200, 414));
    let counted = |kind: &str| server.metric(&format!("squall_rejects_total{{kind=\"{kind}\"}}"));
    assert_eq!(counted("target_too_long"), 1.0);
    // Two ways to be too large: hyper's bound on its buffer, and ours on what is in it.
    let large = counted("head_too_large") + closed(&server, "head_too_large");
    assert_eq!(large, 2.0);
    let mut h2 = H2::open(server.address);
    let mut ask = |name: &str, n: usize| {
        let stream = h2.request("GET", "/", &vec![(name, "a=1"); n], true);
        h2.reply(stream).status
    };
    assert_eq!((ask("x-a", 20), ask("x-a", 21)), (Some(200), Some(431)));
    // The parts of a cookie are one field.
    assert_eq!(ask("cookie", 50), Some(200));
}

#[test]
fn connections_wait_and_are_counted() {
    let server = limited("hello03", "connections = 2", "");
    let mut held: Vec<Wire> = (0..2)
        .map(|_| {
            let mut wire = Wire::open(server.address);
            wire.request("GET / HTTP/1.1\nHost: test\n\n");
            assert_eq!(wire.reply().status, 200);
            wire
        })
        .collect();
    eventually(SOON, "counting", || server.metric("squall_accept_waits_total") >= 1.0);
    let mut third = Wire::open(server.address);
    third.request("GET / HTTP/1.1\nHost: test\n\n");
    held.clear();
    assert_eq!(third.reply().status, 200);
}

#[test]
fn requests_on_a_connection_are_counted() {
    let server = limited("hello03", "connection_requests = 2", "");
    let mut wire = Wire::open(server.address);
    for _ in 0..2 {
        wire.request("GET / HTTP/1.1\nHost: test\n\n");
        assert_eq!(wire.reply().status, 200);
    }
    assert!(wire.closes_within(Duration::from_secs(5)));
    eventually(SOON, "counting", || closed(&server, "connection_requests") == 1.0);
}

#[test]
fn http2_says_its_limits() {
    let server = limited(
        "faults03",
        "h2_streams = 2\nh2_stream_window = \"32 KiB\"\nh2_connection_window = \"128 KiB\"\nh2_head_size = \"4 KiB\"",
        "",
    );
    let mut h2 = H2::open(server.address);
    let mut settings = Vec::new();
    let mut window = 0;
    while settings.is_empty() || window == 0 {
        let frame = h2.frame().expect("a frame");
        match (frame.kind, frame.flags) {
            (SETTINGS, 0) => settings = frame.payload,
            (WINDOW_UPDATE, _) if frame.stream == 0 => {
                window = u32::from_be_bytes(frame.payload[..4].try_into().unwrap());
            }
            _ => {}
        }
    }
    let setting = |id: u16| {
        let found = settings.chunks(6).find(|s| u16::from_be_bytes([s[0], s[1]]) == id);
        found.map(|s| u32::from_be_bytes([s[2], s[3], s[4], s[5]]))
    };
    // RFC 9113 section 6.5.2.
    assert_eq!(setting(3), Some(2), "streams");
    assert_eq!(setting(4), Some(32 << 10), "window of a stream");
    assert_eq!(setting(6), Some(4 << 10), "size of a head");
    assert_eq!(window + 65_535, 128 << 10, "window of the connection");
}

#[test]
fn http2_streams_beyond_the_limit_are_refused() {
    let server = limited("faults03", "h2_streams = 2", "");
    let mut h2 = H2::open(server.address);
    let streams: Vec<u32> = (0..3).map(|_| h2.request("GET", "/sleep-ms?500", &[], true)).collect();
    let mut refused = Vec::new();
    let mut answered = Vec::new();
    while refused.len() + answered.len() < 3 {
        let frame = h2.frame().expect("a frame");
        match frame.kind {
            RST_STREAM => refused.push(frame.stream),
            HEADERS => answered.push(frame.stream),
            _ => {}
        }
    }
    assert_eq!((answered.len(), refused), (2, vec![streams[2]]));
}

#[test]
fn an_http2_head_beyond_the_limit_is_refused() {
    let server = limited("faults03", "h2_head_size = \"4 KiB\"", "");
    let mut h2 = H2::open(server.address);
    let value = "x".repeat(3 << 10);
    let stream = h2.request("GET", "/", &[("x-big", &value)], true);
    assert_eq!(h2.reply(stream).status, Some(200));
    let value = "x".repeat(5 << 10);
    let stream = h2.request("GET", "/", &[("x-big", &value)], true);
    let reply = h2.reply(stream);
    assert!(reply.status == Some(431) || reply.reset.is_some(), "{reply:?}");
    assert_eq!(h2.get("/").status, Some(200), "the connection goes on");
}

#[test]
fn http2_resets_end_the_connection() {
    let server = limited("faults03", "h2_resets = 5", "");
    let mut h2 = H2::open(server.address);
    for _ in 0..2000 {
        if h2.try_reset_at_once().is_err() {
            break;
        }
    }
    let mut told = false;
    while let Some(frame) = h2.frame() {
        told |= frame.kind == GOAWAY;
    }
    assert!(told, "GOAWAY before the end");
    assert_eq!(server.get("/").status, 200);
    eventually(SOON, "ending what was begun", || {
        server.metric("squall_in_flight{handler=\"app\"}") == 0.0
    });
}

#[test]
fn an_http2_peer_that_answers_no_ping_is_closed() {
    let server = limited("faults03", "h2_ping = \"200ms\"\nh2_ping_timeout = \"200ms\"", "");
    let mut h2 = H2::open(server.address);
    h2.request("GET", "/sleep-ms?60000", &[], true);
    // Nothing is read and nothing answered.
    assert!(h2.wire.closes_within(Duration::from_secs(10)));
    eventually(SOON, "ending the request", || {
        server.metric("squall_in_flight{handler=\"app\"}") == 0.0
    });
}

#[test]
fn the_stack() {
    for world in FAULTS {
        let server = limited(world, "stack = \"64 KiB\"", "");
        assert_eq!(server.get("/depth?100").text(), "100");
        assert_eq!(server.get("/depth?4000").status, 502, "{world}");
        assert_eq!(server.metric("squall_faults_total{handler=\"app\",kind=\"stack\"}"), 1.0);
        let server = limited(world, "", "");
        assert_eq!(server.get("/depth?4000").text(), "4000", "{world}");
    }
}

#[test]
fn what_a_component_may_declare() {
    let cases = [
        ("memory = \"1 MiB\"", "(memory 16)", "(memory 17)"),
        ("memories = 1", "(memory 1)", "(memory 1) (memory 1)"),
        ("tables = 1", "(table 1 funcref)", "(table 1 funcref) (table 1 funcref)"),
        ("table_elements = 100", "(table 100 funcref)", "(table 101 funcref)"),
    ];
    for (limit, fits, exceeds) in cases {
        let handler = format!("[handlers.app.limits]\n{limit}");
        drop(Site::handler(&wat02(fits, "unreachable"), &handler).start());
        let (status, stderr) = Site::handler(&wat02(exceeds, "unreachable"), &handler).run();
        assert_eq!(status.code(), Some(64), "{limit}: {stderr}");
        assert!(stderr.contains("cannot be instantiated"), "{limit}: {stderr}");
    }
    // The guest of a toolchain has several core instances.
    let site = Site::handler(&guest("hello03"), "[handlers.app.limits]\ncore_instances = 1");
    let (status, stderr) = site.run();
    assert_eq!(status.code(), Some(64), "{stderr}");
    assert!(stderr.contains("instance"), "{stderr}");
}

#[test]
fn the_ceiling_of_memory() {
    let site = Site::toml(
        "[server.limits]\nmemory_ceiling = \"32 MiB\"\n[[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n[handlers.app.limits]\nmemory = \"16 MiB\"\n",
    );
    site.write("app.wasm", guest("hello03"));
    drop(site.start());
    let site = Site::toml(
        "[server.limits]\nmemory_ceiling = \"32 MiB\"\n[[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n[handlers.app.limits]\nmemory = \"33 MiB\"\n",
    );
    site.write("app.wasm", guest("hello03"));
    let (status, stderr) = site.run();
    assert_eq!(status.code(), Some(64), "{stderr}");
    assert!(stderr.contains("`memory_ceiling`"), "{stderr}");
}

#[test]
fn what_a_guest_may_hold_and_ask_for() {
    for world in FAULTS {
        let limits = "resources = 100\nhostcall = \"10 KiB\"\nrandom = \"1 KiB\"";
        let app = format!("isolation = \"request\"\n[handlers.app.limits]\n{limits}");
        let server = Site::handler(&guest(world), &app).start();
        assert_eq!(server.get("/fields?80").text(), "80", "{world}");
        // The native world has no resources, and a number of streams that is wasmtime's.
        let native = world == "faults_web";
        assert_eq!(server.get("/fields?110").status, if native { 200 } else { 502 }, "{world}");
        assert_eq!(server.get("/big-call?5000").status, 200, "{world}");
        assert_eq!(server.get("/big-call?20000").status, 502, "{world}");
        assert_eq!(server.get("/random?1024").text(), "1024", "{world}");
        // 0.3 gives as much as it may, 0.2 has no way to give less; and the native guest
        // asks 0.2.
        let more = server.get("/random?1025");
        let told = if world == "faults03" { more.text() == "1024" } else { more.status == 502 };
        assert!(told, "{world}: {more:?}");
        for kind in ["resources", "hostcall"] {
            if native && kind == "resources" {
                continue;
            }
            let name = format!("squall_faults_total{{handler=\"app\",kind=\"{kind}\"}}");
            assert_eq!(server.metric(&name), 1.0, "{world} {kind}");
        }
    }
}

#[test]
fn the_compile_cache_stays_within_its_size() {
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join("cache");
    let site = Site::toml(
        "[server.limits]\ncache_size = \"1 MiB\"\n[[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n",
    );
    site.write("app.wasm", version("version03", 1));
    let server = site.cache(folder.clone()).start();
    for n in 2..=8 {
        server.site.replace("app.wasm", version("version03", n));
        eventually(SOON, "the swap", || server.generation("app") == u64::from(n));
    }
    let entries = || fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
    let total: u64 = entries().map(|found| found.len()).sum();
    let one = entries().map(|found| found.len()).max().unwrap();
    assert!(total <= 1 << 20, "{total} bytes");
    assert!(total + one > 1 << 20, "and uses it: {total} bytes in entries of {one}");
}

#[test]
fn a_compile_that_takes_long_says_so() {
    let site = Site::toml(
        "[server.limits]\ncompile_notice = \"1ms\"\n[[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n",
    );
    site.write("app.wasm", version("version03", 1));
    let cache = tempfile::tempdir().unwrap();
    let server = site.cache(cache.path().join("cache")).start();
    let said = || {
        let lines = server.stderr();
        lines.iter().filter(|line| line.contains("still compiling after 1 ms")).count()
    };
    eventually(SOON, "the notice at the start", || said() == 1);
    server.site.replace("app.wasm", version("version03", 2));
    eventually(SOON, "the notice at the reload", || said() == 2);
}

/// The rule of the house: a limit that no test sets is a limit that nobody knows to
/// hold. Those of unit tests are beside what they limit.
#[test]
fn every_limit_is_tried() {
    let in_unit_tests = [
        "connections_per_address", // loopback, where tests live, is not counted
    ];
    let mut tests = String::new();
    for entry in fs::read_dir(root().join("tests/integration")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            tests.push_str(&fs::read_to_string(path).unwrap());
        }
    }
    let (_, table, _) = squall(&["limits"], Path::new("."));
    for row in table.lines().filter(|row| row.contains("  ") && !row.starts_with('[')) {
        let name = row.split_whitespace().next().unwrap();
        let tried = tests.contains(&format!("{name} = ")) || in_unit_tests.contains(&name);
        assert!(tried, "no test sets `{name}`");
    }
}
