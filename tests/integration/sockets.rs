//! TCP sockets of guests: connections like those of outbound requests, within the same
//! limits.

use crate::support::client::Wire;
use crate::support::server::{Server, Site};
use crate::support::upstream::Upstream;
use crate::support::{SOON, eventually_eq};
use squall_test_guests::guest;

/// The guests, and what they say before `-all`, `-hold` and `-in-turn`.
const WAYS: [(&str, &str); 4] = [
    ("faults02", "/connect"),
    ("faults03", "/connect"),
    ("faults03", "/connect3"),
    ("faults_web", "/connect"),
];

/// A handler that may have two connections to `service`, by HTTP or without.
fn serve(world: &str, service: &Upstream) -> Server {
    serve_with(world, service, "outbound_open = 2", "outbound_connect = \"200ms\"")
}

fn serve_with(world: &str, service: &Upstream, server: &str, handler: &str) -> Server {
    let (address, url) = (service.address, service.url());
    let site = Site::toml(&format!(
        "[server.limits]\n{server}\n[[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n\
         outbound = [\"{url}\"]\noutbound_tcp = [\"{address}\"]\n\
         [handlers.app.limits]\nhead_deadline = \"1h\"\n{handler}\n"
    ));
    site.write("app.wasm", guest(world));
    site.start()
}

fn open(server: &Server) -> f64 {
    server.metric("squall_outbound_connections{handler=\"app\"}")
}

fn refused(server: &Server) -> f64 {
    let of = "handler=\"app\",outcome=\"connection_limit\"";
    server.metric(&format!("squall_outbound_requests_total{{{of}}}"))
}

/// Asks for so many connections that are held until the client leaves.
fn hold(server: &Server, way: &str, n: u32, service: &Upstream) -> Wire {
    let mut wire = Wire::open(server.address);
    let address = service.address;
    wire.request(&format!("GET {way}-hold?{n}*{address} HTTP/1.1\nHost: test\n\n"));
    wire
}

#[test]
fn sockets_of_guests_are_outbound_connections() {
    for (world, way) in WAYS {
        let service = Upstream::silent();
        let server = serve(world, &service);
        let (address, url) = (service.address, service.url());
        let all = server.get(&format!("{way}-all?5*{address}")).text();
        assert_eq!(all, "cceee", "{world} {way}");
        assert_eq!(refused(&server), 3.0);
        let line = server.await_log("no TCP socket for the handler");
        assert!(line.contains("all 2 connections of `outbound_open` are in use"), "{line}");
        // What is held by one is not there for another, by whichever way.
        let held = hold(&server, way, 2, &service);
        eventually_eq(SOON, "open sockets", &2.0, || open(&server));
        let text = server.get(&format!("/fetch?{url}")).text();
        let told = text.contains("ConnectionLimitReached") || text.contains("Error::Limit");
        assert!(told, "{world} {way}: {text}");
        assert_eq!(server.get(&format!("{way}-all?1*{address}")).text(), "e", "{world} {way}");
        held.reset();
        eventually_eq(SOON, "giving back", &0.0, || open(&server));
        assert_eq!(server.get(&format!("{way}-all?2*{address}")).text(), "cc", "{world} {way}");
        let lines = server.stderr();
        let lines = lines.iter().filter(|line| line.contains("no TCP socket")).count();
        assert_eq!(lines, 1, "once a minute");
    }
}

#[test]
fn a_socket_that_is_dropped_makes_room_for_the_next() {
    for (world, way) in WAYS {
        let service = Upstream::silent();
        let server = serve_with(world, &service, "outbound_open = 1", "");
        let told = server.get(&format!("{way}-in-turn?9*{}", service.address)).text();
        assert_eq!(told, "ccccccccc", "{world} {way}");
        eventually_eq(SOON, "connections", &9, || service.connections());
        eventually_eq(SOON, "giving back", &0.0, || open(&server));
    }
}

#[test]
fn a_handler_has_its_share_of_sockets() {
    let service = Upstream::silent();
    for (world, way) in WAYS {
        let server = serve_with(world, &service, "", "outbound_connections = 3");
        let all = server.get(&format!("{way}-all?5*{}", service.address)).text();
        assert_eq!(all, "cccee", "{world} {way}");
        server.await_log("all 3 connections of `outbound_connections` are in use");
    }
}

#[test]
fn an_idle_outbound_connection_gives_way_to_a_socket() {
    let service = Upstream::keeping();
    let server = serve_with("faults03", &service, "outbound_open = 1", "outbound_idle = \"1h\"");
    assert_eq!(server.get(&format!("/fetch?{}", service.url())).text(), "200 kept");
    assert_eq!(open(&server), 1.0);
    // The first finds it in the way.
    let connect = || server.get(&format!("/connect-all?1*{}", service.address)).text();
    eventually_eq(SOON, "a socket", &"c".to_owned(), connect);
}

#[test]
fn a_guest_is_told_what_it_lacks() {
    let service = Upstream::silent();
    let server = serve("faults03", &service);
    let text = server.get(&format!("/connect3-error?3*{}", service.address)).text();
    assert!(text.contains("new-socket-limit"), "{text}");
    // Nothing granted is nothing lacking.
    let server = Site::handler(&guest("faults03"), "").start();
    let text = server.get(&format!("/connect3-error?1*{}", service.address)).text();
    assert!(text.contains("AccessDenied"), "{text}");
    assert_eq!(refused(&server), 0.0);
}
