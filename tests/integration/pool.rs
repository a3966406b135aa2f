//! Instances: how private they are (G27), how many there are, who waits for one.

use crate::support::aftermath::{Aftermath, site_with_canary};
use crate::support::client::{self};
use crate::support::fault_guests::{FAULTS, SHARING, one_thread};
use crate::support::{SOON, eventually};
use squall_test_guests::guest;
use std::time::{Duration, Instant};

#[test]
fn g27_instances_are_as_private_as_they_are_said_to_be() {
    // 0.2 by default, and the others if asked: nothing is left of the request before.
    let request = "isolation = \"request\"";
    for (world, app) in [("faults02", ""), ("faults03", request), ("faults_web", request)] {
        let server = site_with_canary(&guest(world), app).start();
        server.get("/secret-set?42");
        assert_eq!(server.get("/secret-get").text(), "0", "{world}");
    }
    // Shared: documented to be left.
    let shared = "isolation = \"shared\"";
    for (world, app) in [("faults02", shared), ("faults03", ""), ("faults_web", "")] {
        let server = site_with_canary(&guest(world), app).start();
        server.get("/secret-set?42");
        assert_eq!(server.get("/secret-get").text(), "42", "{world}");
    }
}

#[test]
fn a_trap_takes_the_requests_of_its_instance_and_says_so() {
    for world in SHARING {
        // Only one, however busy the machine is.
        let mut server = one_thread(world, "instances = 1");
        let after = Aftermath::begin(&server);
        let address = server.address;
        let waits: Vec<_> = (0..3)
            .map(|_| std::thread::spawn(move || client::get(address, "/sleep-ms?20000").status))
            .collect();
        server.await_in_flight(3);
        assert_eq!(server.get("/trap").status, 502);
        for wait in waits {
            assert_eq!(wait.join().unwrap(), 502);
        }
        after.check(&mut server, &[("trap", 1.0), ("neighbour", 3.0)]);
    }
}

#[test]
fn a_shared_instance_serves_as_many_requests_as_it_may() {
    for world in FAULTS {
        let app = "isolation = \"shared\"\n[handlers.app.limits]\ninstance_requests = 5";
        let server = site_with_canary(&guest(world), app).start();
        let started = || server.metric("squall_instances_started_total{handler=\"app\"}");
        for _ in 0..20 {
            assert_eq!(server.get("/").status, 200);
        }
        assert_eq!(started(), 4.0, "{world}");
    }
}

#[test]
fn an_idle_instance_is_dropped() {
    for world in SHARING {
        let app = "isolation = \"shared\"\n[handlers.app.limits]\ninstance_idle = \"200ms\"";
        let server = site_with_canary(&guest(world), app).start();
        assert_eq!(server.get("/").status, 200);
        eventually(SOON, "dropping it", || {
            server.metric("squall_instances{handler=\"app\"}") == 0.0
        });
        assert_eq!(server.get("/").status, 200);
    }
}

#[test]
fn overload_waits_and_then_says_so() {
    for world in FAULTS {
        let limits = "instances = 2\ninstance_concurrency = 1\nqueue = 3\nqueue_time = \"5s\"";
        let app = format!("[handlers.app.limits]\n{limits}");
        let server = site_with_canary(&guest(world), &app).start();
        let address = server.address;
        let calls: Vec<_> = (0..20)
            .map(|_| std::thread::spawn(move || client::get(address, "/sleep-ms?700")))
            .collect();
        let replies: Vec<_> = calls.into_iter().map(|call| call.join().unwrap()).collect();
        let ok = replies.iter().filter(|r| r.status == 200).count();
        let busy: Vec<_> = replies.iter().filter(|r| r.status == 503).collect();
        assert_eq!((ok, busy.len()), (5, 15), "{world}: two run, three wait");
        assert!(busy.iter().all(|r| r.header("retry-after") == Some("1")));
        assert_eq!(server.metric("squall_faults_total{handler=\"app\",kind=\"queue_full\"}"), 15.0);
        assert_eq!(server.get("/").status, 200);
    }
}

#[test]
fn a_request_that_waits_too_long_for_an_instance_is_told() {
    let limits = "instances = 1\nqueue_time = \"300ms\"";
    let server =
        site_with_canary(&guest("faults02"), &format!("[handlers.app.limits]\n{limits}")).start();
    let address = server.address;
    let first = std::thread::spawn(move || client::get(address, "/sleep-ms?1500").status);
    server.await_in_flight(1);
    let reply = server.get("/");
    assert_eq!(reply.status, 503);
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(first.join().unwrap(), 200);
    assert_eq!(server.metric("squall_queue{handler=\"app\"}"), 0.0);
    assert_eq!(server.metric("squall_faults_total{handler=\"app\",kind=\"queue_time\"}"), 1.0);
}

#[test]
fn in_flight_requests_are_bounded() {
    for world in SHARING {
        let server =
            site_with_canary(&guest(world), "[handlers.app.limits]\nin_flight = 2").start();
        let address = server.address;
        let calls: Vec<_> = (0..5)
            .map(|_| std::thread::spawn(move || client::get(address, "/sleep-ms?800").status))
            .collect();
        let mut statuses: Vec<u16> = calls.into_iter().map(|c| c.join().unwrap()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 503, 503, 503]);
    }
}

#[test]
fn the_servers_instances_are_shared_by_its_handlers() {
    let site = site_with_canary(&guest("faults02"), "[server.limits]\ninstances = 2");
    let server = site.start();
    let address = server.address;
    let calls: Vec<_> = (0..6)
        .map(|_| std::thread::spawn(move || client::get(address, "/sleep-ms?200").status))
        .collect();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(server.get("/canary/").status, 200, "the neighbour gets its turn");
    assert!(calls.into_iter().all(|call| call.join().unwrap() == 200));
}

#[test]
fn a_blocked_guest_does_not_block_the_server() {
    for world in SHARING {
        // A guest that serves several requests and blocks in a 0.2 import holds its instance, and nobody else.
        let server = one_thread(world, "");
        let address = server.address;
        let blocked = std::thread::spawn(move || client::get(address, "/block?1000").text());
        server.await_in_flight(1);
        let began = Instant::now();
        assert_eq!(server.get("/").status, 200);
        assert!(began.elapsed() < Duration::from_millis(700), "waited {:?}", began.elapsed());
        assert_eq!(blocked.join().unwrap(), "blocked");
    }
}
