//! Certificates, handshakes and the agreement on a protocol.

use super::harness::*;
use super::secure::*;
use crate::body::Body;
use crate::upstream::{ExtraRoots, Options, TlsError, Trust};
use http::Request;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn both_protocols_are_spoken_by_agreement() {
    for (protocols, expected) in [
        (&[&b"h2"[..], b"http/1.1"][..], "HTTP/2.0 https://tls.example:PORT/?a=b false"),
        (&[b"http/1.1"], "HTTP/1.1 /?a=b true"),
        (&[], "HTTP/1.1 /?a=b true"),
    ] {
        let identity = Identity::new(protocols);
        let peer = server(&identity, &InService::default()).await;
        let upstream = identity.client(8);
        for _ in 0..3 {
            let request = Request::get(uri(&peer, "/?a=b")).header("host", "evil.example");
            let request = request.body(Body::empty()).unwrap();
            let response = upstream.send(request, PATIENT).await.unwrap();
            let text = text(response).await.replace(&peer.address.port().to_string(), "PORT");
            assert_eq!(text, expected);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!((peer.accepted(), upstream.open_connections()), (1, 1), "{expected}");
    }
}

#[tokio::test]
async fn a_burst_over_http1_opens_connections_side_by_side() {
    let identity = Identity::new(&[b"http/1.1"]);
    let peer = server(&identity, &InService::default()).await;
    let upstream = identity.client(4);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (upstream, uri) = (upstream.clone(), uri(&peer, "/"));
        all.spawn(async move { upstream.send(get(&uri), PATIENT).await.unwrap().status() });
    }
    while let Some(status) = all.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
}

#[tokio::test]
async fn certificates_are_checked() {
    let identity = Identity::new(&[]);
    let other = Identity::new(&[]);
    let peer = server(&identity, &InService::default()).await;
    let name = format!("https://other.example:{}/", peer.address.port());
    for (upstream, uri) in [(identity.client(8), name), (other.client(8), uri(&peer, "/"))] {
        let error = failure(&upstream, &uri, PATIENT).await.unwrap();
        assert_eq!(error.phase(), "tls_certificate", "{error}");
        all_closed(&upstream).await;
    }
}

#[tokio::test]
async fn handshakes_that_fail() {
    let identity = Identity::new(&[]);
    let upstream = identity.client(8);
    let plain = Peer::start(|_, mut stream| async move {
        _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        time_to_close(&mut stream).await;
    });
    let silent = Peer::start(|_, stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    });
    let closing = Peer::start(|_, _stream: TcpStream| async {});
    for (peer, expected) in
        [(plain.await, "tls"), (silent.await, "tls_timeout"), (closing.await, "tls")]
    {
        let options = Options { connect: SOON * 2, ..PATIENT };
        let error = failure(&upstream, &uri(&peer, "/"), options).await.unwrap();
        assert_eq!(error.phase(), expected, "{error}");
        all_closed(&upstream).await;
    }
}

/// The system's roots are read once for them.
#[test]
fn who_trusts_the_same_shares_it() {
    let trust = Trust::default();
    let [one, other] = [Identity::new(&[]), Identity::new(&[])].map(|identity| identity.roots());
    let tls = trust.with(&one);
    assert!(!Arc::ptr_eq(&tls, &trust.with(&other)));
    assert!(Arc::ptr_eq(&tls, &trust.clone().with(&one.clone())));
}

#[test]
fn what_holds_no_certificate_is_no_trust() {
    let error = ExtraRoots::parse(b"not a certificate").unwrap_err();
    assert!(matches!(error, TlsError::Empty), "{error}");
    let text = error.to_string();
    assert!(text.contains("holds no certificate") && !text.ends_with('.'), "{text}");
    let cut = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
    assert!(matches!(ExtraRoots::parse(cut), Err(TlsError::Unreadable(_))));
    let other = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(ExtraRoots::parse(other), Err(TlsError::Unusable(_))));
}
