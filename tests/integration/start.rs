//! What happens before the server listens.

use crate::support::client;
use crate::support::server::{Server, Site};
use crate::support::{SOON, eventually};
use rustix::process::{Pid, Signal, kill_process};
use squall_test_guests::guest;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A site that takes this long to load: its handler must answer for its health first.
fn slow_to_load(ms: u64) -> Site {
    let site = Site::handler(
        &guest("faults03"),
        &format!("health = \"/sleep-ms?{ms}\"\n[handlers.app.limits]\nhead_deadline = \"1h\""),
    );
    // What else takes time must not.
    drop(Site::component(&guest("faults03")).start());
    site
}

/// Waits until components are being loaded: the clock of guests is running.
fn await_loading(child: &Child) {
    let tasks = format!("/proc/{}/task", child.id());
    eventually(SOON, "loading", || {
        let threads = std::fs::read_dir(&tasks).into_iter().flatten().flatten();
        threads.map(|thread| thread.path().join("comm")).any(|name| {
            std::fs::read_to_string(name).is_ok_and(|name| name.trim() == "squall-ticks")
        })
    });
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn o26_no_signal_kills_before_it_listens() {
    let site = slow_to_load(1500);
    let mut command = site.command();
    command.args(["--admin", "127.0.0.1:0", "--log", "json", "--access-log", "json"]);
    let server = Server::spawn_with(site, command, |child| {
        await_loading(child);
        for sent in [Signal::HUP, Signal::USR1, Signal::USR2, Signal::HUP] {
            signal(child, sent);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn o25_told_to_stop_before_it_listens_it_stops() {
    for sent in [Signal::TERM, Signal::INT] {
        let site = slow_to_load(30_000);
        let mut child = site.command().spawn().unwrap();
        await_loading(&child);
        signal(&child, sent);
        let mut ended = None;
        eventually(SOON, "the end", || {
            ended = child.try_wait().unwrap();
            ended.is_some()
        });
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{sent:?}: {stderr}");
        assert!(!stderr.contains("listening"), "{stderr}");
    }
}

/// `[::]` takes IPv4 too unless told otherwise, and then `0.0.0.0` is taken.
#[test]
fn every_address_of_both_families_is_listened_on_at_one_port() {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("skipped: no IPv6 here");
        return;
    }
    // Below the ports that the system gives to connections.
    let port = 20_000 + (std::process::id() % 10_000) as u16;
    let serve = |listen: &str| {
        let config =
            format!("[server]\nlisten = {listen}\n[[routes]]\nmount = \"/\"\nstatus = 204\n");
        let site = Site::toml(&config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
        command.arg("serve").arg(site.folder.path()).args(["--admin", "127.0.0.1:0"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Server::spawn(site, command)
    };
    let answers = |address: IpAddr, port: u16| client::get((address, port).into(), "/").status;
    let (v4, v6) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
    for (one, other) in [("[::]", "0.0.0.0"), ("127.0.0.1", "[::]")] {
        let server = serve(&format!("[\"{one}:{port}\", \"{other}:{port}\"]"));
        let lines = server.stderr();
        for address in [one, other] {
            let line = format!("squall listening on http://{address}:{port}");
            assert!(lines.contains(&line), "{line} in {lines:?}");
        }
        assert_eq!((answers(v4, port), answers(v6, port)), (204, 204), "{one} and {other}");
    }
    // Alone it takes what the system lets it take.
    let only_v6 = std::fs::read_to_string("/proc/sys/net/ipv6/bindv6only");
    if only_v6.is_ok_and(|value| value.trim() == "0") {
        let server = serve("[\"[::]:0\", \"127.0.0.1:0\"]");
        let port = server.address.port();
        assert_eq!((answers(v4, port), answers(v6, port)), (204, 204), "a port of its own");
    }
}

#[test]
fn a_number_of_workers_that_is_none_is_refused_in_plain_words() {
    let site = Site::component(&guest("hello03"));
    for value in ["0", "two", "", "-1", "1000000000"] {
        for command in ["serve", "check"] {
            let output = Command::new(env!("CARGO_BIN_EXE_squall"))
                .arg(command)
                .arg(site.file("app.wasm"))
                .env("TOKIO_WORKER_THREADS", value)
                .output()
                .unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(64), "{command} with `{value}`: {stderr}");
            let words = format!("error: `TOKIO_WORKER_THREADS={value}` is not a number of threads");
            assert!(stderr.starts_with(&words), "{stderr}");
        }
    }
    for value in ["1", "2"] {
        let site = Site::component(&guest("hello03")).env("TOKIO_WORKER_THREADS", value);
        assert_eq!(site.start().get("/").status, 200);
    }
}
