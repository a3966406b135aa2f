//! Instances of the whole process: who waits for one gets the next that is free.

use crate::support::client::{self, Reply, Wire};
use crate::support::server::{Server, Site};
use squall_test_guests::guest;
use std::process::{Command, Stdio};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

/// Handlers by host, each with its isolation.
fn serve(server: &str, limits: &str, handlers: &[(&str, &str)]) -> Server {
    let handlers: String = handlers
        .iter()
        .map(|(name, isolation)| {
            format!(
                "[[routes]]\nhost = \"{name}\"\nmount = \"/\"\nhandler = \"{name}\"\n\
                 [handlers.{name}]\ncomponent = \"app.wasm\"\nisolation = \"{isolation}\"\n"
            )
        })
        .collect();
    let config = format!("[server.limits]\n{server}\n[limits]\n{limits}\n{handlers}");
    let site = Site::toml(&config).env("TOKIO_WORKER_THREADS", "2");
    site.write("app.wasm", guest("faults02"));
    site.start()
}

fn ask(server: &Server, handler: &'static str, path: &'static str) -> JoinHandle<Reply> {
    let address = server.address;
    let request = format!("GET {path} HTTP/1.1\nHost: {handler}\nConnection: close\n\n");
    std::thread::spawn(move || client::send(address, &request))
}

fn ms(ms: u64) {
    sleep(Duration::from_millis(ms));
}

#[test]
fn who_left_the_queue_holds_up_nobody() {
    let all = [("a", "request"), ("b", "request"), ("c", "request"), ("d", "request")];
    let mut server = serve("instances = 3\ndrain = \"3s\"", "queue_time = \"1500ms\"", &all);
    let long = [
        ask(&server, "a", "/sleep-ms?2500"),
        ask(&server, "a", "/sleep-ms?2500"),
        ask(&server, "a", "/sleep-ms?5000"),
    ];
    ms(300);
    // Two wait until they may not any more, and one whose client leaves.
    let tired = [ask(&server, "b", "/"), ask(&server, "c", "/")];
    ms(100);
    let mut wire = Wire::open(server.address);
    wire.request("GET / HTTP/1.1\nHost: d\n\n");
    ms(200);
    wire.reset();
    for waits in tired {
        assert_eq!(waits.join().unwrap().status, 503);
    }
    // Two instances are free by now, or will be.
    let late = ask(&server, "d", "/sleep-ms?300");
    assert_eq!(late.join().unwrap().status, 200);
    for long in long {
        assert_eq!(long.join().unwrap().status, 200);
    }
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
}

#[test]
fn a_free_slot_goes_to_whoever_has_a_use_for_it() {
    let all = [("a", "request"), ("c", "shared"), ("d", "request")];
    let server = serve("instances = 2", "queue_time = \"5s\"", &all);
    let first = [ask(&server, "a", "/sleep-ms?1200"), ask(&server, "c", "/sleep-ms?600")];
    ms(150);
    // The second request of `c` will need no instance of its own.
    let second = ask(&server, "c", "/");
    ms(150);
    let third = ask(&server, "d", "/");
    for asked in first.into_iter().chain([second, third]) {
        assert_eq!(asked.join().unwrap().status, 200);
    }
}

#[test]
fn o16_who_waits_in_a_replaced_generation_does_not_outlive_it() {
    let limits = "instances = 1\ndrain = \"500ms\"\nqueue_time = \"20s\"\nhead_deadline = \"20s\"";
    let server = serve("", limits, &[("a", "request")]);
    let runs = ask(&server, "a", "/sleep-ms?8000");
    ms(200);
    let waits = ask(&server, "a", "/sleep-ms?8000");
    ms(200);
    server.site.replace("app.wasm", guest("hello02"));
    assert_eq!(runs.join().unwrap().status, 503);
    assert_eq!(waits.join().unwrap().status, 503);
    assert_eq!(ask(&server, "a", "/").join().unwrap().text(), "Hello, World!\n");
}

#[test]
fn one_connection_may_come_to_any_of_several_addresses() {
    let site = Site::toml(
        "[server]\nlisten = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\nlimits = { connections = 1 }\n\
         [[routes]]\nmount = \"/\"\nstatus = 204\n",
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
    command.arg("serve").arg(site.folder.path()).args(["--admin", "127.0.0.1:0"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let server = Server::spawn(site, command);
    let line = "squall listening on http://";
    let addresses: Vec<_> = server.stderr();
    let addresses = addresses.iter().filter_map(|l| l.strip_prefix(line)?.parse().ok());
    for address in addresses {
        let reply = client::send(address, "GET / HTTP/1.1\nHost: a\nConnection: close\n\n");
        assert_eq!(reply.status, 204);
    }
}
