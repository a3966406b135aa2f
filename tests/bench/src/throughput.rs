//! Requests per second on one core, 32 connections.

use crate::bars::Bar;
use crate::rounds::Rounds;
use crate::subject::{Subject, bare_hyper, squall_site};
use crate::wrk::Load;
use crate::{peers, print};
use anyhow::Result;
use squall_test_guests::{guest_path, sdk_guest_path};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

const CONNECTIONS: usize = 32;

const HYPER: &str = "bare hyper 1";
const NATIVE: &str = "Squall, native, shared";
const LOGGED: &str = "Squall, native, shared, with access log";
const NATIVE_FRESH: &str = "Squall, native, request";
const STANDARD: &str = "Squall, WASI 0.3, shared";
const WASMTIME: &str = "wasmtime serve, WASI 0.3, its default";
const NODE: &str = "Node http";

pub(crate) fn measure(time: Duration, only: Option<&str>) -> Result<Vec<Bar>> {
    let folder = tempfile::tempdir()?;
    let access_log = folder.path().join("access.log");
    let mut subjects = subjects(&access_log)?;
    subjects.retain(|subject| {
        subject.name == HYPER || only.is_none_or(|text| subject.name.contains(text))
    });
    let rounds = Rounds::run(&subjects, &Load::new("/", CONNECTIONS), time)?;
    let title = format!("Throughput, one core, {CONNECTIONS} connections");
    rounds.table(HYPER, NODE).print(&title);
    print("\nMedians; in parentheses the least and the most that a round had.");
    if let Some(logged) = rounds.get(LOGGED) {
        let lines = lines(&access_log)?;
        print(format_args!("{LOGGED}: {lines} lines for {} requests.", logged.requests));
    }
    Ok(bars(&rounds))
}

/// Those that are compared closest are neighbours, and so in every round.
fn subjects(access_log: &Path) -> Result<Vec<Subject>> {
    let [native, standard] = ["hello_web", "hello03"].map(guest_path);
    let mut all = vec![
        bare_hyper()?,
        squall_site(NATIVE, &native, "shared", None)?,
        squall_site(LOGGED, &native, "shared", Some(access_log))?,
        squall_site(NATIVE_FRESH, &native, "request", None)?,
    ];
    all.extend(peers::node(NODE, "hello.js")?);
    for (name, component, isolation) in [
        ("native by the SDK, shared", sdk_guest_path("hello"), "shared"),
        ("native by the SDK, request", sdk_guest_path("hello"), "request"),
        ("native core module, shared", guest_path("hello_core"), "shared"),
        ("native core module, request", guest_path("hello_core"), "request"),
        ("WASI 0.2, shared", guest_path("hello02"), "shared"),
        ("WASI 0.2, request", guest_path("hello02"), "request"),
        ("WASI 0.3, request", standard.clone(), "request"),
    ] {
        all.push(squall_site(&format!("Squall, {name}"), &component, isolation, None)?);
    }
    all.push(squall_site(STANDARD, &standard, "shared", None)?);
    all.extend(peers::wasmtime(WASMTIME, &standard, &[])?);
    let second = "wasmtime serve, WASI 0.2, its default";
    all.extend(peers::wasmtime(second, &guest_path("hello02"), &[])?);
    all.extend(peers::tornado()?);
    Ok(all)
}

fn bars(rounds: &Rounds) -> Vec<Bar> {
    [
        ("native, shared: of bare hyper", NATIVE, HYPER, 0.60, Some(0.72)),
        ("native, shared, access log on: of the same with it off", LOGGED, NATIVE, 0.9, None),
        ("native, shared: of Node http", NATIVE, NODE, 1.3, Some(1.6)),
        ("native, request: of bare hyper", NATIVE_FRESH, HYPER, 0.22, Some(0.35)),
        ("WASI 0.3, shared: of wasmtime serve's default", STANDARD, WASMTIME, 1.5, Some(2.0)),
    ]
    .into_iter()
    .filter_map(|(what, name, of, bar, aim)| {
        Some(Bar::ratio(what, rounds.ratio(name, of)?.median, bar, aim))
    })
    .collect()
}

/// Lines of a log that nobody writes to any more.
fn lines(log: &Path) -> Result<usize> {
    let mut file = File::open(log)?;
    let (mut count, mut buffer) = (0, vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        count += buffer.iter().take(read).filter(|byte| **byte == b'\n').count();
    }
    // Hundreds of megabytes, of no more use.
    fs::remove_file(log)?;
    Ok(count)
}
