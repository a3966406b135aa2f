//! Lines that a native guest gives a level and values: bounded and escaped like the rest.

use crate::support::aftermath::site_with_canary;
use crate::support::client;
use crate::support::server::{Server, Site};
use crate::support::{SOON, eventually};
use serde_json::Value;
use squall_test_guests::guest;

fn guest_lines(server: &Server) -> Vec<Value> {
    server.log().into_iter().filter(|line| line["target"] == "squall::guest").collect()
}

fn await_lines(server: &Server, n: usize) -> Vec<Value> {
    eventually(SOON, "the lines", || guest_lines(server).len() >= n);
    guest_lines(server)
}

#[test]
fn a_line_has_its_level_its_values_and_its_request() {
    for (filter, enabled, levels) in [
        ("info", "00111", &["INFO", "WARN", "ERROR"][..]),
        ("trace", "11111", &["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]),
        ("off,squall::guest=error", "00001", &["ERROR"]),
    ] {
        let server = Site::component(&guest("faults_web")).env("SQUALL_LOG", filter).start();
        assert_eq!(server.get("/tell").text(), enabled, "{filter}");
        let lines = await_lines(&server, levels.len());
        let found: Vec<&str> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
        assert_eq!(found, levels, "{filter}");
        for line in lines {
            assert!(line["message"].as_str().unwrap().starts_with("at Level::"), "{line}");
            assert_eq!(line["values"], "n=\"1\" text=\"two words\"");
            assert_eq!(
                (line["handler"].as_str(), line["generation"].as_str()),
                (Some("app"), Some("1"))
            );
            assert_eq!(line["request"].as_str().unwrap().len(), 16, "{line}");
        }
    }
}

#[test]
fn g24_a_flood_of_native_lines_is_cut_and_counted() {
    let limits = "log_request = \"10 KiB\"\nlog_line = \"1 KiB\"\ncpu = \"10s\"";
    let app = format!("[handlers.app.limits]\n{limits}");
    let server = site_with_canary(&guest("faults_web"), &app).start();
    assert_eq!(server.get("/tell-many?5000").text(), "logged");
    server.await_log("as much as `log_request` allows");
    eventually(SOON, "counting", || {
        server.metric("squall_guest_log_dropped_total{handler=\"app\"}") > 4000.0
    });
    assert!(guest_lines(&server).len() < 200);
    // A long line is cut, and so are its values.
    assert_eq!(server.get("/tell-long?100000").text(), "logged");
    let line = server.await_log("(cut)");
    assert!(line.len() < 3000 && line.matches("(cut)").count() == 2, "{} bytes", line.len());
}

#[test]
fn g25_a_native_guest_cannot_forge_the_log() {
    let server = site_with_canary(&guest("faults_web"), "").start();
    assert_eq!(server.get("/tell-raw").text(), "logged");
    let lines = await_lines(&server, 1);
    assert_eq!(lines.len(), 1, "a newline makes no line");
    assert_eq!(lines[0]["level"], "WARN");
    assert!(lines[0]["message"].as_str().unwrap().starts_with("\\n{\"level\""), "{}", lines[0]);
    assert_ne!(lines[0]["request"], "forged");
    assert!(lines[0]["values"].as_str().unwrap().contains("request=\"forged\""), "{}", lines[0]);
    for line in server.stderr() {
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    // Nor that for people.
    let site = Site::component(&guest("faults_web"));
    let mut command = site.command();
    command.args(["--admin", "127.0.0.1:0", "--log", "text", "--access-log", "off"]);
    let server = Server::spawn(site, command);
    assert_eq!(server.get("/tell-raw").text(), "logged");
    server.await_log("WARN");
    for line in server.stderr() {
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

#[test]
fn native_lines_of_requests_that_share_an_instance_are_told_apart() {
    let server = site_with_canary(&guest("faults_web"), "").start();
    let address = server.address;
    let calls: Vec<_> = (0..6)
        .map(|i| std::thread::spawn(move || client::get(address, &format!("/tell-sleep-tell?{i}"))))
        .collect();
    for call in calls {
        assert_eq!(call.join().unwrap().text(), "logged");
    }
    let lines = await_lines(&server, 12);
    eventually(SOON, "the access lines", || server.access().len() >= 6);
    let access = server.access();
    for line in lines {
        let number = line["message"].as_str().unwrap().rsplit(' ').next().unwrap();
        let target = format!("/tell-sleep-tell?{number}");
        let request = access.iter().find(|line| line["target"] == target).unwrap();
        assert_eq!(line["request"], request["request"], "{line}");
    }
}
