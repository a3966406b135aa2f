//! What guests say, what requests leave behind, and what the admin pages show.

use crate::support::aftermath::site_with_canary;
use crate::support::client;
use crate::support::fault_guests::{FAULTS, SHARING};
use crate::support::server::{Server, Site};
use crate::support::{SOON, eventually};
use rustix::process::{Pid, Signal, kill_process};
use squall_test_guests::guest;
use std::io::BufRead;
use std::process::Child;

fn guest_lines(server: &Server) -> Vec<serde_json::Value> {
    server.log().into_iter().filter(|line| line["target"] == "squall::guest").collect()
}

#[test]
fn what_a_guest_prints_becomes_log_lines() {
    for world in FAULTS {
        let server = site_with_canary(&guest(world), "").start();
        assert_eq!(server.get("/log?3").text(), "logged");
        eventually(SOON, "three lines", || guest_lines(&server).len() == 3);
        let lines = guest_lines(&server);
        let access = server.access();
        let request =
            access.iter().find(|line| line["target"] == "/log?3").map(|line| &line["request"]);
        for (i, line) in lines.iter().enumerate() {
            assert!(line["message"].as_str().unwrap().starts_with(&format!("line {i} ")), "{line}");
            assert_eq!(
                (line["handler"].as_str(), line["generation"].as_str()),
                (Some("app"), Some("1"))
            );
            assert_eq!(line["stream"], "stdout");
            assert!(
                request.is_none() || Some(&line["request"]) == request,
                "{world}: {line} {access:?}"
            );
            assert!(line["request"].is_string(), "{line}");
        }
    }
}

#[test]
fn lines_of_requests_that_share_an_instance_are_told_apart() {
    for world in SHARING {
        let server = site_with_canary(&guest(world), "").start();
        let address = server.address;
        let calls: Vec<_> = (0..6)
            .map(|i| {
                std::thread::spawn(move || client::get(address, &format!("/log-sleep-log?{i}")))
            })
            .collect();
        for call in calls {
            assert_eq!(call.join().unwrap().text(), "logged");
        }
        eventually(SOON, "all lines", || {
            guest_lines(&server).len() == 12 && server.access().len() >= 6
        });
        let access = server.access();
        for line in guest_lines(&server) {
            let number = line["message"].as_str().unwrap().rsplit(' ').next().unwrap().to_owned();
            let target = format!("/log-sleep-log?{number}");
            let request = access.iter().find(|line| line["target"] == target).unwrap();
            assert_eq!(line["request"], request["request"], "{line}");
        }
    }
}

#[test]
fn g24_a_flood_of_lines_is_cut_and_counted() {
    for world in FAULTS {
        let mut server = site_with_canary(
            &guest(world),
            "[handlers.app.limits]\nlog_request = \"10 KiB\"\nlog_line = \"1 KiB\"\ncpu = \"10s\"",
        )
        .start();
        assert_eq!(server.get("/log?5000").text(), "logged");
        server.await_log("as much as `log_request` allows");
        eventually(SOON, "counting", || {
            server.metric("squall_guest_log_dropped_total{handler=\"app\"}") > 4000.0
        });
        assert!(guest_lines(&server).len() < 200);
        // A megabyte without a newline is one line, cut.
        assert_eq!(server.get("/log-long?1000").text(), "logged");
        let line = server.await_log("(cut)");
        assert!(line.len() < 2000, "{} bytes", line.len());
        assert!(server.try_wait().is_none());
    }
}

#[test]
fn g25_a_guest_cannot_forge_the_log() {
    for world in FAULTS {
        let server = site_with_canary(&guest(world), "").start();
        assert_eq!(server.get("/log-raw").text(), "logged");
        eventually(SOON, "the lines", || guest_lines(&server).len() >= 3);
        let lines = guest_lines(&server);
        let messages: Vec<&str> =
            lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
        assert_eq!(messages[0], "one");
        assert_eq!(messages[1], "{\"level\":\"error\"}");
        assert!(messages[2].starts_with("\\u{1b}[31mred\\u{0}"), "{:?}", messages[2]);
        assert!(lines.iter().all(|line| line["level"] == "INFO" && line["stream"] == "stderr"));
        for line in server.stderr() {
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}

#[test]
fn the_text_log_escapes_as_well() {
    let site = Site::component(&guest("faults03"));
    let mut command = site.command();
    command.args(["--admin", "127.0.0.1:0", "--log", "text", "--access-log", "text"]);
    let server = Server::spawn(site, command);
    assert_eq!(server.get("/log-raw").text(), "logged");
    server.await_log("level");
    for line in server.stderr() {
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

#[test]
fn every_request_is_one_line() {
    let server = site_with_canary(&guest("faults03"), "").start();
    server.get("/?x=1");
    server.get("/trap");
    client::post(server.address, "/count", b"12345");
    server.get("/canary/y");
    eventually(SOON, "four lines", || server.access().len() == 4);
    let access = server.access();
    let line = |target: &str| access.iter().find(|line| line["target"] == target).unwrap();
    let ok = line("/?x=1");
    assert_eq!(ok["status"], 200);
    assert_eq!(ok["handler"], "app");
    assert_eq!(ok["client"], "127.0.0.1");
    assert_eq!(ok["method"], "GET");
    assert_eq!(ok["response_bytes"], 2);
    assert!(ok["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(
        (line("/trap")["status"].as_u64(), line("/trap")["fault"].as_str()),
        (Some(502), Some("trap"))
    );
    assert_eq!(line("/count")["request_bytes"], 5);
    assert_eq!(line("/canary/y")["handler"], "canary");
    // A guest's request id in the answer is the one in the log.
    let reply = server.get("/trap");
    let id = reply.header("squall-request-id").unwrap().to_owned();
    server.await_log(&id);
}

#[test]
fn the_access_log_can_be_off() {
    let site = Site::component(&guest("hello03"));
    let mut command = site.command();
    command.args(["--admin", "127.0.0.1:0", "--log", "json", "--access-log", "off"]);
    let server = Server::spawn(site, command);
    for _ in 0..10 {
        server.get("/");
    }
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(server.access().is_empty());
}

#[test]
fn the_filter_says_which_lines_are_logged() {
    let site = Site::component(&guest("faults03")).env("SQUALL_LOG", "off");
    let server = site.start();
    server.get("/trap");
    server.get("/log?2");
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(server.log().is_empty(), "{:?}", server.stderr());
    let (status, stderr) =
        Site::component(&guest("hello03")).env("SQUALL_LOG", "no=such=filter").run();
    assert_eq!(status.code(), Some(64));
    assert!(stderr.contains("SQUALL_LOG"), "{stderr}");
}

#[test]
fn the_admin_pages_tell_what_is_going_on() {
    let server = site_with_canary(&guest("faults03"), "").start();
    server.get("/");
    let page = |path: &str| client::get(server.admin, path);
    assert_eq!(page("/healthz").text(), "ok\n");
    assert_eq!(page("/readyz").text(), "ready\n");
    assert_eq!(page("/nothing").status, 404);
    let status = server.status();
    assert_eq!(status["healthy"], true);
    let app = status["handlers"].as_array().unwrap().iter().find(|h| h["name"] == "app").unwrap();
    assert_eq!(app["world"], "wasi:http/service@0.3");
    assert_eq!(app["isolation"], "shared");
    assert_eq!(app["generation"], 1);
    assert_eq!(app["reloads"][0]["result"], "ok");
    assert_eq!(status["routes"].as_array().unwrap().len(), 2);
    let reply = page("/metrics");
    assert!(reply.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(reply.text().ends_with("# EOF\n"));
    assert_eq!(server.metric("squall_requests_total{handler=\"app\",status=\"200\"}"), 1.0);
    assert_eq!(server.metric("squall_request_duration_seconds_count{handler=\"app\"}"), 1.0);
    let post =
        client::send(server.admin, "POST /status HTTP/1.1\nHost: localhost\nConnection: close\n\n");
    assert_eq!(post.status, 405);
    // Not for everybody: the public port has no such pages.
    assert_eq!(server.get("/metrics").text(), "ok", "it is the handler's path there");
}

/// Whoever reads the log at a terminal reads characters that do nothing.
#[test]
fn what_a_client_sends_cannot_forge_the_access_log() {
    let sent = "/\u{9b}31mred\u{85}\u{202e}\\x";
    for (form, written) in [
        ("text", "/\\xc2\\x9b31mred\\xc2\\x85\\xe2\\x80\\xae\\x5cx"),
        ("json", "/\\u009b31mred\\u0085\\u202e\\\\x"),
    ] {
        let site = Site::component(&guest("hello03"));
        let mut command = site.command();
        command.args(["--admin", "127.0.0.1:0", "--log", "json", "--access-log", form]);
        let server = Server::spawn(site, command);
        let reply = client::send(
            server.address,
            &format!("GET {sent} HTTP/1.1\nHost: test\nConnection: close\n\n"),
        );
        assert_eq!(reply.status, 200);
        eventually(SOON, "the line", || !server.stdout().is_empty());
        let line = &server.stdout()[0];
        assert!(line.bytes().all(|byte| (0x20..=0x7e).contains(&byte)), "{line:?}");
        assert!(line.contains(written), "{line:?}");
    }
}

/// A server that was asked so often and then told to stop, up to its last words. Its
/// access log is more than a pipe holds, so most lines wait until somebody reads.
fn stopped_after(requests: usize) -> Child {
    let site = Site::component(&guest("hello03"));
    let mut command = site.command();
    command.args(["--log", "json", "--access-log", "json"]);
    let mut child = command.spawn().unwrap();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap()).lines();
    let first = stderr.next().unwrap().unwrap();
    let address = first.strip_prefix("squall listening on http://").unwrap().parse().unwrap();
    let mut wire = client::Wire::open(address);
    for _ in 0..requests {
        wire.request("GET / HTTP/1.1\nHost: test\n\n");
        assert_eq!(wire.reply().status, 200);
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(stderr.any(|line| line.unwrap().contains("stopped")));
    // Nobody reads what it says about that.
    child
}

#[test]
fn no_line_is_lost_at_the_end() {
    let mut child = stopped_after(2_000);
    let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.map_while(Result::ok).count(), 2_000);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_reader_that_takes_nothing_does_not_hold_the_end_up() {
    let mut child = stopped_after(2_000);
    let unread = child.stdout.take().unwrap();
    let mut ended = None;
    eventually(SOON, "the end", || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(0));
    drop(unread);
}

#[test]
fn readers_of_both_logs_that_take_nothing_do_not_hold_the_end_up() {
    let site = Site::component(&guest("faults03"));
    let mut child = site.command().args(["--log", "json", "--access-log", "json"]).spawn().unwrap();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut first = String::new();
    stderr.read_line(&mut first).unwrap();
    let address = first.trim().strip_prefix("squall listening on http://").unwrap();
    let mut wire = client::Wire::open(address.parse().unwrap());
    // More lines than may wait, and than pipes hold.
    for path in std::iter::repeat_n("/log?1000", 25).chain(std::iter::repeat_n("/", 2_000)) {
        wire.request(&format!("GET {path} HTTP/1.1\nHost: test\n\n"));
        assert_eq!(wire.reply().status, 200);
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let mut ended = None;
    eventually(SOON, "the end", || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(0));
}
