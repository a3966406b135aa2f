//! Servers of the guests that keep what they are told to.

use super::client::Wire;
use super::server::Server;
use squall_test_guests::{guest, sdk_guest, standard_sdk_guest};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A guest that keeps what it is told to: `state02`, `state03`, or the SDK's: `sdk`, without
/// WASI `sdk_core`, with `wasi-http` `sdk_http`.
pub(crate) fn component(world: &str) -> Vec<u8> {
    match world {
        "sdk" => sdk_guest("state"),
        "sdk_core" => sdk_guest("state_core"),
        "sdk_http" => standard_sdk_guest("state"),
        _ => guest(world),
    }
}

/// One config of one handler `app`, with lines below `[server.state]`, `[server.limits]`
/// and `[handlers.app]`.
pub(crate) fn config(state: &str, limits: &str, handler: &str) -> String {
    format!(
        "[server.state]\n{state}\n[server.limits]\n{limits}\n\
         [[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\nkey_value = [\"default\", \"other\"]\n{handler}\n"
    )
}

pub(crate) fn ask(server: &Server, target: &str) -> String {
    let reply = server.get(target);
    assert_eq!(reply.status, 200, "{target}: {}", reply.text());
    reply.text()
}

/// Asks one after another, and compares the answers.
pub(crate) fn talk(server: &Server, lines: &[(&str, &str)]) {
    for (target, answer) in lines {
        assert_eq!(ask(server, target), *answer, "{target}");
    }
}

/// The same question to a server that may be killed meanwhile: the answer, if it came
/// whole.
pub(crate) fn try_ask(address: SocketAddr, target: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let head = format!("GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).ok()?;
    let (head, body) = reply.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    (head.starts_with("HTTP/1.1 200") && length == body.len().to_string()).then(|| body.to_owned())
}

pub(crate) fn operations(server: &Server, operation: &str, outcome: &str) -> f64 {
    server.metric(&format!(
        "squall_state_operations_total{{handler=\"app\",operation=\"{operation}\",outcome=\"{outcome}\"}}"
    ))
}

/// A request whose answer nobody has waited for yet.
pub(crate) fn begin(address: SocketAddr, target: &str) -> Wire {
    let mut wire = Wire::open(address);
    wire.request(&format!("GET {target} HTTP/1.1\nHost: test\n\n"));
    wire
}

/// With a section at its end that says which state it understands.
pub(crate) fn with_schema(mut component: Vec<u8>, schema: &str) -> Vec<u8> {
    const NAME: &[u8] = b"squall:schema";
    let size = 1 + NAME.len() + schema.len();
    component.extend([0, size as u8, NAME.len() as u8]);
    component.extend(NAME);
    component.extend(schema.as_bytes());
    component
}
