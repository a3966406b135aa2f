//! Limits of what handlers ask others for.

use crate::support::client::{self, Wire};
use crate::support::fault_guests::{SHARING, limited};
use crate::support::server::{Server, Site};
use crate::support::upstream::Upstream;
use crate::support::{SOON, eventually};
use squall_test_guests::guest;
use std::time::Duration;

/// Two handlers, of which one takes all that it gets.
fn greedy_and_neighbour(server: &str, handlers: &str) -> Site {
    let handler = |name: &str| {
        format!(
            "[[routes]]\nmount = \"/\"\nhost = \"{name}\"\nhandler = \"{name}\"\n\
             [handlers.{name}]\ncomponent = \"app.wasm\"\noutbound = [\"http://127.0.0.1:*\"]\n\
             [handlers.{name}.limits]\n{handlers}\n"
        )
    };
    let (greedy, neighbour) = (handler("greedy"), handler("neighbour"));
    let site = Site::toml(&format!("[server.limits]\n{server}\n{greedy}{neighbour}"));
    site.write("app.wasm", guest("faults03"));
    site
}

fn ask(server: &Server, handler: &str, target: &str) -> client::Reply {
    let request = format!("GET {target} HTTP/1.1\nHost: {handler}\nConnection: close\n\n");
    client::send(server.address, &request)
}

fn greedy_outbound(server: &Server) -> f64 {
    server.metric("squall_outbound_connections{handler=\"greedy\"}")
}

/// How many requests were told so, in the words of their world.
fn at_limit(text: &str) -> usize {
    text.matches("ConnectionLimitReached").count() + text.matches("Error::Limit").count()
}

#[test]
fn outbound_requests_of_one_request() {
    for world in SHARING {
        let upstream = Upstream::slow(Duration::from_millis(200));
        let server = limited(world, "", "outbound_at_once = 2\noutbound_requests = 6");
        let reply = server.get(&format!("/fan-out?6*{}", upstream.url()));
        assert_eq!(reply.text(), ["200 slow"; 6].join("|"));
        assert_eq!(upstream.most_at_once(), 2);
        let text = server.get(&format!("/fan-out?7*{}", upstream.url())).text();
        assert_eq!(text.matches("200 slow").count(), 6, "{text}");
        assert_eq!(at_limit(&text), 1, "{text}");
        let limited = "squall_outbound_requests_total{handler=\"app\",outcome=\"limit\"}";
        assert_eq!(server.metric(limited), 1.0);
    }
}

#[test]
fn outbound_connections_of_a_handler() {
    for world in SHARING {
        let upstream = Upstream::slow(Duration::from_millis(300));
        let limits = "outbound_connections = 2\noutbound_connect = \"5s\"";
        let server = limited(world, "", limits);
        let reply = server.get(&format!("/fan-out?6*{}", upstream.url()));
        assert_eq!(reply.text(), ["200 slow"; 6].join("|"), "they wait for each other");
        assert_eq!(upstream.most_at_once(), 2);
        // Whoever waits longer than a connection may take is told.
        let limits = "outbound_connections = 1\noutbound_connect = \"100ms\"";
        let server = limited(world, "", limits);
        let text = server.get(&format!("/fan-out?3*{}", upstream.url())).text();
        assert_eq!(text.matches("200 slow").count(), 1, "{text}");
        assert_eq!(at_limit(&text), 2, "{text}");
    }
}

#[test]
fn outbound_connections_of_all_handlers_together() {
    let silent = Upstream::silent();
    let limits = "outbound_connect = \"300ms\"\noutbound_head = \"2s\"";
    let server = greedy_and_neighbour("outbound_open = 2", limits).start();
    let text = ask(&server, "greedy", &format!("/fan-out?6*{}", silent.url())).text();
    assert_eq!(text.matches("ConnectionLimitReached").count(), 4, "{text}");
    assert_eq!(silent.connections(), 2);
}

#[test]
fn idle_outbound_connections_give_way_to_another_handler() {
    let (one, two) = (Upstream::keeping(), Upstream::keeping());
    let server = greedy_and_neighbour("outbound_open = 2", "outbound_idle = \"1h\"").start();
    for upstream in [&one, &two] {
        let reply = ask(&server, "greedy", &format!("/fetch?{}", upstream.url()));
        assert_eq!(reply.text(), "200 kept");
    }
    eventually(SOON, "keeping both", || greedy_outbound(&server) == 2.0);
    let reply = ask(&server, "neighbour", &format!("/fetch?{}", one.url()));
    assert_eq!(reply.text(), "200 kept");
    assert_eq!(greedy_outbound(&server), 1.0, "the one idle longest is closed");
}

#[test]
fn outbound_connections_do_not_use_up_the_descriptors() {
    let silent = Upstream::silent();
    let limits = "outbound_connect = \"60s\"\noutbound_head = \"60s\"\nhead_deadline = \"60s\"";
    let site = greedy_and_neighbour("settle = \"50ms\"", limits);
    let server = site.start_under(&["prlimit", "--nofile=256:256", "--"]);
    let requests: Vec<Wire> = (0..40)
        .map(|_| {
            let mut wire = Wire::open(server.address);
            let url = silent.url();
            wire.request(&format!("GET /fan-out?8*{url} HTTP/1.1\nHost: greedy\n\n"));
            wire
        })
        .collect();
    eventually(SOON, "taking what there is", || silent.connections() >= 16);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(ask(&server, "neighbour", "/").status, 200);
    assert_eq!(silent.connections(), 16, "a twentieth, and at least 16");
    assert_eq!(greedy_outbound(&server), 16.0);
    drop(requests);
}

fn open_outbound(server: &Server) -> f64 {
    server.metric("squall_outbound_connections{handler=\"app\"}")
}

#[test]
fn open_outbound_connections_are_counted() {
    for world in SHARING {
        let silent = Upstream::silent();
        let server = limited(world, "", "outbound_head = \"1s\"");
        assert_eq!(open_outbound(&server), 0.0);
        let (address, url) = (server.address, silent.url());
        let asking =
            std::thread::spawn(move || client::get(address, &format!("/fetch?{url}")).text());
        eventually(SOON, "connecting", || open_outbound(&server) == 1.0);
        assert!(asking.join().unwrap().contains("Timeout"));
        eventually(SOON, "closing it", || open_outbound(&server) == 0.0);
    }
}

#[test]
fn idle_outbound_connections_are_closed() {
    for world in SHARING {
        let upstream = Upstream::keeping();
        let server = limited(world, "", "outbound_idle = \"300ms\"");
        assert_eq!(server.get(&format!("/fetch?{}", upstream.url())).text(), "200 kept");
        eventually(SOON, "closing it", || upstream.closed() == 1);
        eventually(SOON, "counting that", || open_outbound(&server) == 0.0);
        // With time enough it is kept.
        let server = limited(world, "", "outbound_idle = \"1h\"");
        assert_eq!(server.get(&format!("/fetch?{}", upstream.url())).text(), "200 kept");
        assert_eq!((open_outbound(&server), upstream.closed()), (1.0, 1));
    }
}
