//! What happens before the server listens.

use crate::support::server::{Server, Site};
use crate::support::{SOON, eventually};
use rustix::process::{Pid, Signal, kill_process};
use squall_test_guests::guest;
use std::process::Child;
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

#[test]
fn a_number_of_workers_that_is_none_is_refused_in_plain_words() {
    let site = Site::component(&guest("hello03"));
    for value in ["0", "two", "", "-1", "1000000000"] {
        for command in ["serve", "check"] {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_squall"))
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
