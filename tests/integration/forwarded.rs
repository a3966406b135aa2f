//! Who the client is: the peer, or whom trusted proxies vouch for.

use crate::support::client;
use crate::support::server::{Server, Site};
use crate::support::{SOON, eventually};
use squall_test_guests::guest;

fn serve(server: &str) -> Server {
    let site = Site::toml(&format!(
        "[server]\n{server}\n[[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n"
    ));
    site.write("app.wasm", guest("faults03"));
    site.start()
}

/// What the handler is told about a request with these fields.
fn told(server: &Server, fields: &str) -> Vec<String> {
    let request = format!("GET /request HTTP/1.1\nHost: test\nConnection: close\n{fields}\n");
    let text = client::send(server.address, &request).text();
    let lines = text.lines().filter_map(|line| line.strip_prefix("squall-client-address: "));
    lines.map(str::to_owned).collect()
}

#[test]
fn c32_the_client_is_whom_trusted_proxies_vouch_for() {
    let server = serve("trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\", \"fd00::/8\"]");
    let cases = [
        ("", "127.0.0.1"),
        ("X-Forwarded-For: 8.8.8.8\n", "8.8.8.8"),
        // A proxy appends: what stands before is the client's own word.
        ("X-Forwarded-For: 6.6.6.6, 8.8.8.8\n", "8.8.8.8"),
        ("X-Forwarded-For: 6.6.6.6\nX-Forwarded-For: 8.8.8.8\n", "8.8.8.8"),
        ("X-Forwarded-For: 6.6.6.6, 8.8.8.8,10.1.1.1, fd00::1\n", "8.8.8.8"),
        ("X-Forwarded-For: 6.6.6.6, 8.8.8.8\nX-Forwarded-For: 10.1.1.1\n", "8.8.8.8"),
        ("X-Forwarded-For: 10.2.2.2, 10.1.1.1\n", "10.2.2.2"),
        ("X-Forwarded-For: 6.6.6.6, unknown, 10.1.1.1\n", "10.1.1.1"),
        ("X-Forwarded-For: 6.6.6.6, unknown\n", "127.0.0.1"),
        ("X-Forwarded-For: 6.6.6.6, ,\n", "6.6.6.6"),
        ("X-Forwarded-For: 8.8.8.8:4711\n", "8.8.8.8"),
        ("X-Forwarded-For: [2001:db8::1]:4711\n", "2001:db8::1"),
        ("X-Forwarded-For: [2001:db8::1]\n", "2001:db8::1"),
        ("X-Forwarded-For: 8.8.8.8, [fd00::1]\n", "8.8.8.8"),
        ("X-Forwarded-For: 8.8.8.8, [10.1.1.1]\n", "127.0.0.1"),
        ("X-Forwarded-For: ::ffff:8.8.8.8\n", "8.8.8.8"),
        ("X-Forwarded-For: 8.8.8.8\nSquall-Client-Address: 6.6.6.6\n", "8.8.8.8"),
        ("X_Forwarded_For: 6.6.6.6\nSquall_Client_Address: 6.6.6.6\n", "127.0.0.1"),
    ];
    for (fields, address) in cases {
        assert_eq!(told(&server, fields), [address], "{fields}");
    }
    // The access log names the same one.
    eventually(SOON, "the lines", || server.access().len() == cases.len());
    for (line, (fields, address)) in server.access().iter().zip(cases) {
        assert_eq!(line["client"], address, "{fields}");
    }
}

#[test]
fn c32_a_stranger_vouches_for_nobody() {
    let server = serve("trusted_proxies = [\"10.0.0.0/8\"]");
    for fields in ["", "X-Forwarded-For: 8.8.8.8\n", "Squall-Client-Address: 8.8.8.8\n"] {
        assert_eq!(told(&server, fields), ["127.0.0.1"], "{fields}");
    }
    eventually(SOON, "the lines", || server.access().len() == 3);
    assert!(server.access().iter().all(|line| line["client"] == "127.0.0.1"));
}

#[test]
fn c32_forwarded_fields_are_believed_from_trusted_peers() {
    let site = Site::toml(
        "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n\
         [[routes]]\nmount = \"/\"\nhandler = \"app\"\n[handlers.app]\ncomponent = \"app.wasm\"\n",
    );
    site.write("app.wasm", guest("faults03"));
    let server = site.start();
    let request = "GET /request HTTP/1.1\nHost: test\nX-Forwarded-For: 8.8.8.8\nX-Forwarded-Proto: https\nConnection: close\n\n";
    let text = client::send(server.address, request).text();
    assert!(text.contains("x-forwarded-for: 8.8.8.8\n"), "{text}");
    assert!(text.contains("x-forwarded-for: 127.0.0.1"), "{text}");
    assert!(text.contains("x-forwarded-proto: https"), "{text}");
}
