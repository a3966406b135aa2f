//! Rows G6: what is left of a request when its client leaves.

use crate::support::aftermath::{Aftermath, site_with_canary};
use crate::support::client::{self, Wire};
use crate::support::fault_guests::{SHARING, in_all_worlds, one_thread};
use crate::support::{SOON, eventually};
use squall_test_guests::guest;
use std::time::{Duration, Instant};

#[test]
fn g6_when_the_client_leaves_the_work_stops() {
    in_all_worlds("", |server| {
        let instances = server.metric("squall_instances{handler=\"app\"}");
        let after = Aftermath::begin(server);
        for _ in 0..100 {
            let mut wire = Wire::open(server.address);
            wire.request("GET /forever HTTP/1.1\nHost: test\n\n");
            std::thread::sleep(Duration::from_millis(2));
        }
        eventually(SOON, "freeing the instances", || {
            server.metric("squall_instances{handler=\"app\"}") <= instances.max(1.0)
        });
        after.check(server, &[("cancelled", 100.0)]);
    });
}

#[test]
fn g6_a_shared_instance_loses_only_what_was_abandoned() {
    for world in SHARING {
        let upstream = crate::support::upstream::Upstream::silent();
        let app = format!("outbound = [\"{}\"]", upstream.url());
        let server = site_with_canary(&guest(world), &app).env("TOKIO_WORKER_THREADS", "1").start();
        let address = server.address;
        let neighbour = std::thread::spawn(move || client::get(address, "/sleep-ms?1500"));
        server.await_in_flight(1);
        let mut wire = Wire::open(address);
        wire.request(&format!("GET /fetch?{} HTTP/1.1\nHost: test\n\n", upstream.url()));
        eventually(SOON, "the outbound call", || upstream.connections() == 1);
        assert_eq!(
            server.metric("squall_instances{handler=\"app\"}"),
            1.0,
            "they share the instance"
        );
        drop(wire);
        let left = Instant::now();
        eventually(SOON, "closing the outbound call", || upstream.closed() == 1);
        assert!(left.elapsed() < Duration::from_secs(1), "closed after {:?}", left.elapsed());
        assert_eq!(neighbour.join().unwrap().text(), "slept", "the neighbour goes on");
    }
}

#[test]
fn g6_a_request_that_comes_as_the_instance_ends_goes_to_another() {
    for world in SHARING {
        let limits = "memory = \"1 GiB\"\nrandom = \"512 MiB\"\nhostcall = \"512 MiB\"\ncpu = \"1m\"\n\
                      head_deadline = \"20s\"";
        let app = format!("[handlers.app.limits]\n{limits}");
        let server = site_with_canary(&guest(world), &app).env("TOKIO_WORKER_THREADS", "2").start();
        for _ in 0..2 {
            // So much that giving it back takes a while.
            assert_eq!(server.get(&format!("/random?{}", 200 << 20)).status, 200);
            let mut next = Wire::open(server.address);
            let mut wire = Wire::open(server.address);
            wire.request("GET /forever HTTP/1.1\nHost: test\n\n");
            server.await_in_flight(1);
            drop(wire);
            server.await_in_flight(0);
            next.request("GET /sleep-ms?1 HTTP/1.1\nHost: test\n\n");
            assert_eq!(next.reply().text(), "slept");
        }
    }
}

#[test]
fn g6_a_response_that_the_guest_only_holds_is_closed_too() {
    for world in SHARING {
        let upstream = crate::support::upstream::Upstream::endless();
        let app = format!("outbound = [\"{}\"]", upstream.url());
        let server = site_with_canary(&guest(world), &app).env("TOKIO_WORKER_THREADS", "1").start();
        let address = server.address;
        let neighbour = std::thread::spawn(move || client::get(address, "/sleep-ms?1500"));
        server.await_in_flight(1);
        let mut wire = Wire::open(address);
        wire.request(&format!("GET /fetch-hold?{} HTTP/1.1\nHost: test\n\n", upstream.url()));
        eventually(SOON, "the outbound call", || upstream.connections() == 1);
        std::thread::sleep(Duration::from_millis(200));
        drop(wire);
        eventually(SOON, "closing the held response", || upstream.closed() == 1);
        assert_eq!(neighbour.join().unwrap().text(), "slept");
    }
}

#[test]
fn g6_the_timer_of_an_abandoned_request_ends_and_its_next_one_takes_its_time() {
    for world in SHARING {
        // One thread, so that both are in one instance.
        let server = one_thread(world, "");
        let address = server.address;
        let neighbour = std::thread::spawn(move || client::get(address, "/sleep-ms?2500"));
        server.await_in_flight(1);
        let mut wire = Wire::open(address);
        wire.request("GET /sleep-twice?1200 HTTP/1.1\nHost: test\n\n");
        server.await_in_flight(2);
        std::thread::sleep(Duration::from_millis(100));
        drop(wire);
        let left = Instant::now();
        server.await_log("after the first wait");
        assert!(
            left.elapsed() < Duration::from_millis(900),
            "the first wait ended after {:?}",
            left.elapsed()
        );
        server.await_log("after the second wait");
        assert!(
            left.elapsed() > Duration::from_millis(1000),
            "the second wait took {:?}",
            left.elapsed()
        );
        assert_eq!(neighbour.join().unwrap().text(), "slept");
    }
}

#[test]
fn g6_a_careless_writer_whose_client_leaves_does_not_hurt_its_neighbours() {
    for world in SHARING {
        let mut server = one_thread(world, "");
        let after = Aftermath::begin(&server);
        let address = server.address;
        let neighbour = std::thread::spawn(move || client::get(address, "/sleep-ms?2000"));
        server.await_in_flight(1);
        for leave in ["middle", "head", "at once"] {
            let mut wire = Wire::open(address);
            if leave == "head" {
                wire.request("HEAD /careless?20 HTTP/1.1\nHost: test\n\n");
                assert_eq!(wire.reply_to("HEAD").unwrap().status, 200);
            } else {
                wire.request("GET /careless?20 HTTP/1.1\nHost: test\n\n");
            }
            if leave == "middle" {
                wire.until_received("piece");
            }
        }
        // They came to their end, in the same instance.
        eventually(SOON, "coming to an end", || {
            let ends = |line: &String| line.contains("all pieces are written");
            server.stderr().iter().filter(|line| ends(line)).count() >= 2
        });
        assert_eq!(neighbour.join().unwrap().text(), "slept");
        assert_eq!(server.metric("squall_instances_started_total{handler=\"app\"}"), 1.0);
        let left = server.metric("squall_faults_total{handler=\"app\",kind=\"cancelled\"}");
        after.check(&mut server, &[("cancelled", left)]);
    }
}

#[test]
fn g6_what_is_taken_of_an_abandoned_response_is_bounded() {
    for world in SHARING {
        let limits = "discard = \"1 KiB\"\npost_return = \"300ms\"";
        let server = one_thread(world, limits);
        let address = server.address;
        let neighbour = std::thread::spawn(move || client::get(address, "/sleep-ms?3000").text());
        server.await_in_flight(1);
        // More than is taken, and slower than is waited for: both are told, and stop.
        for (path, piece) in [("/endless", "xxx"), ("/ticks", "tick")] {
            let mut wire = Wire::open(address);
            wire.request(&format!("GET {path} HTTP/1.1\nHost: test\n\n"));
            wire.until_received(piece);
            drop(wire);
            server.await_log(&format!("{path} was told"));
        }
        assert_eq!(neighbour.join().unwrap(), "slept");
    }
}

#[test]
fn g6_a_client_that_leaves_in_the_middle_of_a_stream_ends_it() {
    in_all_worlds("", |server| {
        let after = Aftermath::begin(server);
        for _ in 0..10 {
            let mut wire = Wire::open(server.address);
            wire.request("GET /endless HTTP/1.1\nHost: test\n\n");
            std::thread::sleep(Duration::from_millis(5));
            wire.reset();
        }
        after.check(server, &[("cancelled", 10.0)]);
    });
}

#[test]
fn a_client_that_leaves_while_it_sends_breaks_the_guests_read() {
    in_all_worlds("", |server| {
        let mut wire = Wire::open(server.address);
        wire.request("POST /count HTTP/1.1\nHost: test\nContent-Length: 1000\n\n");
        wire.send([b'x'; 500]);
        std::thread::sleep(Duration::from_millis(100));
        drop(wire);
        eventually(SOON, "noticing", || {
            server.metric("squall_faults_total{handler=\"app\",kind=\"cancelled\"}") == 1.0
        });
        assert_eq!(server.get("/").status, 200);
    });
}

#[test]
fn g6_bytes_that_nobody_reads_do_not_hide_that_the_client_left() {
    in_all_worlds("", |server| {
        let after = Aftermath::begin(server);
        let body = "x".repeat(100_000);
        let unread = format!("Content-Length: {}\n\n{body}", body.len());
        for rest in ["\nG", "\nGET / HTTP/1.1", "\nGET / HTTP/1.1\nHost: test\n\n", &unread] {
            for leave in [drop, Wire::reset] {
                let mut wire = Wire::open(server.address);
                wire.request(&format!("GET /forever HTTP/1.1\nHost: test\n{rest}"));
                server.await_in_flight(1);
                leave(wire);
                eventually(SOON, "noticing", || {
                    server.metric("squall_in_flight{handler=\"app\"}") == 0.0
                });
            }
        }
        after.check(server, &[("cancelled", 8.0)]);
    });
}

#[test]
fn a_client_that_only_closes_its_own_side_is_answered_if_that_is_quick() {
    in_all_worlds("", |server| {
        let after = Aftermath::begin(server);
        let answered = |request: &str| {
            let mut wire = Wire::open(server.address);
            wire.request(request);
            wire.end();
            wire.one_reply("GET")
        };
        let reply = answered("GET / HTTP/1.1\nHost: test\n\n").unwrap();
        assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
        let body = "x".repeat(200_000);
        let post =
            format!("POST /echo HTTP/1.1\nHost: test\nContent-Length: {}\n\n{body}", body.len());
        let reply = answered(&post).unwrap();
        assert!(reply.complete && reply.text() == body);
        let reply = answered("GET /bytes?20000000 HTTP/1.1\nHost: test\n\n").unwrap();
        assert!(reply.complete && reply.body.len() == 20_000_000, "as long as it takes some");
        assert!(answered("GET /forever HTTP/1.1\nHost: test\n\n").is_none(), "it left");
        after.check(server, &[("cancelled", 1.0)]);
    });
}
