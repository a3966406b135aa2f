//! The body of a native handler's request: whole if it is small, else as it comes.

use crate::support::client::{self, Reply, Wire};
use crate::support::fault_guests::{limited, one_thread};
use crate::support::h2::{self, H2};
use crate::support::server::{Server, Site};
use crate::support::{SOON, eventually};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use squall_test_guests::guest;
use std::time::Duration;

/// A guest that says in which form its body came, how much it was, and how it ended. It gets
/// up to a KiB whole.
fn serve(limits: &str) -> Server {
    limited("faults_web", "", &format!("body_bytes = \"1 KiB\"\n{limits}"))
}

fn count(server: &Server, name: &str) -> f64 {
    server.metric(&format!("squall_{name}{{handler=\"app\"}}"))
}

fn fault(server: &Server, kind: &str) -> f64 {
    server.metric(&format!("squall_faults_total{{handler=\"app\",kind=\"{kind}\"}}"))
}

fn chunked(server: &Server, path: &str, pieces: &[&[u8]], trailers: &str) -> Reply {
    let mut wire = Wire::open(server.address);
    send_chunked(&mut wire, path, pieces, trailers);
    wire.reply()
}

fn send_chunked(wire: &mut Wire, path: &str, pieces: &[&[u8]], trailers: &str) {
    wire.request(&format!(
        "POST {path} HTTP/1.1\nHost: test\nTE: trailers\nTransfer-Encoding: chunked\n\n"
    ));
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        wire.send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    }
    wire.send(format!("0\r\n{trailers}\r\n"));
}

#[test]
fn a_body_is_whole_up_to_the_limit() {
    let server = serve("");
    for (size, form) in [
        (0, "empty"),
        (1, "bytes"),
        (1023, "bytes"),
        (1024, "bytes"),
        (1025, "stream Some(1025)"),
        (300_000, "stream Some(300000)"),
    ] {
        let reply = client::post(server.address, "/pieces", &vec![b'x'; size]);
        assert_eq!(reply.text(), format!("{form}, {size}, whole"));
    }
    // Whose length nobody knows is not waited for.
    let pieces: [&[u8]; 2] = [b"ab", b"c"];
    assert_eq!(chunked(&server, "/pieces", &pieces, "").text(), "stream None, 3, whole");
    assert_eq!(
        chunked(&server, "/pieces", &pieces, "X-Sum: 42\r\n").text(),
        "stream None, 3, x-sum: 42"
    );
    assert_eq!(chunked(&server, "/pieces", &[], "").text(), "stream None, 0, whole");
    let server = limited("faults_web", "", "body_bytes = \"1 B\"");
    assert_eq!(client::post(server.address, "/pieces", b"x").text(), "bytes, 1, whole");
    let reply = client::post(server.address, "/pieces", b"xy");
    assert_eq!(reply.text(), "stream Some(2), 2, whole");
}

#[test]
fn a_body_over_http2_is_whole_up_to_the_limit() {
    let server = serve("");
    let mut h2 = H2::open(server.address);
    let mut ask = |length: Option<&str>, pieces: &[&[u8]], trailers: &[(&str, &str)]| {
        let head: Vec<_> = length.map(|length| ("content-length", length)).into_iter().collect();
        let stream = h2.request("POST", "/pieces", &head, false);
        for (i, piece) in pieces.iter().enumerate() {
            let last = trailers.is_empty() && i + 1 == pieces.len();
            h2.send(h2::DATA, if last { h2::END_STREAM } else { 0 }, stream, piece);
        }
        if !trailers.is_empty() {
            h2.trailers(stream, trailers);
        }
        String::from_utf8(h2.reply(stream).body).unwrap()
    };
    assert_eq!(ask(Some("4"), &[b"ab", b"cd"], &[]), "bytes, 4, whole");
    assert_eq!(ask(None, &[b"ab", b"cd"], &[]), "stream None, 4, whole");
    assert_eq!(ask(None, &[b""], &[]), "stream None, 0, whole");
    // Bytes have no trailers, so a body that has some is a stream, if one that is here.
    let told = ask(Some("4"), &[b"ab", b"cd"], &[("x-sum", "42")]);
    assert_eq!(told, "stream Some(4), 4, x-sum: 42");
    let told = ask(Some("2000"), &[&[b'x'; 1000], &[b'y'; 1000]], &[("x-sum", "42")]);
    assert_eq!(told, "stream Some(2000), 2000, x-sum: 42");
}

#[test]
fn a_slow_small_body_holds_up_no_instance() {
    let server = serve("instances = 1\ninstance_concurrency = 1\nhead_deadline = \"500ms\"");
    let mut slow = Wire::open(server.address);
    slow.request("POST /pieces HTTP/1.1\nHost: test\nContent-Length: 6\n\nabc");
    server.await_in_flight(1);
    assert_eq!(count(&server, "instances_started_total"), 0.0, "it is not called yet");
    assert_eq!(server.get("/").text(), "ok", "the only instance is free");
    // Its client's time is not the handler's.
    std::thread::sleep(Duration::from_millis(700));
    slow.send("def");
    assert_eq!(slow.reply().text(), "bytes, 6, whole");
}

#[test]
fn a_small_body_that_does_not_come_is_its_clients_fault() {
    let server = serve("body_gap = \"200ms\"\nbody_time = \"600ms\"");
    let mut stalls = Wire::open(server.address);
    stalls.request("POST /pieces HTTP/1.1\nHost: test\nContent-Length: 6\n\nabc");
    assert_eq!(stalls.reply().status, 408);
    let mut drips = Wire::open(server.address);
    drips.request("POST /pieces HTTP/1.1\nHost: test\nContent-Length: 1000\n\n");
    for _ in 0..10 {
        let _ = drips.try_send("x");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(drips.reply().status, 408);
    eventually(SOON, "counting", || fault(&server, "body_timeout") == 2.0);
    for leave in [drop, Wire::reset] {
        let mut cut = Wire::open(server.address);
        cut.request("POST /pieces HTTP/1.1\nHost: test\nContent-Length: 6\n\nabc");
        server.await_in_flight(1);
        leave(cut);
        server.await_in_flight(0);
    }
    assert_eq!(fault(&server, "cancelled"), 2.0);
    assert_eq!(count(&server, "instances_started_total"), 0.0, "nobody was called");
    assert_eq!(client::post(server.address, "/pieces", b"abc").text(), "bytes, 3, whole");
}

#[test]
fn a_client_that_asks_before_it_sends_is_answered() {
    let server = serve("body_size = \"2 KiB\"");
    let ask = |length: usize| {
        let mut wire = Wire::open(server.address);
        wire.request(&format!(
            "POST /pieces HTTP/1.1\nHost: test\nContent-Length: {length}\n\
             Expect: 100-continue\n\n"
        ));
        let first = wire.one_reply("POST").unwrap();
        if first.status != 100 {
            return first;
        }
        wire.send(vec![b'x'; length]);
        wire.reply()
    };
    assert_eq!(ask(100).text(), "bytes, 100, whole");
    assert_eq!(ask(2000).text(), "stream Some(2000), 2000, whole");
    assert_eq!(ask(3000).status, 413);
    // Nothing is to be sent.
    let mut wire = Wire::open(server.address);
    wire.request("POST /pieces HTTP/1.1\nHost: test\nContent-Length: 0\nExpect: 100-continue\n\n");
    assert_eq!(wire.one_reply("POST").unwrap().text(), "empty, 0, whole");
}

#[test]
fn a_body_that_breaks_is_told_to_the_guest_that_reads_it() {
    // With a neighbour, for whom the instance lives on.
    let limits = "instances = 1\nbody_size = \"10 KiB\"\nbody_gap = \"300ms\"";
    let server = one_thread("faults_web", limits);
    let address = server.address;
    let neighbour = std::thread::spawn(move || client::get(address, "/sleep-ms?2500").text());
    server.await_in_flight(1);
    let head = "POST /pieces HTTP/1.1\nHost: test\nTransfer-Encoding: chunked\n\n";
    let mut larger = Wire::open(server.address);
    larger.request(head);
    let _ = larger.try_send(format!("{:x}\r\n{}\r\n", 11 << 10, "x".repeat(11 << 10)));
    // Whatever the guest makes of it, its client is told the same.
    assert_eq!(larger.reply().status, 413);
    server.await_log("the body: BodyError::TooLarge(10240)");
    let mut stalls = Wire::open(server.address);
    stalls.request(&format!("{head}2\nab\n"));
    assert_eq!(stalls.reply().status, 408);
    server.await_log("the body: BodyError::Incomplete(\\\"nothing was sent for 300 ms\\\")");
    let mut leaves = Wire::open(server.address);
    leaves.request(&format!("{head}2\nab\n"));
    server.await_in_flight(2);
    leaves.reset();
    server.await_log("the body: BodyError::Incomplete(\\\"the sender left");
    assert_eq!(neighbour.join().unwrap(), "slept");
    assert_eq!(count(&server, "instances_started_total"), 1.0);
    for kind in ["body_too_large", "body_timeout", "cancelled"] {
        assert_eq!(fault(&server, kind), 1.0, "{kind}");
    }
}

/// However its pieces are cut, a body is the same to the guest, and from it.
#[test]
fn any_body_comes_through_in_any_pieces() {
    let server = Site::handler(&guest("faults_web"), "limits = { body_bytes = \"64 B\" }").start();
    let pieces = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..12);
    let large = prop_oneof![9 => Just(0_usize), 1 => 60_000..200_000_usize];
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    let mut wire = Wire::open(server.address);
    let wire = std::cell::RefCell::new(&mut wire);
    TestRunner::new(config)
        .run(&(pieces, large), |(mut pieces, large)| {
            pieces.push((0..large).map(|i| (i % 251) as u8).collect());
            let whole = pieces.concat();
            let mut wire = wire.borrow_mut();
            for path in ["/echo", "/repeat"] {
                let parts: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
                send_chunked(&mut wire, path, &parts, "");
                let reply = wire.reply();
                prop_assert!(reply.complete && reply.body == whole, "{path} in chunks");
                let length = whole.len();
                wire.request(&format!(
                    "POST {path} HTTP/1.1\nHost: test\nContent-Length: {length}\n\n"
                ));
                for piece in &pieces {
                    wire.send(piece);
                }
                let reply = wire.reply();
                prop_assert!(reply.complete && reply.body == whole, "{path} of a length");
            }
            Ok(())
        })
        .unwrap();
}

/// What the host has taken in for a guest that then passes the rest on is not lost.
#[test]
fn a_body_is_passed_on_after_a_part_of_it_was_read() {
    let server = serve("");
    let body: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
    for most in [0, 1, 10, 5_000, 65_536] {
        for chunks in [&[&body[..]][..], &[&body[..10], &body[10..20], &body[20..]]] {
            let reply = chunked(&server, &format!("/pass-rest?{most}"), chunks, "X-Sum: 42\r\n");
            let read: usize = reply.header("x-read").unwrap().parse().unwrap();
            assert!(read <= most, "{read}");
            assert!(reply.complete && reply.body == body[read..], "{most}: {read}");
            assert_eq!(reply.trailers, "x-sum: 42\n");
        }
    }
}

#[test]
fn the_end_of_one_body_may_be_that_of_another() {
    let server = serve("");
    let pieces: [&[u8]; 2] = [b"some ", b"words"];
    let reply = chunked(&server, "/pass-ending", &pieces, "X-Sum: 42\r\n");
    assert!(reply.complete && reply.text() == "SOME WORDS", "{reply:?}");
    assert_eq!(reply.trailers, "x-sum: 42\n");
}
