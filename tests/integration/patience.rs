//! Clients that are slow but do something, and ends that must be seen for what they
//! are: who is given time, and whose fault it is.

use crate::support::client::{self, Wire, narrow};
use crate::support::fault_guests::serve;
use crate::support::h2::{GOAWAY, H2, SETTINGS, WINDOW_UPDATE};
use crate::support::server::Server;
use crate::support::{SOON, eventually};
use std::io::Read;
use std::time::{Duration, Instant};

fn faults(server: &Server, kind: &str) -> f64 {
    server.metric(&format!("squall_faults_total{{handler=\"app\",kind=\"{kind}\"}}"))
}

#[test]
fn c4_a_client_that_reads_slowly_all_the_time_is_not_cut() {
    let server = serve("write_gap = \"1s\"", "response_size = \"1 GiB\"");
    let mut wire = Wire::of(narrow(server.address));
    wire.request("GET /bytes?52428800 HTTP/1.1\nHost: test\n\n");
    // 100 KB a second: less in one gap than a send buffer's third.
    let began = Instant::now();
    let mut piece = [0; 20 << 10];
    while began.elapsed() < Duration::from_secs(5) {
        wire.stream.read_exact(&mut piece).expect("it is served on");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(server.metric("squall_connections_closed_total{reason=\"write_gap\"}"), 0.0);
}

#[test]
fn c4_http2_streams_may_share_a_slow_connection() {
    let server = serve("write_gap = \"1s\"", "");
    let mut h2 = H2::over(narrow(server.address));
    h2.send(SETTINGS, 0, 0, &[0, 4, 0, 0x10, 0, 0]);
    h2.send(WINDOW_UPDATE, 0, 0, &(64_u32 << 20).to_be_bytes());
    for _ in 0..20 {
        h2.request("GET", "/bytes?400000", &[], true);
    }
    // All of them take some ten gaps.
    let (mut ended, mut data) = (0, 0);
    while ended < 20 {
        let frame = h2.frame().expect("the connection goes on");
        assert_ne!(frame.kind, crate::support::h2::RST_STREAM, "after {data} bytes");
        if frame.kind == crate::support::h2::DATA {
            data += frame.payload.len();
            ended += usize::from(frame.flags & crate::support::h2::END_STREAM);
            std::thread::sleep(Duration::from_millis(15));
        }
    }
    assert_eq!(data, 20 * 400_000);
}

#[test]
fn c4_what_waits_for_an_http2_client_is_bounded() {
    let server = serve("h2_send_buffer = \"16 KiB\"", "response_size = \"1 GiB\"");
    let mut h2 = H2::open(server.address);
    h2.send(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
    h2.send(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes());
    for _ in 0..50 {
        h2.request("GET", "/bytes?52428800", &[], true);
    }
    server.await_in_flight(50);
    let taken = || server.metric("squall_response_bytes_total{handler=\"app\"}");
    let before = taken();
    std::thread::sleep(Duration::from_millis(500));
    drop(h2);
    server.await_in_flight(0);
    // Two pieces of each stream, and what the systems of both sides hold.
    assert!(taken() < 8e6, "{} and then {} bytes of 50 streams", before, taken());
}

#[test]
fn c3_an_upload_may_take_longer_than_the_handlers_deadline() {
    let server = serve("", "head_deadline = \"600ms\"\nbody_gap = \"5s\"");
    let mut wire = Wire::open(server.address);
    wire.request("POST /count HTTP/1.1\nHost: test\nContent-Length: 10\n\n");
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(200));
        wire.send("x");
    }
    let reply = wire.reply();
    assert_eq!((reply.status, reply.text().contains("10")), (200, true), "{reply:?}");
    // Without the client's part in it, the deadline is the handler's.
    assert_eq!(client::post(server.address, "/sleep-ms?5000", b"body").status, 504);
}

#[test]
fn c3_an_upload_that_stops_is_the_clients_fault() {
    let server = serve("", "head_deadline = \"300ms\"\nbody_gap = \"900ms\"");
    let mut wire = Wire::open(server.address);
    wire.request("POST /count HTTP/1.1\nHost: test\nContent-Length: 10\n\nabc");
    assert_eq!(wire.reply().status, 408);
    assert_eq!((faults(&server, "body_timeout"), faults(&server, "deadline")), (1.0, 0.0));
}

#[test]
fn c2_a_body_that_breaks_a_limit_after_the_head_is_the_clients_fault() {
    let server = serve("", "body_size = \"100 KiB\"");
    let mut wire = Wire::open(server.address);
    wire.request("POST /echo HTTP/1.1\nHost: test\nTransfer-Encoding: chunked\n\n");
    wire.send("5\r\nhello\r\n");
    wire.until_received("hello");
    for _ in 0..20 {
        let _ = wire.try_send(format!("{:x}\r\n{}\r\n", 10 << 10, "x".repeat(10 << 10)));
    }
    eventually(SOON, "the fault", || faults(&server, "body_too_large") == 1.0);
    assert_eq!((faults(&server, "error_code"), faults(&server, "trap")), (0.0, 0.0));
}

#[test]
fn an_early_answer_reaches_a_client_that_still_sends() {
    let server = serve("", "body_size = \"1 KiB\"");
    for _ in 0..10 {
        let mut wire = Wire::open(server.address);
        wire.request("POST /count HTTP/1.1\nHost: test\nContent-Length: 5000000\n\n");
        // It looks for an answer only when it has sent everything.
        for _ in 0..50 {
            wire.send([0; 100_000]);
        }
        assert_eq!(wire.reply().status, 413);
    }
}

#[test]
fn a_response_that_breaks_off_is_reset_where_its_end_would_be_the_connections() {
    let server = serve("", "");
    let mut wire = Wire::open(server.address);
    wire.send("GET /trap-mid HTTP/1.0\r\n\r\n");
    let mut received = Vec::new();
    let error = wire.stream.read_to_end(&mut received).expect_err("no clean end");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    // One that is whole ends as it should.
    let mut wire = Wire::open(server.address);
    wire.send("GET /bytes?100000 HTTP/1.0\r\n\r\n");
    let mut received = Vec::new();
    wire.stream.read_to_end(&mut received).unwrap();
    assert!(received.len() > 100_000);
}

#[test]
fn a_response_with_trailers_is_complete() {
    let server = serve("", "");
    let mut wire = Wire::open(server.address);
    wire.request("GET /trailers HTTP/1.1\nHost: test\nTE: trailers\n\n");
    assert!(wire.reply().complete);
    assert!(H2::open(server.address).get("/trailers").ended);
    eventually(SOON, "two access lines", || server.access().len() == 2);
    for line in server.access() {
        assert!(line["fault"].is_null(), "{line}");
    }
    assert_eq!(faults(&server, "cancelled"), 0.0);
}

#[test]
fn an_http2_client_is_told_that_it_was_idle_for_too_long() {
    let server = serve("keep_alive = \"500ms\"", "");
    let mut h2 = H2::open(server.address);
    assert_eq!(h2.get("/").status, Some(200));
    let mut kinds = Vec::new();
    while let Some(frame) = h2.frame() {
        kinds.push(frame.kind);
    }
    assert!(kinds.contains(&GOAWAY), "{kinds:?}");
    eventually(SOON, "the reason", || {
        server.metric("squall_connections_closed_total{reason=\"keep_alive\"}") == 1.0
    });
}

#[test]
fn an_idle_http2_client_does_not_hold_up_the_end() {
    let mut server = serve("drain = \"10m\"\nkeep_alive = \"10m\"", "");
    // It never answers a ping.
    let mut h2 = H2::open(server.address);
    assert_eq!(h2.get("/").status, Some(200));
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    drop(h2);
}
