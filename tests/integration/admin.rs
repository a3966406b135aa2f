//! Who may read the admin pages, which have no authentication.

use crate::support::client;
use crate::support::server::{Site, squall};
use squall_test_guests::guest;

#[test]
fn they_are_on_loopback_or_nowhere() {
    let refused = |site: &Site, args: &[&str]| {
        let (status, _, stderr) = squall(args, site.folder.path());
        assert_eq!(status.code(), Some(64), "{stderr}");
        assert!(stderr.contains("put a proxy with authentication before"), "{stderr}");
        stderr
    };
    for address in ["0.0.0.0:3001", "192.0.2.1:3001", "[::]:3001", "[2001:db8::1]:3001"] {
        let site = Site::toml(&format!(
            "[server]\nadmin = \"{address}\"\n[[routes]]\nmount = \"/\"\nstatus = 200\n"
        ));
        for command in ["check", "serve", "limits"] {
            let stderr = refused(&site, &[command, "squall.toml"]);
            assert!(stderr.contains("squall.toml:2:1: "), "{stderr}");
        }
        let site = Site::toml("[[routes]]\nmount = \"/\"\nstatus = 200\n");
        refused(&site, &["serve", ".", "--listen", "127.0.0.1:0", "--admin", address]);
    }
}

/// A page in a browser can have its own name resolve to loopback, and then read what
/// answers there as if it were its own.
#[test]
fn they_answer_to_no_name_but_localhost() {
    let server = Site::component(&guest("hello03")).start();
    let ask = |path: &str, host: &str| {
        let host = if host.is_empty() { String::new() } else { format!("Host: {host}\n") };
        let request = format!("GET {path} HTTP/1.1\n{host}Connection: close\n\n");
        client::send(server.admin, &request)
    };
    let port = server.admin.port();
    for host in ["127.0.0.1", &format!("127.0.0.1:{port}"), "localhost", "localhost:1", "[::1]:2"] {
        assert_eq!(ask("/healthz", host).status, 200, "{host}");
    }
    for host in ["", "evil.example", &format!("evil.example:{port}"), "localhost.evil.example"] {
        for path in ["/healthz", "/readyz", "/status", "/metrics", "/"] {
            let reply = ask(path, host);
            assert_eq!(reply.status, 403, "{host} {path}");
            assert!(reply.text().contains("`localhost`"), "{}", reply.text());
        }
    }
    // What stands in the target goes before the field.
    assert_eq!(ask("http://evil.example/status", "localhost").status, 403);
}
