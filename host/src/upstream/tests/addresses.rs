//! Names with several addresses, of which some do not answer (RFC 8305).

use super::harness::*;
use crate::upstream::{Options, Tls, Upstream};
use std::sync::Arc;
use std::time::Duration;

/// A client that finds these addresses for `many.example`, in this order.
fn finding(addresses: &[&str]) -> Upstream {
    let resolver = Table::default().with("many.example", &[addresses]);
    let grants = grants(&["http://many.example:*"], &["127.0.0.0/8", "fd00::/8"]);
    Upstream::new(
        grants,
        &limits(8),
        crate::upstream::OpenConnections::default(),
        Arc::default(),
        Arc::new(resolver),
        Arc::new(Tls::default()),
    )
}

#[tokio::test]
async fn an_address_that_does_not_answer_leaves_time_for_the_next() {
    let peer = Peer::answering(OK).await;
    let port = peer.address.port();
    let _holes = [
        BlackHole::at(&format!("127.0.0.3:{port}")).await,
        BlackHole::at(&format!("127.0.0.4:{port}")).await,
    ];
    let upstream = finding(&["127.0.0.3", "127.0.0.4", "127.0.0.1"]);
    // Any part of it is longer than a test is waited for.
    let options = Options { connect: Duration::from_secs(10_000), ..PATIENT };
    let response = upstream.send(get(&format!("http://many.example:{port}/")), options);
    let response = tokio::time::timeout(PATIENT.connect, response).await.expect("a moment");
    assert_eq!(text(response.unwrap()).await, "hi");
    assert_eq!(upstream.open_connections(), 1);
}

#[tokio::test]
async fn an_address_that_answers_late_is_waited_for_while_others_are_tried() {
    let hole = BlackHole::at("127.0.0.3:0").await;
    let port = hole.address.port();
    // The others refuse. An eighth of the time is not enough for the first: the
    // system knocks again after a second.
    let upstream = finding(&[
        "127.0.0.3",
        "127.0.0.4",
        "127.0.0.5",
        "127.0.0.6",
        "127.0.0.7",
        "127.0.0.8",
        "127.0.0.9",
        "127.0.0.10",
    ]);
    let options = Options { connect: Duration::from_secs(6), ..PATIENT };
    let uri = format!("http://many.example:{port}/");
    let sending = tokio::spawn(async move { upstream.send(get(&uri), options).await });
    tokio::time::sleep(SOON).await;
    let _peer = hole.open(OK);
    assert_eq!(text(sending.await.unwrap().unwrap()).await, "hi");
}

#[tokio::test]
async fn addresses_that_all_do_not_answer_take_the_connect_deadline() {
    let hole = BlackHole::at("127.0.0.3:0").await;
    let port = hole.address.port();
    let _another = BlackHole::at(&format!("127.0.0.4:{port}")).await;
    let upstream = finding(&["127.0.0.3", "127.0.0.5", "127.0.0.4"]);
    let options = Options { connect: SOON, ..PATIENT };
    let uri = format!("http://many.example:{port}/");
    assert_eq!(failure(&upstream, &uri, options).await.unwrap().phase(), "connect_timeout");
    all_closed(&upstream).await;
}

#[tokio::test]
async fn addresses_that_all_refuse_are_all_tried_at_once() {
    let port = Peer::answering(OK).await.address.port();
    let upstream = finding(&["127.0.0.3", "127.0.0.4", "127.0.0.5"]);
    let options = Options { connect: Duration::from_secs(10_000), ..PATIENT };
    let uri = format!("http://many.example:{port}/");
    assert_eq!(failure(&upstream, &uri, options).await.unwrap().phase(), "connect_refused");
    all_closed(&upstream).await;
}

#[tokio::test]
async fn a_family_that_leads_nowhere_leaves_room_for_the_other() {
    let peer = Peer::answering(OK).await;
    let mut addresses: Vec<String> = (1..=8).map(|n| format!("fd00::{n}")).collect();
    addresses.push("127.0.0.1".to_owned());
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let uri = format!("http://many.example:{}/", peer.address.port());
    let response = finding(&addresses).send(get(&uri), PATIENT).await;
    assert_eq!(text(response.unwrap()).await, "hi");
}
