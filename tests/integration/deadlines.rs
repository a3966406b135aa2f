//! Answers that do not come. Over HTTP/1 a connection has one timer for all that it waits
//! for; over HTTP/2 each stream has its own.

use crate::support::aftermath::site_with_canary;
use crate::support::client::Wire;
use crate::support::h2::H2;
use crate::support::server::Server;
use squall_test_guests::guest;

fn serve() -> Server {
    let limits = "[handlers.app.limits]\nhead_deadline = \"300ms\"";
    site_with_canary(&guest("faults_web"), limits).start()
}

#[test]
fn g5_each_request_of_a_connection_has_its_deadline() {
    let server = serve();
    let mut wire = Wire::open(server.address);
    for (path, status) in [("/", 200), ("/forever", 504), ("/", 200), ("/", 200), ("/forever", 504)]
    {
        wire.request(&format!("GET {path} HTTP/1.1\nHost: test\n\n"));
        assert_eq!(wire.reply().status, status, "{path}");
    }
    assert_eq!(server.metric("squall_faults_total{handler=\"app\",kind=\"deadline\"}"), 2.0);
}

#[test]
fn g5_each_stream_of_a_connection_has_its_deadline() {
    let server = serve();
    let mut h2 = H2::open(server.address);
    let first = h2.request("GET", "/forever", &[], true);
    assert_eq!(h2.reply(first).status, Some(504));
    assert_eq!(h2.get("/").status, Some(200));
    let second = h2.request("GET", "/forever", &[], true);
    // Its status is told by reference to the first, which is not looked up here.
    assert!(h2.reply(second).ended);
    assert_eq!(h2.get("/").status, Some(200));
    assert_eq!(server.metric("squall_faults_total{handler=\"app\",kind=\"deadline\"}"), 2.0);
}
