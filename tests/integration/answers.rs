//! What becomes of a guest's responses, in whatever way it makes them.

use crate::support::aftermath::{Aftermath, site_with_canary};
use crate::support::client::{self, Reply, Wire};
use crate::support::server::Server;
use crate::support::{SOON, eventually};
use squall_test_guests::guest;
use std::time::Duration;

/// One thread, so that all requests are in one instance.
fn serve(world: &str, handler: &str) -> Server {
    let site = site_with_canary(&guest(world), handler);
    site.env("TOKIO_WORKER_THREADS", "1").start()
}

const WORLDS: [&str; 2] = ["answers03", "answers_web"];

fn head(server: &Server, path: &str) -> Reply {
    let mut wire = Wire::open(server.address);
    wire.request(&format!("HEAD {path} HTTP/1.1\nHost: test\n\n"));
    wire.reply_to("HEAD").unwrap()
}

#[test]
fn a_body_is_taken_from_the_moment_its_response_is_made() {
    let reply = serve("answers03", "").get("/write-first");
    assert_eq!((reply.status, reply.text().as_str()), (200, "written first"));
}

#[test]
fn small_pieces_that_are_written_at_once_are_sent_as_one() {
    for world in WORLDS {
        let server = serve(world, "");
        let reply = server.get("/pieces?100");
        assert_eq!(reply.body.len(), 1_400);
        assert_eq!(reply.header("content-length"), Some("1400"), "{}", reply.head);
        // More than is taken at once waits for the client.
        let reply = server.get("/pieces?100000");
        assert!(reply.complete && reply.body.len() == 1_400_000);
    }
}

#[test]
fn who_writes_to_a_response_that_was_dropped_is_told() {
    for world in WORLDS {
        let reply = serve(world, "").get("/unsent");
        assert_eq!((reply.status, reply.text().as_str()), (200, "10 bytes left"));
    }
}

#[test]
fn who_gives_trailers_to_a_response_that_was_dropped_goes_on() {
    let server = serve("answers03", "");
    assert_eq!(server.get("/unsent-trailers").text(), "dropped");
    server.await_log("nobody wants the trailers");
}

#[test]
fn trailers_may_be_given_before_the_body() {
    for world in WORLDS {
        let server = serve(world, "");
        let request =
            "GET /trailers-first HTTP/1.1\nHost: test\nTE: trailers\nConnection: close\n\n";
        let reply = client::send(server.address, request);
        assert_eq!((reply.text().as_str(), reply.trailers.as_str()), ("after them", "x-sum: 42\n"));
    }
}

#[test]
fn what_is_taken_for_nobody_is_bounded() {
    let server = serve("answers03", "[handlers.app.limits]\ninstance_concurrency = 10");
    for _ in 0..2 {
        assert_eq!(server.get("/hoard?200").text(), "10", "as many as requests at once");
    }
}

#[test]
fn an_answer_is_whole_once_its_length_is_out() {
    for world in WORLDS {
        let mut server = serve(world, "");
        let after = Aftermath::begin(&server);
        let reply = server.get("/with-length");
        assert!(reply.complete && reply.text() == "1234567890", "{reply:?}");
        server.await_log("after the answer");
        assert_eq!(head(&server, "/streamed").status, 200);
        eventually(SOON, "going on after a head", || {
            server.stderr().iter().filter(|line| line.contains("after the answer")).count() == 2
        });
        assert_eq!(server.metric("squall_instances_started_total{handler=\"app\"}"), 1.0);
        after.check(&mut server, &[]);
    }
}

#[test]
fn a_length_may_stand_for_a_body_that_is_not_sent() {
    for world in WORLDS {
        let mut server = serve(world, "");
        let after = Aftermath::begin(&server);
        let reply = head(&server, "/length-only?200");
        assert_eq!((reply.status, reply.header("content-length")), (200, Some("5")));
        assert_eq!(server.get("/length-only?304").status, 304);
        assert_eq!(server.get("/length-only?204").status, 204);
        after.check(&mut server, &[]);
    }
}

#[test]
fn g13_trailers_are_the_end_of_a_body_that_is_too_short() {
    for world in WORLDS {
        let mut server = serve(world, "");
        let after = Aftermath::begin(&server);
        let reply = server.get("/short-trailers");
        assert!(reply.status == 502 || !reply.complete, "{reply:?}");
        after.check(&mut server, &[("framing", 1.0)]);
    }
}

#[test]
fn a_guest_is_told_whether_its_answer_was_whole() {
    let server = serve("answers03", "");
    assert_eq!(server.get("/told?0").text(), "whole");
    server.await_log("sent: true");
    assert_eq!(server.get("/told?1").status, 502);
    server.await_log("sent: false");
}

#[test]
fn g18_a_body_that_is_passed_on_breaks_as_it_broke() {
    for world in WORLDS {
        let mut server = serve(world, "[handlers.app.limits]\nbody_gap = \"200ms\"");
        let after = Aftermath::begin(&server);
        let mut wire = Wire::open(server.address);
        wire.request(
            "POST /pass-on HTTP/1.1\nHost: test\nTransfer-Encoding: chunked\n\n5\nhello\n",
        );
        let reply = wire.reply();
        assert_eq!(reply.text(), "hello");
        assert!(!reply.complete, "no clean end: {reply:?}");
        let body = [b'x'; 1000];
        let reply = client::post(server.address, "/pass-on", &body);
        assert!(reply.complete && reply.body == body);
        assert_eq!(reply.header("content-length"), Some("1000"), "its length is known");
        after.check(&mut server, &[("body_timeout", 1.0)]);
    }
}

#[test]
fn what_a_guest_does_after_its_answers_is_not_its_next_requests_doing() {
    for world in WORLDS {
        let mut server = serve(world, "");
        let after = Aftermath::begin(&server);
        for path in ["/trap-later?200", "/spin-later?200"] {
            assert_eq!(server.get(path).text(), "answered");
            assert_eq!(server.get("/sleep?2000").status, 502);
        }
        after.check(&mut server, &[("neighbour", 2.0)]);
    }
}

#[test]
fn what_a_guest_prints_after_its_answer_is_no_other_requests_line() {
    for world in WORLDS {
        let server = serve(world, "");
        assert_eq!(server.get("/print-later?100").text(), "answered");
        assert_eq!(server.get("/sleep?400").text(), "slept");
        let line = server.await_log("after the answer");
        assert!(!line.contains("\"request\""), "{line}");
    }
}

#[test]
fn a_trap_after_the_last_answer_is_known_to_the_operator() {
    for world in WORLDS {
        let server = serve(world, "");
        assert_eq!(server.get("/trap-later?50").text(), "answered");
        let line = server.await_log("the handler failed after its answers");
        assert!(
            line.contains("\"kind\":\"trap\"") && line.contains("\"handler\":\"app\""),
            "{line}"
        );
        assert_eq!(server.metric("squall_faults_total{handler=\"app\",kind=\"trap\"}"), 1.0);
    }
}

#[test]
fn requests_that_an_ending_instance_was_given_go_to_another() {
    for world in WORLDS {
        let server = serve(world, "");
        for _ in 0..10 {
            let mut leaving = Wire::open(server.address);
            leaving.request("GET /hold?50000000 HTTP/1.1\nHost: test\n\n");
            server.await_in_flight(1);
            leaving.reset();
            // Freeing what it held takes some milliseconds; these come at that time.
            let mut wire = Wire::open(server.address);
            for _ in 0..200 {
                wire.request("GET / HTTP/1.1\nHost: test\n\n");
                let reply = wire.reply();
                assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
            }
        }
    }
}

#[test]
fn nothing_stays_in_memory_of_requests_whose_clients_left() {
    for world in WORLDS {
        let server = serve(world, "isolation = \"request\"");
        let leave = |clients: u32| {
            for _ in 0..clients {
                let mut wire = Wire::open(server.address);
                wire.request("GET /sleep?60000 HTTP/1.1\nHost: test\n\n");
                wire.end();
                if server.metric("squall_in_flight{handler=\"app\"}") > 100.0 {
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
            eventually(SOON, "ending", || {
                server.metric("squall_in_flight{handler=\"app\"}") == 0.0
            });
            server.memory()
        };
        let before = leave(1_000);
        let grown = leave(4_000).saturating_sub(before);
        assert!(grown < 4 << 10, "{grown} KiB more");
    }
}
