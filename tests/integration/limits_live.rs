//! A limit of the server that is edited while it runs is in force without a restart,
//! and nobody is disconnected for it.

use crate::support::client::Wire;
use crate::support::h2::H2;
use crate::support::server::{Server, Site};
use crate::support::tls::{Encrypted, certificate};
use crate::support::upstream::Upstream;
use crate::support::wat::wat02;
use crate::support::{SOON, eventually, eventually_eq};
use rustix::process::Signal;
use squall_test_guests::{guest, version};
use std::time::Duration;

/// Long enough for what must not happen to happen.
const A_WHILE: Duration = Duration::from_millis(500);

const OK: &str = "squall_config_reloads_total{result=\"ok\"}";

fn config(server: &str, rest: &str) -> String {
    format!(
        "[server.limits]\n{server}\n[[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n{rest}\n"
    )
}

fn serve(component: &[u8], config: &str) -> Server {
    let site = Site::toml(config);
    site.write("app.wasm", component);
    site.start()
}

/// Saves `config`, and waits until it is in force.
fn edit(server: &Server, config: &str) {
    let before = server.metric(OK);
    server.site.replace("squall.toml", config);
    eventually_eq(SOON, "the reload", &(before + 1.0), || server.metric(OK));
}

fn ask(server: &Server, target: &str) -> Wire {
    let mut wire = Wire::open(server.address);
    ask_on(&mut wire, target);
    wire
}

fn ask_on(wire: &mut Wire, target: &str) {
    wire.request(&format!("GET {target} HTTP/1.1\nHost: test\n\n"));
}

#[test]
fn connections() {
    let of = |connections: u32| config(&format!("connections = {connections}"), "");
    let server = serve(&guest("hello03"), &of(2));
    let accepted = || server.metric("squall_connections_accepted_total");
    let mut held: Vec<Wire> = (0..2).map(|_| ask(&server, "/")).collect();
    assert!(held.iter_mut().all(|wire| wire.reply().status == 200));
    let mut third = ask(&server, "/");
    std::thread::sleep(A_WHILE);
    assert_eq!(accepted(), 2.0);
    edit(&server, &of(3));
    assert_eq!(third.reply().status, 200);
    held.push(third);
    edit(&server, &of(1));
    for wire in &mut held {
        ask_on(wire, "/");
        assert_eq!(wire.reply().status, 200, "nobody is disconnected");
    }
    let mut fourth = ask(&server, "/");
    held.truncate(1);
    eventually_eq(SOON, "the connections", &1.0, || server.metric("squall_connections"));
    std::thread::sleep(A_WHILE);
    assert_eq!(accepted(), 3.0);
    held.clear();
    assert_eq!(fourth.reply().status, 200);
}

#[test]
fn a_drain_waits_for_all_connections_whatever_their_limit_was() {
    let of = |connections: u32| config(&format!("connections = {connections}"), "");
    let mut server = serve(&guest("faults03"), &of(4));
    let mut asked: Vec<Wire> = (0..4).map(|_| ask(&server, "/sleep-ms?2000")).collect();
    server.await_in_flight(4);
    edit(&server, &of(2));
    server.signal(Signal::TERM);
    assert!(asked.iter_mut().all(|wire| wire.reply().status == 200));
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_server_that_drains_takes_no_new_config() {
    let of = |connections: u32| config(&format!("connections = {connections}"), "");
    let mut server = serve(&guest("faults03"), &of(2));
    let mut asked: Vec<Wire> = (0..2).map(|_| ask(&server, "/sleep-ms?2000")).collect();
    server.await_in_flight(2);
    server.signal(Signal::TERM);
    server.await_log("draining");
    server.site.replace("squall.toml", of(9));
    assert!(asked.iter_mut().all(|wire| wire.reply().status == 200));
    assert_eq!(server.wait().code(), Some(0));
    assert!(!server.stderr().iter().any(|line| line.contains("config reloaded")));
}

#[test]
fn open_files() {
    let of = |open: u32, wait: &str| {
        let limits = format!("files_open = {open}\nfiles_wait = \"{wait}\"");
        config(&limits, "[[routes]]\nmount = \"/files\"\nfolder = \"files\"\n")
    };
    let site = Site::toml(&of(1, "50ms"));
    site.write("app.wasm", guest("hello03"));
    site.write("files/large", vec![b'x'; 32 << 20]);
    site.write("files/small", "small");
    let server = site.start();
    let mut held = ask(&server, "/files/large");
    held.until_received("xxxx");
    assert_eq!(server.get("/files/small").status, 503);
    edit(&server, &of(2, "50ms"));
    assert_eq!(server.get("/files/small").text(), "small");
    edit(&server, &of(1, "50ms"));
    assert_eq!(server.get("/files/small").status, 503);
    edit(&server, &of(1, "1h"));
    let mut waiting = ask(&server, "/files/small");
    std::thread::sleep(A_WHILE);
    drop(held);
    assert_eq!(waiting.reply().text(), "small");
}

#[test]
fn outbound_connections() {
    let (silent, text) = (Upstream::silent(), Upstream::text("text"));
    let rest = "outbound = [\"http://127.0.0.1:*\"]\n[handlers.app.limits]\n\
                outbound_connect = \"300ms\"\noutbound_head = \"60s\"\nhead_deadline = \"60s\"\n";
    let of = |open: u32| config(&format!("outbound_open = {open}"), rest);
    let server = serve(&guest("faults03"), &of(1));
    let fetch = || server.get(&format!("/fetch?{}", text.url())).text();
    let held = ask(&server, &format!("/fetch?{}", silent.url()));
    eventually(SOON, "connecting", || silent.connections() == 1);
    assert!(fetch().contains("ConnectionLimitReached"));
    edit(&server, &of(2));
    assert_eq!(fetch(), "200 text");
    edit(&server, &of(1));
    assert!(fetch().contains("ConnectionLimitReached"));
    assert_eq!(silent.closed(), 0, "what is open stays");
    drop(held);
    eventually(SOON, "the end of it", || silent.closed() == 1);
    eventually_eq(SOON, "room for the next", &"200 text".to_owned(), fetch);
}

#[test]
fn instances() {
    let rest = "isolation = \"request\"\n[handlers.app.limits]\nqueue_time = \"1h\"\n\
                head_deadline = \"1h\"\n";
    let of = |instances: u32| config(&format!("instances = {instances}"), rest);
    let server = serve(&guest("faults03"), &of(1));
    let alive = || server.metric("squall_instances{handler=\"app\"}");
    let waiting = || server.metric("squall_queue{handler=\"app\"}");
    let held = ask(&server, "/sleep-ms?600000");
    eventually_eq(SOON, "instances", &1.0, alive);
    let mut second = ask(&server, "/sleep-ms?1");
    eventually_eq(SOON, "requests that wait", &1.0, waiting);
    edit(&server, &of(2));
    assert_eq!(second.reply().status, 200, "nothing else has told it that there is room");
    let other = ask(&server, "/sleep-ms?600000");
    eventually_eq(SOON, "instances", &2.0, alive);
    edit(&server, &of(1));
    let mut last = ask(&server, "/sleep-ms?1");
    eventually_eq(SOON, "requests that wait", &1.0, waiting);
    drop(other);
    eventually_eq(SOON, "instances", &1.0, alive);
    std::thread::sleep(A_WHILE);
    assert_eq!((alive(), waiting()), (1.0, 1.0), "one is as many as there may be");
    drop(held);
    assert_eq!(last.reply().status, 200);
}

#[test]
fn a_new_connection_has_the_new_limits_and_an_old_one_stays() {
    let server = serve(&guest("faults03"), &config("", ""));
    let (long, large) = (format!("/{}", "x".repeat(200)), "x".repeat(9 << 10));
    let mut old = ask(&server, &long);
    assert_eq!(old.reply().status, 200);
    let limits = "target_size = \"100 B\"\nkeep_alive = \"300ms\"\nh2_head_size = \"4 KiB\"";
    edit(&server, &config(limits, ""));
    assert_eq!(server.get(&long).status, 414);
    let mut idle = ask(&server, "/");
    assert_eq!(idle.reply().status, 200);
    assert!(idle.closes_within(SOON));
    let mut h2 = H2::open(server.address);
    let stream = h2.request("GET", "/", &[("x-big", &large)], true);
    assert_ne!(h2.reply(stream).status, Some(200));
    ask_on(&mut old, &long);
    assert_eq!(old.reply().status, 200, "it began with other limits");
}

#[test]
fn what_reloads_go_by() {
    let rest = "health = \"/demand?/data/ready\"\n\
                folders = [{ host = \"data\", guest = \"/data\" }]\n";
    let site = Site::toml(&config("poll = \"1h\"", rest));
    site.write("app.wasm", version("version03", 1));
    site.write("data/other", "");
    let cache = tempfile::tempdir().unwrap();
    let server = site.cache(cache.path().join("cache")).start();
    let limits = "poll = \"100ms\"\ncompile_notice = \"1ms\"\ncache_size = \"1 KiB\"";
    edit(&server, &config(limits, rest));
    server.site.replace("app.wasm", guest("faults03"));
    server.await_log("still compiling after 1 ms");
    server.await_log("it is larger than `cache_size`");
    server.await_log("health request");
    server.site.write("data/ready", "ready");
    eventually(SOON, "another try after a poll", || server.generation("app") > 1);
    edit(&server, &config("component_size = \"1 KiB\"", rest));
    server.site.replace("app.wasm", version("version03", 2));
    server.await_log("`component_size`");
}

/// A config is judged by its own limits.
#[test]
fn a_larger_component_comes_with_a_larger_limit() {
    let small = wat02("", "unreachable");
    let of = |size: &str, app: &str| {
        let config = config(&format!("component_size = \"{size}\""), "");
        config.replace("app.wasm", app)
    };
    let server = serve(&small, &of("64 KiB", "app.wasm"));
    server.site.write("large.wasm", guest("hello03"));
    server.site.replace("squall.toml", of("64 KiB", "large.wasm"));
    server.await_log("`component_size` allows (64 KiB)");
    edit(&server, &of("32 MiB", "large.wasm"));
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn the_deadline_of_a_drain() {
    let rest = "[handlers.app.limits]\nhead_deadline = \"1h\"\n";
    let mut server = serve(&guest("faults03"), &config("", rest));
    edit(&server, &config("drain = \"200ms\"", rest));
    let _held = ask(&server, "/sleep-ms?600000");
    server.await_in_flight(1);
    server.signal(Signal::TERM);
    server.await_log("draining for at most 200 ms");
    assert_eq!(server.wait().code(), Some(1));
}

#[test]
fn what_waits_for_a_restart_is_said_once_with_its_values() {
    let server = serve(&guest("hello03"), &config("", ""));
    let waits = "stack = \"1 MiB\"\nmemory_ceiling = \"1 GiB\"\nlog_queue = 100\ninstances = 5000";
    edit(&server, &config(&format!("{waits}\ntarget_size = \"100 B\""), ""));
    assert_eq!(server.get(&format!("/{}", "x".repeat(200))).status, 414, "the rest is in force");
    let told = "`instances` from 2000 to 5000, `stack` from 512 KiB to 1 MiB, \
                `memory_ceiling` from 4 GiB to 1 GiB, `log_queue` from 8192 to 100";
    let line = server.await_log(told);
    assert!(line.contains("restart") && line.contains("WARN"), "{line}");
    let warnings = || server.stderr().iter().filter(|line| line.contains("restart")).count();
    assert_eq!(warnings(), 1);
    let status = server.status();
    let waiting = status["awaits_restart"].as_array().unwrap();
    assert_eq!(waiting.len(), 4, "{status}");
    assert_eq!(waiting[1], "`stack` from 512 KiB to 1 MiB");
    edit(&server, &config("", ""));
    assert!(server.status()["awaits_restart"].is_null());
    assert_eq!(warnings(), 1);
}

/// The whole new config or none.
#[test]
fn limits_that_cannot_be_kept_are_refused() {
    let low = "memory_ceiling = \"32 MiB\"";
    let small = "[handlers.app.limits]\nmemory = \"16 MiB\"\n";
    let server = serve(&guest("hello03"), &config(low, small));
    let more = config(
        "memory_ceiling = \"64 MiB\"\ntarget_size = \"100 B\"",
        "[handlers.app.limits]\nmemory = \"64 MiB\"\n",
    );
    server.site.replace("squall.toml", more);
    let line = server.await_log("the old one stays");
    for word in ["handler `app`", "64 MiB", "`memory_ceiling`", "32 MiB", "restart"] {
        assert!(line.contains(word), "{word}: {line}");
    }
    let more = config(&format!("{low}\nconnections = 100_000_000"), small);
    server.site.replace("squall.toml", more);
    server.await_log("`connections` is 100000000");
    assert_eq!(server.get(&format!("/{}", "x".repeat(200))).status, 200);
    assert_eq!(server.status()["healthy"], false);
}

#[test]
fn certificates_that_are_trusted() {
    let peer = Encrypted::start();
    let rest = "outbound = [\"https://localhost:*\"]\n[[routes]]\nmount = \"/alone\"\n\
                handler = \"alone\"\n[handlers.alone]\ncomponent = \"app.wasm\"\n";
    let site = Site::toml(&config("", rest));
    site.write("app.wasm", guest("faults03"));
    site.write("ca.pem", &peer.pem);
    let server = site.start();
    let trusts = || server.get(&format!("/fetch?{}", peer.url())).text() == "200 text";
    assert!(!trusts());
    edit(&server, &format!("[server]\noutbound_ca = \"ca.pem\"\n{}", config("", rest)));
    assert!(trusts());
    server.site.replace("ca.pem", certificate());
    eventually_eq(SOON, "the generation", &3, || server.generation("app"));
    assert!(!trusts());
    server.site.replace("ca.pem", "no certificate");
    server.await_log("it holds no certificate");
    assert_eq!(server.status()["healthy"], false);
    server.site.replace("ca.pem", &peer.pem);
    eventually_eq(SOON, "the generation", &4, || server.generation("app"));
    assert!(trusts());
    assert_eq!(server.generation("alone"), 1, "it asks nobody");
}
