//! Clients that take complete answers slowly: what was handed to the systems between is
//! not yet theirs.

use crate::support::client::{Wire, narrow};
use crate::support::fault_guests::serve;
use crate::support::h2::{DATA, END_STREAM, GOAWAY, H2, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE};
use crate::support::server::Server;
use crate::support::{SOON, eventually};
use std::time::{Duration, Instant};

/// Bytes of answers that the server has handed on.
fn handed_on(server: &Server) -> usize {
    server.metric("squall_response_bytes_total{handler=\"app\"}") as usize
}

#[test]
fn c5_who_still_takes_answers_is_not_idle() {
    let server = serve("keep_alive = \"300ms\"", "");
    let mut wire = Wire::open(server.address);
    // More than the socket holds: the server has answered some, and waits to write it.
    wire.request(&"GET /bytes?10000 HTTP/1.1\nHost: test\n\n".repeat(800));
    for i in 0..800 {
        let reply = wire.reply_to("GET").unwrap_or_else(|| panic!("cut after {i} answers"));
        assert_eq!((reply.body.len(), reply.complete), (10_000, true), "answer {i}");
        if i < 40 {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    // Then it is.
    assert!(wire.closes_within(SOON));
}

#[test]
fn c5_who_still_takes_answers_over_http2_is_not_idle() {
    let server = serve("keep_alive = \"300ms\"", "");
    let before = handed_on(&server);
    let mut h2 = H2::over(narrow(server.address));
    h2.send(SETTINGS, 0, 0, &[0, 4, 0, 0x10, 0, 0]);
    h2.send(WINDOW_UPDATE, 0, 0, &(64_u32 << 20).to_be_bytes());
    for _ in 0..100 {
        h2.request("GET", "/bytes?60000", &[], true);
    }
    // The server has nothing open, and much to write.
    eventually(SOON, "handing on", || handed_on(&server) - before == 100 * 60_000);
    let (mut ended, mut data) = (0, 0);
    let began = Instant::now();
    while ended < 100 {
        let frame = h2.frame().unwrap_or_else(|| panic!("cut after {data} bytes"));
        if frame.kind == DATA {
            data += frame.payload.len();
            ended += usize::from(frame.flags & END_STREAM);
            if began.elapsed() < Duration::from_secs(2) {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
    assert_eq!(data, 100 * 60_000);
}

#[test]
fn c5_answers_to_pings_do_not_keep_a_connection() {
    let server = serve("keep_alive = \"500ms\"", "");
    let mut h2 = H2::open(server.address);
    assert_eq!(h2.get("/").status, Some(200));
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < SOON, "it is kept");
        if h2.wire.try_send(PING).is_err() || h2.frame().is_none_or(|frame| frame.kind == GOAWAY) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn c4_http2_streams_may_share_a_narrow_connection_window() {
    let server = serve("write_gap = \"1s\"", "");
    let mut h2 = H2::open(server.address);
    for _ in 0..20 {
        h2.request("GET", "/bytes?60000", &[], true);
    }
    // The socket has room all the time: what is scarce is the window of them all.
    let (mut ended, mut data) = (0, 0);
    while ended < 20 {
        let frame = h2.frame().expect("the connection goes on");
        assert_ne!(frame.kind, RST_STREAM, "after {data} bytes");
        if frame.kind != DATA {
            continue;
        }
        ended += usize::from(frame.flags & END_STREAM);
        let taken = u32::try_from(frame.payload.len()).unwrap();
        if taken > 0 {
            data += frame.payload.len();
            // Four gaps for all of them.
            std::thread::sleep(Duration::from_micros(3) * taken);
            for of in [0, frame.stream] {
                h2.send(WINDOW_UPDATE, 0, of, &taken.to_be_bytes());
            }
        }
    }
    assert_eq!(data, 20 * 60_000);
}

#[test]
fn an_answer_before_the_close_is_not_lost_to_requests_behind_it() {
    let server = serve("connection_requests = 2", "");
    // Both close: the client's wish, and the limit.
    for wish in ["Connection: close\n", ""] {
        let mut wire = Wire::of(narrow(server.address));
        if wish.is_empty() {
            wire.request("GET / HTTP/1.1\nHost: test\n\n");
            assert_eq!(wire.reply().status, 200);
        }
        let last = format!("GET /bytes?500000 HTTP/1.1\nHost: test\n{wish}\n");
        // More than is read at once.
        let behind = "GET / HTTP/1.1\nHost: test\n\n".repeat(3000);
        wire.request(&format!("{last}{behind}"));
        server.await_in_flight(0);
        std::thread::sleep(Duration::from_millis(500));
        let reply = wire.reply();
        assert_eq!((reply.body.len(), reply.complete), (500_000, true), "{wish}");
        assert!(wire.until_closed().is_empty(), "nothing more is answered");
    }
}
