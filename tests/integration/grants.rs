//! What a handler may reach: nothing but its grants.

use crate::support::fault_guests::FAULTS;
use crate::support::server::{Server, Site};
use crate::support::upstream::Upstream;
use crate::support::{SOON, eventually};
use squall_test_guests::guest;
use std::time::Duration;

fn serve(world: &str, handler: &str) -> Server {
    Site::handler(&guest(world), handler).start()
}

fn fetch(server: &Server, url: &str) -> String {
    server.get(&format!("/fetch?{url}")).text()
}

fn denied(server: &Server, reason: &str) -> f64 {
    server.metric(&format!("squall_outbound_denied_total{{handler=\"app\",reason=\"{reason}\"}}"))
}

#[test]
fn a_granted_host_is_reached() {
    for world in FAULTS {
        let upstream = Upstream::text("from upstream");
        let server = serve(world, &format!("outbound = [\"{}\"]", upstream.url()));
        assert_eq!(
            fetch(&server, &format!("{}/x", upstream.url())),
            "200 from upstream",
            "{world}"
        );
        assert_eq!(
            server.metric("squall_outbound_requests_total{handler=\"app\",outcome=\"ok\"}"),
            1.0
        );
    }
}

#[test]
fn g28_nothing_is_reached_without_a_grant() {
    for world in FAULTS {
        let trap = Upstream::text("caught");
        let port = trap.address.port();
        let server = serve(world, "outbound = [\"https://api.example.com\", \"http://*:80\"]");
        for host in ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]"] {
            let answer = fetch(&server, &format!("http://{host}:{port}/"));
            assert!(answer.starts_with("error: "), "{world} {host}: {answer}");
        }
        assert_eq!(trap.connections(), 0);
        assert!(denied(&server, "not_granted") >= 1.0);
        let line = server.await_log("outbound request denied");
        assert!(
            line.contains("`outbound`") && line.contains("\"request\""),
            "names the grant: {line}"
        );
    }
}

#[test]
fn g28_private_addresses_are_reached_only_if_they_are_named() {
    for world in FAULTS {
        let trap = Upstream::text("caught");
        let port = trap.address.port();
        // Any host, which does not mean any address.
        let server = serve(world, "outbound = [\"http://*:*\"]");
        for host in [
            "127.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "169.254.169.254",
            "10.0.0.1",
        ] {
            let answer = fetch(&server, &format!("http://{host}:{port}/"));
            assert!(
                answer.contains("Prohibited") || answer.contains("Denied"),
                "{world} {host}: {answer}"
            );
        }
        // g29: odd spellings are not interpreted.
        for host in ["127.1", "0x7f000001", "2130706433", "localhost.", "a@127.0.0.1", "0177.0.0.1"]
        {
            let answer = fetch(&server, &format!("http://{host}:{port}/"));
            assert!(answer.starts_with("error: "), "{world} {host}: {answer}");
        }
        assert_eq!(trap.connections(), 0);
        let server =
            serve(world, "outbound = [\"http://*:*\"]\noutbound_private = [\"127.0.0.0/8\"]");
        assert_eq!(fetch(&server, &format!("http://127.0.0.1:{port}/")), "200 caught");
    }
}

#[test]
fn g31_redirects_are_not_followed() {
    let target = Upstream::text("caught");
    let place = target.url();
    let redirect = Upstream::start(move |stream, _| {
        use std::io::Write;
        let _ = write!(
            stream,
            "HTTP/1.1 302 Found\r\nlocation: {place}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
    });
    for world in FAULTS {
        let server = serve(world, &format!("outbound = [\"{}\"]", redirect.url()));
        assert_eq!(fetch(&server, &redirect.url()), "302 ", "{world}");
        assert_eq!(target.connections(), 0);
    }
}

#[test]
fn outbound_waits_are_bounded() {
    let silent = Upstream::silent();
    let endless = Upstream::endless();
    for world in FAULTS {
        let server = serve(
            world,
            &format!(
                "outbound = [\"{}\", \"{}\"]\n[handlers.app.limits]\noutbound_head = \"300ms\"\noutbound_gap = \"300ms\"",
                silent.url(),
                endless.url()
            ),
        );
        let answer = fetch(&server, &silent.url());
        assert!(answer.contains("Timeout"), "{world}: {answer}");
        let answer = fetch(&server, &endless.url());
        assert!(answer.contains("error"), "{world}: {answer}");
    }
    eventually(SOON, "closing all of them", || silent.closed() == 3 && endless.closed() == 3);
}

#[test]
fn a_request_has_its_share_of_outbound_requests() {
    let upstream = Upstream::text("x");
    let limits = "[handlers.app.limits]\noutbound_requests = 0";
    for (world, words) in
        [("faults03", "ConnectionLimitReached"), ("faults_web", "this request has sent as many")]
    {
        let server = serve(world, &format!("outbound = [\"{}\"]\n{limits}", upstream.url()));
        let answer = fetch(&server, &upstream.url());
        assert!(answer.contains(words), "{answer}");
        assert_eq!(upstream.connections(), 0);
    }
}

#[test]
fn config_and_secrets_reach_the_handler_and_nobody_else() {
    for world in FAULTS {
        let site = Site::handler(
            &guest(world),
            "config = { greeting = \"good day\" }\n\
             secrets = { TOKEN = { env = \"THE_TOKEN\" }, KEY = { file = \"key.txt\" } }",
        );
        site.write("key.txt", "key-content\n");
        let server = site.env("THE_TOKEN", "token-content").start();
        let text = server.get("/reach").text();
        for (name, value) in
            [("greeting", "good day"), ("TOKEN", "token-content"), ("KEY", "key-content")]
        {
            assert!(text.contains(&format!("(\"{name}\", \"{value}\")")), "{world}: {text}");
        }
        let told = format!("{:?}{}", server.stderr(), server.status());
        assert!(!told.contains("token-content") && !told.contains("key-content"), "{told}");
    }
    let (status, stderr) =
        Site::handler(&guest("hello03"), "secrets = { TOKEN = { env = \"NOT_SET_ANYWHERE\" } }")
            .run();
    assert_eq!(status.code(), Some(64));
    assert!(
        stderr.contains("secret `TOKEN`: the variable `NOT_SET_ANYWHERE` is not set"),
        "{stderr}"
    );
}

#[test]
fn folders_are_what_they_are_granted_as() {
    for world in FAULTS {
        let site =
            Site::handler(&guest(world), "folders = [{ host = \"data\", guest = \"/data\" }]");
        site.write("data/note.txt", "a note");
        site.write("outside.txt", "outside");
        std::os::unix::fs::symlink("../outside.txt", site.file("data/link")).unwrap();
        let server = site.start();
        assert_eq!(server.get("/read?/data/note.txt").text(), "a note", "{world}");
        for path in ["/data/../outside.txt", "/data/link", "/etc/passwd", "/data/none"] {
            assert!(
                server.get(&format!("/read?{path}")).text().starts_with("error"),
                "{world} {path}"
            );
        }
        assert!(
            server.get("/write?/data/new.txt").text().starts_with("error"),
            "{world}: read only"
        );
        drop(server);
        let site = Site::handler(
            &guest(world),
            "folders = [{ host = \"data\", guest = \"/data\", access = \"read-write\" }]",
        );
        site.write("data/note.txt", "a note");
        let server = site.start();
        assert_eq!(server.get("/write?/data/new.txt").text(), "written", "{world}");
        assert!(server.site.file("data/new.txt").exists());
    }
}

#[test]
fn tcp_reaches_granted_hosts_only() {
    for world in FAULTS {
        let service = Upstream::text("x");
        let other = Upstream::text("x");
        let (port, wrong) = (service.address.port(), other.address.port());
        let server = serve(world, &format!("outbound_tcp = [\"localhost:{port}\"]"));
        assert_eq!(
            server.get(&format!("/connect?localhost:{port}")).text(),
            "connected",
            "{world}"
        );
        for place in
            [format!("localhost:{wrong}"), format!("127.0.0.1:{wrong}"), "example.com:80".into()]
        {
            let text = server.get(&format!("/connect?{place}")).text();
            assert!(text.starts_with("error"), "{world} {place}: {text}");
        }
        assert_eq!(other.connections(), 0);
        assert!(denied(&server, "not_granted") >= 1.0);
        server.await_log("connection denied");
        // Nothing granted: not even a name is resolved.
        let server = serve(world, "");
        assert!(server.get(&format!("/connect?localhost:{port}")).text().starts_with("error"));
        assert_eq!(service.connections(), 1);
    }
}

#[test]
fn denials_are_counted_each_time_and_logged_seldom() {
    let server = serve("faults03", "outbound_tcp = [\"api.example.com:443\"]");
    let lines = |text: &str| server.stderr().iter().filter(|line| line.contains(text)).count();
    let many = |n: usize, path: &str| {
        for _ in 0..n {
            assert!(server.get(path).text().starts_with("error"));
        }
    };
    many(10, "/fetch?http://one.example/");
    many(10, "/connect?192.0.2.1:80");
    many(1, "/fetch?http://two.example/");
    many(1, "/connect?192.0.2.2:80");
    // Lines are written in the order of their events.
    server.await_log("http://two.example");
    server.await_log("192.0.2.2:80");
    assert_eq!(lines("http://one.example"), 1);
    assert_eq!(lines("192.0.2.1:80"), 1);
    assert_eq!(denied(&server, "not_granted"), 22.0);
    // However many targets a guest thinks of.
    for number in 0..100 {
        many(1, &format!("/fetch?http://{number}.example/"));
    }
    assert_eq!(denied(&server, "not_granted"), 122.0);
    assert!(lines("outbound request denied") < 100);
}

#[test]
fn many_outbound_requests_of_one_handler_run_at_the_same_time() {
    let slow = Upstream::slow(Duration::from_millis(500));
    let server = serve("faults03", &format!("outbound = [\"{}\"]", slow.url()));
    let (address, url) = (server.address, slow.url());
    let began = std::time::Instant::now();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let url = url.clone();
            std::thread::spawn(move || {
                crate::support::client::get(address, &format!("/fetch?{url}")).text()
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.join().unwrap(), "200 slow");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "one after the other: {:?}", began.elapsed());
}
