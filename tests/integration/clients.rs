//! Rows C: what a client can do wrong.

use crate::support::client::{self, Wire};
use crate::support::fault_guests::serve;
use crate::support::h2;
use crate::support::server::Server;
use crate::support::{SOON, eventually};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn closed(server: &Server, reason: &str) -> f64 {
    server.metric(&format!("squall_connections_closed_total{{reason=\"{reason}\"}}"))
}

#[test]
fn c1_a_client_that_says_nothing_is_closed() {
    let server = serve("first_byte = \"300ms\"", "");
    let mut silent: Vec<Wire> = (0..50).map(|_| Wire::open(server.address)).collect();
    for wire in &mut silent {
        assert!(wire.closes_within(Duration::from_secs(10)));
    }
    assert_eq!(closed(&server, "first_byte"), 50.0);
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn c2_a_head_that_drips_is_closed_by_its_total_time() {
    let server = serve("head_time = \"500ms\"", "");
    let mut wire = Wire::open(server.address);
    let began = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nHost: test\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    {
        if wire.try_send([*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(40));
        if began.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    assert!(wire.closes_within(Duration::from_secs(5)));
    assert_eq!(closed(&server, "head_time"), 1.0);
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn c2_a_second_head_that_drips_is_closed_too() {
    let server = serve("head_time = \"500ms\"", "");
    let mut wire = Wire::open(server.address);
    wire.request("GET / HTTP/1.1\nHost: test\n\n");
    assert_eq!(wire.reply().status, 200);
    wire.send("GET / HT");
    assert!(wire.closes_within(Duration::from_secs(5)));
    assert_eq!(closed(&server, "head_time"), 1.0);
}

#[test]
fn c2_a_preface_that_drips_is_closed() {
    let server = serve("head_time = \"500ms\"", "");
    let mut wire = Wire::open(server.address);
    for byte in &h2::PREFACE[..10] {
        if wire.try_send([*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(wire.closes_within(Duration::from_secs(5)));
    assert_eq!(closed(&server, "head_time"), 1.0);
}

#[test]
fn c3_a_body_that_stops_is_a_408() {
    let server = serve("", "body_gap = \"300ms\"");
    let mut wire = Wire::open(server.address);
    wire.request("POST /count HTTP/1.1\nHost: test\nContent-Length: 100\n\n");
    wire.send("some");
    let reply = wire.reply();
    assert_eq!(reply.status, 408);
    assert_eq!(reply.header("connection"), Some("close"));
    assert!(wire.closes_within(Duration::from_secs(5)));
    assert_eq!(server.metric("squall_faults_total{handler=\"app\",kind=\"body_timeout\"}"), 1.0);
}

#[test]
fn c3_a_body_that_drips_for_ever_is_a_408() {
    let server = serve("", "body_time = \"600ms\"");
    let mut wire = Wire::open(server.address);
    wire.request("POST /count HTTP/1.1\nHost: test\nTransfer-Encoding: chunked\n\n");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) && wire.try_send("1\r\nx\r\n").is_ok() {
        std::thread::sleep(Duration::from_millis(50));
        if server.metric("squall_faults_total{handler=\"app\",kind=\"body_timeout\"}") == 1.0 {
            break;
        }
    }
    assert_eq!(wire.reply().status, 408);
}

#[test]
fn c3_a_slow_guest_is_not_the_clients_fault() {
    // Nobody reads for longer than the gap: the client has sent all it could.
    let server = serve("", "body_gap = \"200ms\"\nbody_size = \"8 MiB\"");
    let mut wire = Wire::open(server.address);
    let size = 4 << 20;
    wire.request(&format!("POST /sleep-ms?600 HTTP/1.1\nHost: test\nContent-Length: {size}\n\n"));
    let _ = wire.try_send(vec![0; 64 << 10]);
    assert_eq!(wire.reply().text(), "slept");
}

#[test]
fn c4_a_client_that_reads_nothing_is_closed_and_costs_nothing() {
    let server = serve("write_gap = \"700ms\"", "response_size = \"1 GiB\"");
    let before = server.memory();
    let mut wires: Vec<Wire> = (0..30)
        .map(|_| {
            let stream = small_window(&server);
            let mut wire = Wire::of(stream);
            wire.request("GET /bytes?52428800 HTTP/1.1\nHost: test\n\n");
            wire
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB for 30 clients that take nothing of 50 MiB each");
    eventually(SOON, "closing them", || closed(&server, "write_gap") == 30.0);
    assert_eq!(server.metric("squall_in_flight{handler=\"app\"}"), 0.0);
    assert!(!wires.pop().unwrap().reply().complete);
}

#[test]
fn c4_an_http2_stream_of_which_nothing_is_taken_is_reset() {
    let server = serve("write_gap = \"500ms\"", "response_gap = \"1500ms\"");
    let mut h2 = h2::H2::open(server.address);
    let stream = h2.request("GET", "/bytes?52428800", &[], true);
    server.await_in_flight(1);
    server.await_in_flight(0);
    assert!(h2.reply(stream).reset.is_some());
    // Who waits for the handler, for its head or for more, is not who takes nothing.
    let slow = h2.request("GET", "/sleep-ms?1000", &[], true);
    assert_eq!(h2.reply(slow).body, b"slept");
    let stalled = h2.request("GET", "/stall", &[], true);
    assert!(h2.reply(stalled).reset.is_some());
    for kind in ["cancelled", "stall"] {
        let name = format!("squall_faults_total{{handler=\"app\",kind=\"{kind}\"}}");
        eventually(SOON, kind, || server.metric(&name) == 1.0);
    }
}

fn small_window(server: &Server) -> TcpStream {
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::STREAM,
        None,
    )
    .unwrap();
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 1024).unwrap();
    rustix::net::connect(&socket, &server.address).unwrap();
    TcpStream::from(socket)
}

#[test]
fn c5_an_idle_connection_is_closed_later_than_a_head_would_be() {
    let server = serve("head_time = \"300ms\"\nkeep_alive = \"1s\"", "");
    let mut wire = Wire::open(server.address);
    wire.request("GET / HTTP/1.1\nHost: test\n\n");
    assert_eq!(wire.reply().status, 200);
    std::thread::sleep(Duration::from_millis(600));
    wire.request("GET / HTTP/1.1\nHost: test\n\n");
    assert_eq!(wire.reply().status, 200, "idle is not a slow head");
    assert!(wire.closes_within(Duration::from_secs(5)));
    assert_eq!(closed(&server, "keep_alive"), 1.0);
}

#[test]
fn c5_a_connection_is_recycled_after_so_many_requests() {
    let server = serve("connection_requests = 10", "");
    let mut wire = Wire::open(server.address);
    for i in 1..=10 {
        wire.request("GET / HTTP/1.1\nHost: test\n\n");
        let reply = wire.reply();
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("connection") == Some("close"), i == 10, "request {i}");
    }
    assert!(wire.closes_within(Duration::from_secs(5)));
}

#[test]
fn c6_heads_are_bounded() {
    let server = serve("", "");
    let many: String = (0..101).map(|i| format!("X-{i}: v\n")).collect();
    let reply = client::send(server.address, &format!("GET / HTTP/1.1\nHost: test\n{many}\n"));
    assert_eq!(reply.status, 431);
    let big = format!("GET / HTTP/1.1\nHost: test\nX-Big: {}\n\n", "x".repeat(33 << 10));
    assert_eq!(client::send(server.address, &big).status, 431);
    let mut wire = Wire::open(server.address);
    wire.request(&format!("GET /{} HTTP/1.1\nHost: test\n\n", "x".repeat(9 << 10)));
    assert_eq!(wire.reply().status, 414);
    assert!(wire.closes_within(Duration::from_secs(5)));
    let fine: String = (0..90).map(|i| format!("X-{i}: v\n")).collect();
    assert_eq!(
        client::send(server.address, &format!("GET / HTTP/1.1\nHost: test\n{fine}\n")).status,
        200
    );
}

#[test]
fn c7_bodies_are_bounded() {
    let server = serve("", "body_size = \"1000 B\"");
    let calls = || server.metric("squall_requests_total{handler=\"app\",status=\"200\"}");
    let mut wire = Wire::open(server.address);
    wire.request("POST /count HTTP/1.1\nHost: test\nContent-Length: 1001\n\n");
    let reply = wire.reply();
    assert_eq!((reply.status, calls()), (413, 0.0), "refused before it was read");
    // Over the limit without saying so.
    let mut wire = Wire::open(server.address);
    wire.request("POST /count HTTP/1.1\nHost: test\nTransfer-Encoding: chunked\n\n");
    wire.send(format!("3e8\r\n{}\r\n", "x".repeat(1000)));
    let _ = wire.try_send("1\r\nx\r\n0\r\n\r\n");
    assert_eq!(wire.reply().status, 413);
    // Exactly the limit.
    assert_eq!(client::post(server.address, "/count", &[b'x'; 1000]).text(), "1000 whole");
    // A client that asks first is not told to go on.
    let mut wire = Wire::open(server.address);
    wire.request(
        "POST /count HTTP/1.1\nHost: test\nContent-Length: 1001\nExpect: 100-continue\n\n",
    );
    assert_eq!(wire.one_reply("POST").unwrap().status, 413);
    let mut wire = Wire::open(server.address);
    wire.request("POST /count HTTP/1.1\nHost: test\nContent-Length: 4\nExpect: 100-continue\n\n");
    assert_eq!(wire.one_reply("POST").unwrap().status, 100);
    wire.send("body");
    assert_eq!(wire.reply().text(), "4 whole");
    assert_eq!(server.metric("squall_faults_total{handler=\"app\",kind=\"body_too_large\"}"), 3.0);
}

#[test]
fn c24_a_storm_of_resets_leaves_nothing_behind() {
    let server = serve("", "");
    server.get("/");
    let (descriptors, lines) = (server.descriptors(), server.stderr().len());
    for i in 0..3000 {
        let mut wire = Wire::open(server.address);
        if i % 2 == 0 {
            let _ = wire.try_send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        }
        wire.reset();
    }
    eventually(SOON, "giving back", || {
        server.metric("squall_connections") == 0.0 && server.descriptors() <= descriptors + 2
    });
    assert_eq!(server.get("/").status, 200);
    assert!(
        server.stderr().len() < lines + 20,
        "nothing is logged per socket: {:?}",
        server.stderr()
    );
}

#[test]
fn c25_connections_are_bounded() {
    let server = serve("connections = 4", "");
    let mut held: Vec<Wire> = (0..4)
        .map(|_| {
            let mut wire = Wire::open(server.address);
            wire.request("GET / HTTP/1.1\nHost: test\n\n");
            assert_eq!(wire.reply().status, 200);
            wire
        })
        .collect();
    let mut fifth = Wire::open(server.address);
    fifth.request("GET / HTTP/1.1\nHost: test\n\n");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(server.metric("squall_connections"), 4.0);
    drop(held.pop());
    assert_eq!(fifth.reply().status, 200, "it waited in the backlog");
}

#[test]
fn c26_a_flood_is_answered_at_once() {
    let server = serve("", "instances = 1\ninstance_concurrency = 1\nqueue = 1");
    let address = server.address;
    let running: Vec<_> = (0..2)
        .map(|_| std::thread::spawn(move || client::get(address, "/sleep-ms?1500").status))
        .collect();
    eventually(SOON, "filling up", || server.metric("squall_queue{handler=\"app\"}") == 1.0);
    for _ in 0..200 {
        let reply = server.get("/");
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    }
    assert!(running.into_iter().all(|call| call.join().unwrap() == 200));
    assert_eq!(server.metric("squall_faults_total{handler=\"app\",kind=\"queue_full\"}"), 200.0);
}
