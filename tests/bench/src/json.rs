//! JSON of 1 KB in, parsed and checked, and another out: an order and its confirmation.
//! One core, 32 connections.

use crate::bars::Bar;
use crate::client::ask_once;
use crate::peers;
use crate::process::{Cores, Server, free_port};
use crate::rounds::Rounds;
use crate::subject::{Subject, bare_hyper, peer_file, squall_site};
use crate::wrk::Load;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{CONTENT_TYPE, HOST};
use squall_test_guests::sdk_guest_path;
use std::fs;
use std::path::Path;
use std::time::Duration;

const CONNECTIONS: usize = 32;

const HYPER: &str = "bare hyper 1, serde_json";
const SQUALL: &str = "Squall, native by the SDK, shared";
const CORE: &str = "Squall, native core module by the SDK, shared";
const NODE: &str = "Node http, JSON";

pub(crate) fn measure(time: Duration) -> Result<Vec<Bar>> {
    let order = peer_file("order.json");
    let mut subjects = vec![
        Subject { name: HYPER.to_owned(), ..bare_hyper()? },
        squall_site(SQUALL, &sdk_guest_path("json"), "shared", None)?,
        squall_site(CORE, &sdk_guest_path("json_core"), "shared", None)?,
    ];
    subjects.extend(peers::node(NODE, "json.js")?);
    let (taken, given) = compare(&subjects, &order)?;
    let load = Load { json: Some(order), ..Load::new("/", CONNECTIONS) };
    let rounds = Rounds::run(&subjects, &load, time)?;
    rounds.table(HYPER, NODE).print(&format!(
        "JSON, {taken} bytes in and {given} out, one core, {CONNECTIONS} connections"
    ));
    let of_node = [
        ("JSON in and out, native: of Node", SQUALL),
        ("JSON in and out, native core module: of Node", CORE),
    ];
    let bar =
        |(what, name)| Some(Bar::ratio(what, rounds.ratio(name, NODE)?.median, 1.2, Some(2.0)));
    Ok(of_node.into_iter().filter_map(bar).collect())
}

/// Fails unless all give the same answer; the bytes that are taken and given.
fn compare(subjects: &[Subject], order: &Path) -> Result<(usize, usize)> {
    let order = Bytes::from(fs::read(order)?);
    let mut first: Option<Bytes> = None;
    for subject in subjects {
        let port = free_port()?;
        let server = Server::start(Cores::First.command(&(subject.command)(port)), port)?;
        let request = Request::post("/")
            .header(HOST, "bench")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(order.clone()))?;
        let answer = ask_once(server.address, request).context(subject.name.clone())?;
        let expected = first.get_or_insert_with(|| answer.clone());
        ensure!(
            *expected == answer,
            "`{}` answers other than {HYPER}: {}",
            subject.name,
            String::from_utf8_lossy(&answer)
        );
    }
    Ok((order.len(), first.map_or(0, |answer| answer.len())))
}
