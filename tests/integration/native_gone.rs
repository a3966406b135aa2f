//! A native handler whose client leaves: it may stop by itself, and only it does.

use crate::support::aftermath::{Aftermath, site_with_canary};
use crate::support::client::{self, Wire};
use crate::support::server::Server;
use crate::support::upstream::Upstream;
use crate::support::{SOON, eventually};
use squall_test_guests::guest;
use std::thread::JoinHandle;
use std::time::Duration;

/// All requests are in one instance.
fn serve(name: &str, limits: &str) -> Server {
    serve_as(name, &format!("[handlers.app.limits]\ninstances = 1\n{limits}"))
}

fn serve_as(name: &str, handler: &str) -> Server {
    let app = format!("outbound = [\"http://127.0.0.1:*\"]\n{handler}");
    site_with_canary(&guest(name), &app).env("TOKIO_WORKER_THREADS", "1").start()
}

/// A request whose client will leave.
fn ask(server: &Server, target: &str) -> Wire {
    let mut wire = Wire::open(server.address);
    wire.request(&format!("GET {target} HTTP/1.1\nHost: test\n\n"));
    wire
}

/// A request whose client stays.
fn stay(server: &Server, target: &str) -> JoinHandle<String> {
    let (address, target) = (server.address, target.to_owned());
    std::thread::spawn(move || client::get(address, &target).text())
}

fn instances(server: &Server) -> f64 {
    server.metric("squall_instances_started_total{handler=\"app\"}")
}

#[test]
fn of_three_requests_in_an_instance_those_stop_whose_clients_leave() {
    for (name, path) in [
        ("faults_web", "/race-fetch"),
        ("faults_web", "/fetch"),
        ("sdk_web", "/fetch"),
        ("sdk_core", "/fetch"),
    ] {
        let mut server = serve(name, "");
        let after = Aftermath::begin(&server);
        let (first, second) = (Upstream::silent(), Upstream::silent());
        let third =
            stay(&server, if name == "faults_web" { "/sleep-ms?2000" } else { "/sleep?2000" });
        server.await_in_flight(1);
        let one = ask(&server, &format!("{path}?{}", first.url()));
        let two = ask(&server, &format!("{path}?{}", second.url()));
        eventually(SOON, "both calls", || first.connections() + second.connections() == 2);
        drop(one);
        eventually(SOON, "the end of the first call", || first.closed() == 1);
        assert_eq!(second.closed(), 0, "its neighbour's goes on");
        two.reset();
        eventually(SOON, "the end of the second call", || second.closed() == 1);
        server.await_in_flight(1);
        if path == "/race-fetch" {
            server.await_log(&format!("gone: {}", first.url()));
            server.await_log(&format!("gone: {}", second.url()));
        }
        assert_eq!(third.join().unwrap(), "slept", "{name}: it goes on to its end");
        assert_eq!(instances(&server), 1.0, "{name}: in the same instance");
        assert_eq!(server.get("/").text(), "ok");
        assert_eq!(instances(&server), 1.0, "{name}: which goes on too");
        after.check(&mut server, &[("cancelled", 2.0)]);
    }
}

#[test]
fn a_request_that_the_guest_drops_is_cancelled() {
    let upstream = Upstream::silent();
    let server = serve("faults_web", "");
    let answer = stay(&server, &format!("/fetch-drop?{}", upstream.url()));
    eventually(SOON, "the call", || upstream.connections() == 1);
    eventually(SOON, "the end of the call", || upstream.closed() == 1);
    server.await_in_flight(1);
    assert_eq!(answer.join().unwrap(), "dropped", "and it goes on itself");
}

#[test]
fn the_sdk_drops_a_handler_whose_client_leaves_and_what_it_has_begun() {
    let mut server = serve("sdk_web", "");
    let after = Aftermath::begin(&server);
    let upstream = Upstream::silent();
    let neighbour = stay(&server, "/sleep?2000");
    server.await_in_flight(1);
    let spawned = ask(&server, &format!("/spawned?{}", upstream.url()));
    eventually(SOON, "its call", || upstream.connections() == 1);
    let sleeps = ask(&server, "/sleep?60000");
    server.await_in_flight(3);
    drop(spawned);
    eventually(SOON, "the end of its call", || upstream.closed() == 1);
    for dropped in ["the handler of /spawned", "what /spawned began", "what that began"] {
        server.await_log(&format!("{dropped} is dropped"));
    }
    let is_told = |line: &String| line.contains("the handler of /sleep is dropped");
    assert!(!server.stderr().iter().any(is_told), "its neighbours go on");
    drop(sleeps);
    server.await_log("the handler of /sleep is dropped");
    assert_eq!(neighbour.join().unwrap(), "slept");
    assert_eq!(instances(&server), 1.0);
    let went_on = |line: &String| line.contains("/spawned went on");
    assert!(!server.stderr().iter().any(went_on), "dropped, and not woken to go on");
    let went_on = server.stderr().iter().filter(|line| line.contains("/sleep went on")).count();
    assert_eq!(went_on, 1, "the neighbour's");
    after.check(&mut server, &[("cancelled", 2.0)]);
}

#[test]
fn the_sdk_stops_writing_to_a_client_that_left() {
    // What nobody reads is taken for a while, for the sake of guests that do not look.
    let mut server = serve("sdk_web", "discard = \"10 B\"");
    let after = Aftermath::begin(&server);
    let neighbour = stay(&server, "/sleep?2000");
    server.await_in_flight(1);
    let mut wire = ask(&server, "/stream?20");
    wire.until_received("piece");
    drop(wire);
    server.await_log("/stream was told");
    assert_eq!(neighbour.join().unwrap(), "slept");
    assert_eq!(server.get("/stream?1").body.len(), 50 * 6);
    server.await_log("/stream went on to its end");
    assert_eq!(instances(&server), 1.0);
    after.check(&mut server, &[("cancelled", 1.0)]);
}

/// Once the answer is out its client may go: what was begun for it may still be of use.
#[test]
fn what_goes_on_after_the_answer_is_not_cut_short() {
    for handler in ["", "isolation = \"request\""] {
        let server = serve_as("sdk_web", handler);
        let mut wire = ask(&server, "/after?300");
        assert_eq!(wire.reply().text(), "answered");
        drop(wire);
        server.await_log("/after went on to its end");
        let server = serve_as("faults_web", handler);
        let mut wire = ask(&server, "/gone-after?300");
        assert_eq!(wire.reply().text(), "answered");
        drop(wire);
        server.await_log("not gone after the answer");
    }
}

/// It says that it will stop by itself, and does not: it has the time that `post_return`
/// gives.
#[test]
fn who_is_told_and_goes_on_is_ended_in_time() {
    let upstream = Upstream::silent();
    let limits = "post_return = \"300ms\"\nhead_deadline = \"1m\"";
    let server = serve("faults_web", limits);
    let neighbour = stay(&server, "/sleep-ms?2500");
    server.await_in_flight(1);
    let wire = ask(&server, &format!("/gone-ignored?{}", upstream.url()));
    eventually(SOON, "its call", || upstream.connections() == 1);
    drop(wire);
    server.await_log("gone, and going on");
    eventually(SOON, "the end of its call", || upstream.closed() == 1);
    server.await_log("error: Error::Cancelled");
    assert_eq!(neighbour.join().unwrap(), "slept");
}

#[test]
fn who_asks_again_whether_its_client_left_is_told_again() {
    let server = serve("faults_web", "");
    let neighbour = stay(&server, "/sleep-ms?1500");
    server.await_in_flight(1);
    let wire = ask(&server, "/gone-twice");
    server.await_in_flight(2);
    drop(wire);
    server.await_log("gone twice");
    assert_eq!(neighbour.join().unwrap(), "slept");
}

#[test]
fn an_instance_of_one_request_ends_with_its_client() {
    let mut server = serve_as("sdk_web", "isolation = \"request\"");
    let after = Aftermath::begin(&server);
    let upstream = Upstream::silent();
    let wires: Vec<Wire> =
        (0..5).map(|_| ask(&server, &format!("/fetch?{}", upstream.url()))).collect();
    eventually(SOON, "the calls", || upstream.connections() == 5);
    drop(wires);
    eventually(SOON, "the end of the calls", || upstream.closed() == 5);
    eventually(SOON, "the end of the instances", || {
        server.metric("squall_instances{handler=\"app\"}") == 0.0
    });
    std::thread::sleep(Duration::from_millis(50));
    after.check(&mut server, &[("cancelled", 5.0)]);
}
