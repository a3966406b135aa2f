//! What is served: routes, hosts, captures, both protocols, all worlds.

use crate::support::client::{self, Wire};
use crate::support::fault_guests::{FAULTS, SHARING};
use crate::support::h2::{self, H2};
use crate::support::server::{Server, Site};
use crate::support::{SOON, eventually};
use squall_test_guests::guest;
use std::net::Shutdown;
use std::time::Duration;

#[test]
fn one_component_is_served_at_the_root() {
    for world in ["hello02", "hello03", "hello_web", "hello_core"] {
        let server = Site::component(&guest(world)).start();
        for path in ["/", "/any/path?x=1"] {
            let reply = server.get(path);
            assert_eq!((reply.status, reply.text().as_str()), (200, "Hello, World!\n"), "{world}");
            assert_eq!(reply.header("content-type"), Some("text/plain"));
        }
    }
}

#[test]
fn a_folder_of_components_is_served_by_their_names() {
    let site = Site::empty();
    site.write("one.wasm", guest("hello02"));
    site.write("two.wasm", guest("faults03"));
    site.write("notes.txt", "not a component");
    let server = site.start();
    assert_eq!(server.get("/one/").text(), "Hello, World!\n");
    assert_eq!(server.get("/one").text(), "Hello, World!\n");
    assert_eq!(server.get("/two/x").text(), "ok");
    assert_eq!(server.get("/").status, 404);
    assert_eq!(server.get("/three/").status, 404);
}

fn routed() -> Server {
    let site = Site::toml(
        r#"
        [handlers.app]
        component = "app.wasm"
        [[routes]]
        path = "/users/{id}"
        methods = ["GET", "PUT"]
        handler = "app"
        [[routes]]
        path = "/files/{*rest}"
        handler = "app"
        [[routes]]
        mount = "/request"
        handler = "app"
        [[routes]]
        path = "/old/{id}"
        redirect = "/users/{id}?from=old"
        [[routes]]
        path = "/gone"
        status = 410
        [[routes]]
        host = "admin.example.com"
        mount = "/"
        status = 403
        [[routes]]
        host = "*.example.com"
        path = "/who"
        redirect = "https://example.com/"
        status = 302
        "#,
    );
    site.write("app.wasm", guest("faults03"));
    site.start()
}

fn with_host(server: &Server, host: &str, path: &str) -> client::Reply {
    client::send(
        server.address,
        &format!("GET {path} HTTP/1.1\nHost: {host}\nConnection: close\n\n"),
    )
}

#[test]
fn routes_lead_by_host_method_and_path() {
    let server = routed();
    assert_eq!(server.get("/users/7").status, 200);
    let reply =
        client::send(server.address, "DELETE /users/7 HTTP/1.1\nHost: test\nConnection: close\n\n");
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, PUT, HEAD")));
    let reply =
        client::send(server.address, "BREW /users/7 HTTP/1.1\nHost: test\nConnection: close\n\n");
    assert_eq!(reply.status, 405, "an unknown method is judged by the route");
    let reply =
        client::send(server.address, "BREW /files/x HTTP/1.1\nHost: test\nConnection: close\n\n");
    assert_eq!(reply.status, 200, "a route without methods takes all");
    let reply = server.get("/old/7");
    assert_eq!((reply.status, reply.header("location")), (308, Some("/users/7?from=old")));
    assert_eq!(server.get("/gone").status, 410);
    assert_eq!(server.get("/nowhere").status, 404);
    assert_eq!(with_host(&server, "admin.example.com", "/users/7").status, 403);
    assert_eq!(with_host(&server, "ADMIN.example.com:8080", "/users/7").status, 403);
    let reply = with_host(&server, "www.example.com", "/who");
    assert_eq!((reply.status, reply.header("location")), (302, Some("https://example.com/")));
    assert_eq!(with_host(&server, "www.example.com", "/users/7").status, 200);
    assert_eq!(with_host(&server, "example.com", "/who").status, 404);
}

#[test]
fn a_dot_at_the_end_of_a_host_means_nothing() {
    let server = Site::toml(
        "[[routes]]\nmount = \"/\"\nstatus = 404\n\
         [[routes]]\nhost = \"a.example\"\nmount = \"/\"\nstatus = 403\n\
         [[routes]]\nhost = \"b.example.\"\nmount = \"/\"\nstatus = 403\n\
         [[routes]]\nhost = \"*.c.example.\"\nmount = \"/\"\nstatus = 403\n",
    )
    .start();
    for host in ["a.example", "b.example", "x.c.example"] {
        for spelling in [host.to_owned(), format!("{host}."), format!("{host}.:8080")] {
            assert_eq!(with_host(&server, &spelling, "/").status, 403, "{spelling}");
        }
        assert_eq!(with_host(&server, &format!("{host}.."), "/").status, 404, "one dot only");
        let absolute = format!("GET http://{host}./ HTTP/1.1\nHost: {host}.\n\n");
        assert_eq!(client::send(server.address, &absolute).status, 403);
    }
    assert_eq!(with_host(&server, ".", "/").status, 400, "a dot alone names nothing");
    // Two routes that differ in the dot alone are one route.
    let site = Site::toml(
        "[[routes]]\nhost = \"a.example\"\nmount = \"/\"\nstatus = 403\n\
         [[routes]]\nhost = \"a.example.\"\nmount = \"/\"\nstatus = 404\n",
    );
    assert_eq!(site.run().0.code(), Some(64));
}

#[test]
fn a_handler_learns_captures_and_base_path() {
    let site = Site::toml(
        "[[routes]]\npath = \"/u/{id}/{*rest}\"\nhandler = \"app\"\n\
         [[routes]]\nmount = \"/base/path\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n",
    );
    // A handler that describes its request whatever the path: `/request` is part of
    // the mount here.
    site.write("app.wasm", guest("faults03"));
    let server = site.start();
    assert_eq!(server.get("/base/path/request").text(), "ok", "the path is not stripped");
    drop(server);
    let site = Site::toml(
        "[[routes]]\nmount = \"/request\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n",
    );
    site.write("app.wasm", guest("faults03"));
    let server = site.start();
    let text = server.get("/request").text();
    assert!(text.contains("squall-base-path: /request"), "{text}");
    assert!(text.contains("authority=localhost"), "{text}");
}

#[test]
fn captures_reach_the_handler_percent_encoded() {
    for world in FAULTS {
        let site = Site::toml(
            "[[routes]]\npath = \"/{a}/{b-2}\"\nhandler = \"app\"\n[handlers.app]\ncomponent = \"app.wasm\"\n",
        );
        site.write("app.wasm", guest(world));
        let server = site.start();
        // The fixture answers `/request`; with two segments it says `ok`, so ask for
        // the head through the access log's counterpart: the echo of fields.
        assert_eq!(server.get("/request/x").status, 200);
        drop(server);
        let site = Site::toml(
            "[[routes]]\npath = \"/{page}\"\nhandler = \"app\"\n[handlers.app]\ncomponent = \"app.wasm\"\n",
        );
        site.write("app.wasm", guest(world));
        let server = site.start();
        let text = server.get("/request").text();
        let told = text.contains("squall-path-page: request");
        // Decoded, and not in a header, where the request has a place for it.
        let native = text.contains(":capture-page: request");
        assert_eq!((told, native), (world != "faults_web", world == "faults_web"), "{text}");
        assert!(!text.contains("squall-base-path"), "{text}");
    }
}

#[test]
fn http2_is_served_to_those_who_know() {
    for world in FAULTS {
        let server = Site::component(&guest(world)).start();
        let mut h2 = H2::open(server.address);
        for _ in 0..3 {
            let reply = h2.get("/");
            assert_eq!(
                (reply.status, reply.body.as_slice(), reply.ended),
                (Some(200), &b"ok"[..], true)
            );
        }
        // A body both ways.
        let stream = h2.request("POST", "/echo", &[], false);
        h2.send(h2::DATA, 0, stream, b"first ");
        h2.send(h2::DATA, h2::END_STREAM, stream, b"second");
        assert_eq!(h2.reply(stream).body, b"first second");
        // HEAD has no body.
        let stream = h2.request("HEAD", "/", &[], true);
        let reply = h2.reply(stream);
        assert_eq!((reply.status, reply.body.is_empty(), reply.ended), (Some(200), true, true));
        assert_eq!(h2.get("/trap").status, Some(502));
        // A failure after the head resets the stream, and the connection goes on.
        let reply = h2.get("/trap-mid");
        assert_eq!((reply.status, reply.ended), (Some(200), false), "{reply:?}");
        assert!(reply.reset.is_some(), "{reply:?}");
        assert_eq!(h2.get("/").status, Some(200));
    }
}

#[test]
fn http2_requests_are_served_at_the_same_time() {
    let server = Site::component(&guest("faults03")).start();
    let mut h2 = H2::open(server.address);
    let began = std::time::Instant::now();
    let streams: Vec<u32> =
        (0..20).map(|_| h2.request("GET", "/sleep-ms?300", &[], true)).collect();
    let mut ended = 0;
    while ended < streams.len() {
        let frame = h2.frame().expect("a frame");
        ended += usize::from(frame.flags & h2::END_STREAM != 0 && frame.kind <= h2::HEADERS);
    }
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "20 waits of 300 ms took {:?}",
        began.elapsed()
    );
}

#[test]
fn an_http2_stream_that_is_reset_stops_its_guest() {
    let server = Site::component(&guest("faults02")).start();
    let mut h2 = H2::open(server.address);
    let stream = h2.request("GET", "/forever", &[], true);
    let instances = || server.metric("squall_instances{handler=\"app\"}");
    eventually(SOON, "the guest to run", || instances() == 1.0);
    h2.send(h2::RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    eventually(SOON, "the guest to stop", || instances() == 0.0);
    assert_eq!(h2.get("/").status, Some(200));
}

#[test]
fn a_client_that_shuts_down_its_sending_side_has_left() {
    let server = Site::component(&guest("faults02")).start();
    let instances = || server.metric("squall_instances{handler=\"app\"}");
    let mut http1 = Wire::open(server.address);
    http1.request("GET /forever HTTP/1.1\nHost: test\n\n");
    let mut http2 = H2::open(server.address);
    http2.request("GET", "/forever", &[], true);
    eventually(SOON, "both guests to run", || instances() == 2.0);
    http1.stream.shutdown(Shutdown::Write).unwrap();
    eventually(SOON, "the first to stop", || instances() == 1.0);
    http2.wire.stream.shutdown(Shutdown::Write).unwrap();
    eventually(SOON, "the second to stop", || instances() == 0.0);
}

#[test]
fn http2_heads_are_checked_as_well() {
    let server = Site::component(&guest("faults03")).start();
    let mut h2 = H2::open(server.address);
    let get = [(":method", "GET"), (":scheme", "http"), (":path", "/")];
    let mut ask = |extra: &[(&str, &str)]| {
        let fields: Vec<(&str, &str)> = get.iter().chain(extra).copied().collect();
        let stream = h2.request_of(&fields, true);
        h2.reply(stream).status
    };
    assert_eq!(ask(&[(":authority", "a"), ("host", "b")]), Some(400));
    assert_eq!(ask(&[]), Some(400), "no host at all");
    assert_eq!(ask(&[("host", "a")]), Some(200));
    assert_eq!(ask(&[(":authority", "a"), ("host", "a")]), Some(200));
    assert_eq!(ask(&[(":authority", "a:80"), ("host", "a")]), Some(200));
    for authority in ["a:99999", "a:b", "a:", ".", ":80", "*", "a@b"] {
        assert_eq!(ask(&[(":authority", authority)]), Some(400), "`{authority}`");
    }
}

#[test]
fn a_handler_is_told_the_scheme_that_is_spoken() {
    let server = Site::component(&guest("faults03")).start();
    let told = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    let of_target = |target: &str| {
        let request = format!("GET {target} HTTP/1.1\nHost: test\nConnection: close\n\n");
        client::send(server.address, &request)
    };
    for target in ["/request", "http://test/request", "HTTP://test/request", "https://test/request"]
    {
        assert_eq!(told(&of_target(target).text()), "scheme=Some(Scheme::Http)", "{target}");
    }
    assert_eq!(of_target("ftp://test/request").status, 400);
    let mut h2 = H2::open(server.address);
    let mut of_scheme = |scheme: &str| {
        let head =
            [(":method", "GET"), (":scheme", scheme), (":path", "/request"), (":authority", "a")];
        let stream = h2.request_of(&head, true);
        h2.reply(stream)
    };
    for scheme in ["http", "HTTP", "https"] {
        let text = String::from_utf8(of_scheme(scheme).body).unwrap();
        assert_eq!(told(&text), "scheme=Some(Scheme::Http)", "{scheme}");
    }
    assert_eq!(of_scheme("foo").status, Some(400));
}

#[test]
fn the_parts_of_an_http2_cookie_are_one_field() {
    for world in FAULTS {
        let server = Site::component(&guest(world)).start();
        let mut h2 = H2::open(server.address);
        let mut told = |fields: &[(&str, &str)]| {
            let stream = h2.request("GET", "/request", fields, true);
            let text = String::from_utf8(h2.reply(stream).body).unwrap();
            let cookies = text.lines().filter_map(|line| line.strip_prefix("cookie: "));
            cookies.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(told(&[("x-a", "1")]), [""; 0]);
        assert_eq!(told(&[("cookie", "a=1")]), ["a=1"]);
        let parts = [("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2"), ("cookie", "c=3; d=4")];
        assert_eq!(told(&parts), ["a=1; b=2; c=3; d=4"]);
    }
}

#[test]
fn trailers_are_cleansed_as_headers_are() {
    for world in SHARING {
        let site = Site::toml(
            "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n\
             [[routes]]\nmount = \"/\"\nhandler = \"app\"\n[handlers.app]\ncomponent = \"app.wasm\"\n",
        );
        site.write("app.wasm", guest(world));
        let server = site.start();
        let forged = "Squall-Client-Address: 6.6.6.6\nSquall_Request_Id: 1\nX-Forwarded-For: 6.6.6.6\n\
                      Forwarded: for=6.6.6.6\nX_Real_IP: 6.6.6.6\nConnection: X-Hop\nX-Hop: 1\n\
                      Keep-Alive: timeout=5\nTE: trailers\nTransfer-Encoding: chunked\n\
                      Content-Length: 7\nHost: other\n";
        let ask = |trailers: &str| {
            let request = format!(
                "POST /request-trailers HTTP/1.1\nHost: test\nConnection: close\n\
                 Transfer-Encoding: chunked\n\n1\nx\n0\n{trailers}\n"
            );
            client::send(server.address, &request).text()
        };
        assert_eq!(ask("X-Sum: 42\n"), "x-sum: 42");
        assert_eq!(ask(&format!("{forged}X-Sum: 42\n")), "x-sum: 42");
        let mut h2 = H2::open(server.address);
        let stream = h2.request("POST", "/request-trailers", &[], false);
        h2.send(h2::DATA, 0, stream, b"x");
        h2.trailers(stream, &[("squall-request-id", "1"), ("host", "other"), ("x-sum", "42")]);
        assert_eq!(String::from_utf8(h2.reply(stream).body).unwrap(), "x-sum: 42");
    }
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    for world in ["hello02", "hello03", "hello_web", "hello_core"] {
        let server = Site::component(&guest(world)).start();
        let mut wire = Wire::open(server.address);
        for _ in 0..2 {
            wire.request("HEAD / HTTP/1.1\nHost: test\n\n");
            let reply = wire.reply_to("HEAD").unwrap();
            assert_eq!(reply.status, 200);
            assert_eq!(reply.header("content-type"), Some("text/plain"));
            assert_ne!(reply.header("content-length"), Some("0"), "{}", reply.head);
            wire.request("GET / HTTP/1.1\nHost: test\n\n");
            assert_eq!(wire.reply().text(), "Hello, World!\n");
        }
    }
}

#[test]
fn tunnels_and_upgrades_are_not_made() {
    let server = Site::component(&guest("hello03")).start();
    let mut wire = Wire::open(server.address);
    wire.request("CONNECT example.com:443 HTTP/1.1\nHost: example.com:443\n\n");
    assert_eq!(wire.reply().status, 501);
    let upgrade = "GET / HTTP/1.1\nHost: test\nConnection: upgrade\nUpgrade: websocket\n\n";
    let mut wire = Wire::open(server.address);
    wire.request(upgrade);
    assert_eq!(wire.reply().status, 200, "an upgrade that is not made is not answered with 101");
    // OPTIONS of the server as a whole names no path.
    let mut wire = Wire::open(server.address);
    wire.request("OPTIONS * HTTP/1.1\nHost: test\n\n");
    assert!(matches!(wire.reply().status, 200 | 204 | 400));
}

#[test]
fn many_requests_wait_in_few_instances() {
    for world in ["hello03", "hello_web", "hello_core"] {
        let server = Site::component(&guest(world)).start();
        let mut wires: Vec<Wire> = (0..600)
            .map(|_| {
                let mut wire = Wire::open(server.address);
                wire.request("GET /sleep HTTP/1.1\nHost: test\n\n");
                wire
            })
            .collect();
        eventually(SOON, "all of them waiting", || {
            server.metric("squall_in_flight{handler=\"app\"}") == 600.0
        });
        let instances = server.metric("squall_instances{handler=\"app\"}");
        assert!(instances <= 12.0, "{instances} instances for 600 waiting requests, 128 each");
        for wire in &mut wires {
            assert_eq!(wire.reply().text(), "Hello, World!\n");
        }
    }
}

#[test]
fn a_waiting_request_costs_little() {
    let server = Site::component(&guest("hello03")).start();
    let wait = |n: usize| -> Vec<Wire> {
        let open = |_| {
            let mut wire = Wire::open(server.address);
            wire.request("GET /sleep HTTP/1.1\nHost: test\n\n");
            wire
        };
        (0..n).map(open).collect()
    };
    // The pools of a working server are there before.
    drop(wait(200));
    server.await_in_flight(0);
    let before = server.memory();
    let wires = wait(2000);
    server.await_in_flight(2000);
    let each = server.memory().saturating_sub(before) as f64 / 2000.0;
    println!("{each:.1} KiB");
    drop(wires);
    // A buffer of hyper's that cannot be used again would be 8 KiB more.
    assert!(each < 22.0, "{each:.1} KiB for each request that waits");
}
