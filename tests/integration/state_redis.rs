//! State on a server of Redis' protocol.

use crate::state::{EVERYTHING, EVERYTHINGS_BYTES};
use crate::support::redis::Redis;
use crate::support::server::Site;
use crate::support::state::{ask, begin, component, config, operations, talk};
use crate::support::{SOON, eventually, eventually_eq};
use rustix::process::{Pid, Signal, kill_process};
use squall_test_guests::guest;
use std::time::{Duration, Instant};

fn site(redis: &Redis, world: &str, limits: &str, handler: &str) -> Site {
    let state = format!("backend = \"redis\"\nurl = \"{}\"", redis.url());
    let site = Site::toml(&config(&state, limits, handler));
    site.write("app.wasm", component(world));
    site
}

#[test]
fn every_function_does_what_it_says_on_a_server() {
    for world in ["state02", "state03", "sdk", "sdk_http"] {
        let Some(redis) = Redis::start() else { return };
        let server = site(&redis, world, "", "").start();
        talk(&server, EVERYTHING);
        let status = server.status();
        assert_eq!(status["handlers"][0]["state"]["bytes"], EVERYTHINGS_BYTES, "{status}");
        assert!(status["state"].as_str().unwrap().starts_with("redis at `redis://"), "{status}");
        assert!(!server.site.file("state").exists());
        // Several servers may have it.
        let other = site(&redis, world, "", "").start();
        assert_eq!(ask(&other, "/get?default&s"), "third");
    }
}

#[test]
fn an_address_with_a_password_comes_from_elsewhere_and_is_never_told() {
    let Some(redis) = Redis::start() else { return };
    redis.require_password("hunter2");
    let state = "backend = \"redis\"\nurl = { env = \"STATE_URL\" }";
    let serve = |password: &str| {
        let site = Site::toml(&config(state, "", ""));
        site.write("app.wasm", guest("state03"));
        let with = format!("redis://default:{password}@");
        site.env("STATE_URL", &redis.url().replace("redis://", &with))
    };
    let (status, stderr) = serve("hunter3").run();
    assert_eq!(status.code(), Some(64), "{stderr}");
    assert!(stderr.contains("the server of the state"), "{stderr}");
    assert!(!stderr.contains("hunter"), "{stderr}");
    let server = serve("hunter2").start();
    assert_eq!(ask(&server, "/set?default&k&v"), "set");
    let told = format!("{:?}{}", server.stderr(), server.status());
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn a_server_that_goes_and_comes_back_is_found_again() {
    let Some(mut redis) = Redis::start() else { return };
    let server = site(&redis, "state03", "state_wait = \"2s\"", "").start();
    assert_eq!(ask(&server, "/set?default&k&v"), "set");
    redis.kill();
    assert_eq!(
        ask(&server, "/set?default&k&lost"),
        "error: the store does not answer as it should"
    );
    server.await_log("the server of the state failed");
    redis.go();
    eventually_eq(SOON, "reading", &"v".to_owned(), || ask(&server, "/get?default&k"));
    assert_eq!(ask(&server, "/set?default&k&again"), "set");
    let (status, stderr) = {
        redis.kill();
        site(&redis, "state03", "", "").run()
    };
    assert_eq!(status.code(), Some(64), "{stderr}");
    assert!(stderr.contains("cannot be reached; start it, or correct `url`"), "{stderr}");
}

/// A server that holds its clients, until the guard is dropped.
struct Held(Pid);

fn hold(redis: &Redis) -> Held {
    let pid = Pid::from_raw(redis.pid().cast_signed()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    Held(pid)
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

#[test]
fn a_call_waits_no_longer_than_state_wait() {
    for world in ["state02", "state03", "sdk", "sdk_http"] {
        let Some(redis) = Redis::start() else { return };
        let server = site(&redis, world, "state_wait = \"300ms\"", "").start();
        assert_eq!(ask(&server, "/set?default&k&v"), "set");
        let held = hold(&redis);
        let text = ask(&server, "/get?default&k");
        assert!(text.starts_with("error: the store d"), "{world}: {text}");
        assert!(operations(&server, "get", "unavailable") >= 1.0);
        drop(held);
        eventually_eq(SOON, "reading", &"v".to_owned(), || ask(&server, "/get?default&k"));
    }
}

/// G6 of state: the call ends with its client, and lets its neighbours go on.
#[test]
fn g6_a_call_ends_with_the_client_that_it_is_for() {
    let Some(redis) = Redis::start() else { return };
    let handler = "[handlers.app.limits]\nhead_deadline = \"60s\"";
    let server = site(&redis, "state03", "state_wait = \"50s\"", handler).start();
    assert_eq!(ask(&server, "/set?default&k&v"), "set");
    let mut neighbour = begin(server.address, "/sleep?1000");
    server.await_in_flight(1);
    let began = Instant::now();
    let held = hold(&redis);
    let leaving = begin(server.address, "/get?default&k");
    server.await_in_flight(2);
    // It has the instance for itself by now, because its function is not async.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(server.metric("squall_instances{handler=\"app\"}"), 1.0);
    leaving.reset();
    let reply = neighbour.reply();
    assert_eq!((reply.status, reply.text()), (200, "slept".to_owned()));
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    drop(held);
    eventually(SOON, "the end", || server.metric("squall_in_flight{handler=\"app\"}") == 0.0);
}

/// A native instance goes on while one of its requests waits, and stops what nobody waits for.
#[test]
fn a_write_that_waits_holds_up_nobody_else_in_its_instance() {
    let Some(redis) = Redis::start() else { return };
    let handler = "[handlers.app.limits]\nhead_deadline = \"60s\"\ninstances = 1";
    let server = site(&redis, "sdk", "state_wait = \"50s\"", handler).start();
    assert_eq!(ask(&server, "/set?default&k&v"), "set");
    let held = hold(&redis);
    let leaving = begin(server.address, "/held?default&left&v");
    let mut staying = begin(server.address, "/held?default&k&w");
    server.await_in_flight(2);
    assert_eq!(ask(&server, "/nothing?default"), "error: there is no /nothing");
    leaving.reset();
    server.await_log("the handler of /held is dropped");
    server.await_in_flight(1);
    assert!(!server.stderr().iter().any(|line| line.contains("/held went on")));
    drop(held);
    assert_eq!(staying.reply().text(), "set");
    assert_eq!(server.metric("squall_instances_started_total{handler=\"app\"}"), 1.0);
    assert_eq!(ask(&server, "/get?default&k"), "w");
}

#[test]
fn a_store_that_is_unavailable_is_a_503_of_the_sdk() {
    let Some(redis) = Redis::start() else { return };
    for world in ["sdk", "sdk_http"] {
        let server = site(&redis, world, "state_wait = \"300ms\"", "").start();
        let held = hold(&redis);
        let reply = server.get("/client/set?default&k&v");
        drop(held);
        assert_eq!(reply.status, 503, "{world}: {}", reply.text());
        assert!(reply.text().contains("try again later"), "{world}: {}", reply.text());
        assert!(!reply.text().contains("store"), "{world}: {}", reply.text());
        server.await_log("503: the store d");
    }
}
