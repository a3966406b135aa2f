//! Bodies: they stream both ways, and break visibly (rows G13, G15, G16, G18, G19).

use crate::support::aftermath::{Aftermath, site_with_canary};
use crate::support::client::{self, Wire};
use crate::support::fault_guests::in_all_worlds;
use crate::support::{SOON, eventually};
use squall_test_guests::guest;
use std::time::Duration;

#[test]
fn g13_a_false_length_breaks_the_response() {
    in_all_worlds("", |server| {
        for path in ["/short", "/long"] {
            let reply = server.get(path);
            assert!(reply.status == 502 || !reply.complete, "{path}: {reply:?}");
        }
        assert_eq!(server.get("/").status, 200);
        let faults = |kind: &str| {
            server.metric(&format!("squall_faults_total{{handler=\"app\",kind=\"{kind}\"}}"))
        };
        eventually(SOON, "counting", || faults("framing") + faults("error_code") == 2.0);
        assert_eq!(faults("framing"), 2.0, "whatever the world");
    });
}

#[test]
fn g15_an_endless_response_flows_at_the_clients_pace_and_is_cut() {
    in_all_worlds("response_size = \"2 MiB\"", |server| {
        let mut wire = Wire::open(server.address);
        wire.request("GET /endless HTTP/1.1\nHost: test\n\n");
        std::thread::sleep(Duration::from_millis(500));
        let before = server.memory();
        std::thread::sleep(Duration::from_millis(500));
        let grown = server.memory().saturating_sub(before);
        assert!(grown < 4 << 10, "{grown} KiB more while nobody reads");
        let reply = wire.reply();
        assert!(!reply.complete, "cut visibly");
        assert!(reply.body.len() <= 2 << 20);
        eventually(SOON, "counting", || {
            server.metric("squall_faults_total{handler=\"app\",kind=\"response_size\"}") == 1.0
        });
    });
}

#[test]
fn g16_a_body_that_nobody_reads_does_no_harm() {
    in_all_worlds("body_size = \"4 MiB\"", |server| {
        for size in [0, 100, 60_000, 1 << 20, 4 << 20] {
            let mut wire = Wire::open(server.address);
            let head =
                format!("POST /ignore-body HTTP/1.1\nHost: test\nContent-Length: {size}\n\n");
            wire.request(&head);
            let _ = wire.try_send(vec![b'x'; size]);
            let reply = wire.reply();
            assert_eq!((reply.status, reply.text().as_str()), (200, "ignored"), "{size} bytes");
            // The next request is answered in step, or the connection is closed.
            if wire.try_send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").is_ok()
                && let Some(reply) = wire.reply_to("GET")
            {
                assert_eq!(reply.text(), "ok", "{size} bytes");
            }
        }
    });
}

#[test]
fn g18_a_failure_after_the_head_breaks_the_response() {
    in_all_worlds("", |server| {
        let after = Aftermath::begin(server);
        let reply = server.get("/trap-mid");
        assert_eq!(reply.status, 200);
        assert!(!reply.complete, "no clean end: {reply:?}");
        assert_eq!(server.get("/").status, 200);
        after.check(server, &[("trap", 1.0)]);
    });
    // Known to be broken before anything was sent: told in full.
    for world in ["faults02", "faults_web"] {
        let mut server = site_with_canary(&guest(world), "").start();
        let after = Aftermath::begin(&server);
        assert_eq!(server.get("/drop-mid").status, 502);
        after.check(&mut server, &[("error_code", 1.0)]);
    }
    let mut server = site_with_canary(&guest("faults_web"), "").start();
    let after = Aftermath::begin(&server);
    let reply = server.get("/break-late");
    assert!(reply.status == 200 && !reply.complete && reply.text() == "some", "{reply:?}");
    after.check(&mut server, &[("error_code", 1.0)]);
}

#[test]
fn g19_a_stream_that_stalls_is_cut() {
    in_all_worlds("response_gap = \"300ms\"", |server| {
        let after = Aftermath::begin(server);
        let reply = server.get("/stall");
        assert!(!reply.complete);
        assert_eq!(reply.text(), "some");
        after.check(server, &[("stall", 1.0)]);
    });
}

#[test]
fn bodies_stream_both_ways() {
    in_all_worlds("body_size = \"64 MiB\"", |server| {
        let body: Vec<u8> = (0..8 << 20).map(|i: u32| (i % 251) as u8).collect();
        let reply = client::post(server.address, "/echo", &body);
        assert!(reply.complete && reply.body == body);
        assert_eq!(
            client::post(server.address, "/count", &body).text(),
            format!("{} whole", body.len())
        );
        // A piece comes back before the next one is sent.
        let mut wire = Wire::open(server.address);
        wire.request("POST /echo HTTP/1.1\nHost: test\nTransfer-Encoding: chunked\n\n");
        for piece in ["first", "second", "third"] {
            wire.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
            wire.until_received(piece);
        }
        wire.send("0\r\n\r\n");
    });
}

#[test]
fn trailers_reach_the_client() {
    in_all_worlds("", |server| {
        let request = "GET /trailers HTTP/1.1\nHost: test\nTE: trailers\nConnection: close\n\n";
        let reply = client::send(server.address, request);
        assert_eq!(reply.text(), "with trailers");
        assert_eq!(reply.trailers, "x-sum: 42\n");
    });
}
