//! What must not be reached is not even connected to (G28 to G31).

use super::harness::*;
use crate::policy::Denied;
use crate::upstream::{BoxFuture, Options, Resolve, Tls, Upstream, UpstreamError};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn reason(error: Result<UpstreamError, crate::body::BodyError>) -> &'static str {
    match error {
        Ok(UpstreamError::Denied(denied)) => denied.reason(),
        other => panic!("not denied: {other:?}"),
    }
}

#[tokio::test]
async fn no_denied_target_sees_a_connection() {
    let trap = Peer::answering(OK).await;
    let port = trap.address.port();
    let resolver = Table::default()
        .with("v4.example", &[&["127.0.0.1"]])
        .with("mapped.example", &[&["::ffff:127.0.0.1"]])
        .with("v6.example", &[&["::1"]])
        .with("zero.example", &[&["0.0.0.0", "::"]])
        .with("nat64.example", &[&["64:ff9b::7f00:1"]])
        .with("a.localhost", &[&["127.0.0.1"]]);
    let upstream = client_with(&["http://*:*", "https://api.example.com"], 8, resolver);
    for (host, expected) in [
        ("127.0.0.1", "private_address"),
        ("127.0.0.1.", "private_address"),
        ("[::ffff:127.0.0.1]", "private_address"),
        ("[::1]", "private_address"),
        ("[::]", "private_address"),
        ("0.0.0.0", "private_address"),
        ("localhost", "private_address"),
        ("LOCALHOST.", "private_address"),
        ("v4.example", "private_address"),
        ("mapped.example", "private_address"),
        ("v6.example", "private_address"),
        ("zero.example", "private_address"),
        ("nat64.example", "private_address"),
        ("a.localhost", "private_address"),
        ("127.1", "bad_host"),
        ("0x7f000001", "bad_host"),
        ("2130706433", "bad_host"),
        ("0177.0.0.1", "bad_host"),
        ("a@127.0.0.1", "bad_host"),
    ] {
        let error = failure(&upstream, &format!("http://{host}:{port}/"), PATIENT).await;
        assert_eq!(reason(error), expected, "{host}");
    }
    let error = failure(&upstream, &format!("https://127.0.0.1:{port}/"), PATIENT).await;
    assert_eq!(reason(error), "not_granted");
    assert_eq!(trap.accepted(), 0);
    all_closed(&upstream).await;
}

#[tokio::test]
async fn a_name_that_changes_its_answer_is_judged_each_time() {
    let last = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let peer = Peer::answering(last).await;
    let port = peer.address.port();
    let trap = Peer::on(&format!("127.0.0.2:{port}"), |_, _| async {}).await;
    let resolver = Table::default().with("re.example", &[&["127.0.0.1"], &["127.0.0.2"]]);
    let asked = resolver.asked();
    let grants = grants(&["http://re.example:*"], &["127.0.0.1"]);
    let upstream = Upstream::new(
        grants,
        &limits(8),
        crate::upstream::OpenConnections::default(),
        Arc::default(),
        Arc::new(resolver),
        Arc::new(Tls::default()),
    );

    let uri = format!("http://re.example:{port}/");
    let response = upstream.send(get(&uri), PATIENT).await.unwrap();
    assert_eq!((response.status().as_u16(), asked.load(Ordering::SeqCst)), (200, 1));
    all_closed(&upstream).await;
    let Err(UpstreamError::Denied(denied)) = upstream.send(get(&uri), PATIENT).await else {
        panic!("not denied");
    };
    assert!(matches!(denied, Denied::PrivateAddress { .. }), "{denied}");
    assert_eq!((peer.accepted(), trap.accepted(), asked.load(Ordering::SeqCst)), (1, 0, 2));
}

#[tokio::test]
async fn of_mixed_answers_only_allowed_ones_are_tried() {
    let peer = Peer::answering(OK).await;
    let port = peer.address.port();
    let trap = Peer::on(&format!("127.0.0.2:{port}"), |_, _| async {}).await;
    let mixed: &[&str] = &["127.0.0.2", "::ffff:127.0.0.2", "127.0.0.3", "127.0.0.1"];
    let resolver = Table::default().with("mixed.example", &[mixed]);
    // 127.0.0.3 is allowed and refuses, so the next one is tried.
    let grants = grants(&["http://mixed.example:*"], &["127.0.0.1", "127.0.0.3"]);
    let upstream = Upstream::new(
        grants,
        &limits(8),
        crate::upstream::OpenConnections::default(),
        Arc::default(),
        Arc::new(resolver),
        Arc::new(Tls::default()),
    );
    let uri = format!("http://mixed.example:{port}/");
    assert_eq!(text(upstream.send(get(&uri), PATIENT).await.unwrap()).await, "hi");
    assert_eq!((peer.accepted(), trap.accepted()), (1, 0));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let trap = Peer::answering(OK).await;
    let location = trap.uri();
    let peer = Peer::start(move |_, mut stream| {
        let location = location.clone();
        async move {
            use tokio::io::AsyncWriteExt;
            read_head(&mut stream).await;
            let head =
                format!("HTTP/1.1 302 F\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
        }
    })
    .await;
    let response = client().send(get(&peer.uri()), PATIENT).await.unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!(response.headers()["location"], trap.uri());
    assert_eq!(trap.accepted(), 0);
}

#[tokio::test]
async fn localhost_is_loopback_without_a_question() {
    let peer = Peer::answering(OK).await;
    let resolver = Table::default().with("localhost", &[&["192.0.2.1"]]);
    let asked = resolver.asked();
    let upstream = client_with(&["http://localhost:*"], 8, resolver);
    let uri = format!("http://localhost:{}/", peer.address.port());
    assert_eq!(text(upstream.send(get(&uri), PATIENT).await.unwrap()).await, "hi");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn names_fail_in_their_own_ways() {
    let resolver = Table::default().with("empty.example", &[&[]]);
    let upstream = client_with(&["http://*"], 8, resolver);
    for uri in ["http://empty.example/", "http://missing.example/"] {
        let error = failure(&upstream, uri, PATIENT).await.unwrap();
        assert_eq!(error.phase(), "dns", "{error}");
    }
    all_closed(&upstream).await;
}

/// Takes its time to find loopback, and counts.
#[derive(Debug, Default)]
struct Slow(Arc<AtomicUsize>);

impl Resolve for Slow {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            if host.starts_with("never") {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(SOON).await;
            Ok(vec![[127, 0, 0, 1].into()])
        })
    }
}

#[tokio::test]
async fn requests_at_once_for_one_name_share_one_question() {
    let peer = Peer::answering(OK).await;
    let resolver = Slow::default();
    let asked = resolver.0.clone();
    let grants = grants(&["http://*:*"], &["127.0.0.1"]);
    let upstream = Upstream::new(
        grants,
        &limits(100),
        crate::upstream::OpenConnections::default(),
        Arc::default(),
        Arc::new(resolver),
        Arc::new(Tls::default()),
    );
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (upstream, port) = (upstream.clone(), peer.address.port());
        let uri = format!("http://one.example:{port}/");
        all.spawn(async move { upstream.send(get(&uri), PATIENT).await.unwrap().status() });
    }
    assert!(all.join_all().await.iter().all(|status| *status == 200));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn names_that_are_never_found_take_a_bounded_number_of_threads() {
    let resolver = Slow::default();
    let asked = resolver.0.clone();
    let upstream = client_with(&["http://*"], 100, resolver);
    let mut all = tokio::task::JoinSet::new();
    for number in 0..50 {
        let upstream = upstream.clone();
        let options = Options { connect: SOON, ..PATIENT };
        let uri = format!("http://never-{number}.example/");
        all.spawn(async move { failure(&upstream, &uri, options).await.unwrap().phase() });
    }
    assert!(all.join_all().await.iter().all(|phase| *phase == "dns_timeout"));
    assert_eq!(asked.load(Ordering::SeqCst), 16);
    all_closed(&upstream).await;
}

/// Asks for `slow.example` never end, and one for `panic.example` panics.
#[derive(Debug)]
struct Unwell;

impl Resolve for Unwell {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            match host {
                "panic.example" => panic!("as the test wants"),
                "slow.example" => std::future::pending().await,
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        })
    }
}

#[tokio::test]
async fn a_name_server_that_is_unwell_holds_nothing() {
    let upstream = client_with(&["http://*"], 8, Unwell);
    let options = Options { connect: SOON, ..PATIENT };
    for _ in 0..2 {
        let error = failure(&upstream, "http://slow.example/", options).await.unwrap();
        assert_eq!(error.phase(), "dns_timeout");
        let error = failure(&upstream, "http://panic.example/", options).await.unwrap();
        assert_eq!(error.phase(), "dns");
        let error = failure(&upstream, "http://missing.example/", options).await.unwrap();
        assert_eq!(error.phase(), "dns");
    }
    all_closed(&upstream).await;
}
