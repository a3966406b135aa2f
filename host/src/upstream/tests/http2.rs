//! Many requests on one connection, and each one's end.

use super::harness::*;
use super::secure::*;
use crate::body::{Body, BodyError};
use crate::upstream::Options;
use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_burst_shares_one_http2_connection() {
    let identity = Identity::new(&[b"h2"]);
    let peer = server(&identity, &InService::default()).await;
    let upstream = identity.client(8);
    let mut all = tokio::task::JoinSet::new();
    for number in 0..150 {
        let (upstream, uri) = (upstream.clone(), uri(&peer, "/echo"));
        all.spawn(async move {
            let body = format!("{number}").repeat(5000);
            let request = Request::post(uri).body(Body::full(body.clone())).unwrap();
            let response = upstream.send(request, PATIENT).await.unwrap();
            assert_eq!(response.version(), Version::HTTP_2);
            assert!(text(response).await == body, "another request's answer");
        });
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
    // A second one, because the first has a hundred streams at most until the
    // peer says how many.
    assert!(peer.accepted() <= 2, "{} connections", peer.accepted());
}

#[tokio::test]
async fn a_cancelled_stream_ends_and_leaves_the_others() {
    let identity = Identity::new(&[b"h2"]);
    let in_service = InService::default();
    let peer = server(&identity, &in_service).await;
    let upstream = identity.client(8);
    let sending = {
        let (upstream, uri) = (upstream.clone(), uri(&peer, "/never"));
        tokio::spawn(async move { upstream.send(get(&uri), PATIENT).await })
    };
    eventually("the request has arrived", || in_service.count() == 1).await;
    sending.abort();
    eventually("its stream was reset", || in_service.count() == 0).await;
    // In the middle of the body.
    let mut body = upstream.send(get(&uri(&peer, "/stall")), PATIENT).await.unwrap().into_body();
    assert!(body.frame().await.unwrap().is_ok());
    drop(body);
    upstream.send(get(&uri(&peer, "/")), PATIENT).await.unwrap();
    assert_eq!(peer.accepted(), 1);
}

#[tokio::test]
async fn a_stream_that_gets_no_answer_retires_its_connection() {
    let identity = Identity::new(&[b"h2"]);
    let peer = server(&identity, &InService::default()).await;
    let upstream = identity.client(8);
    let options = Options { head: SOON, gap: SOON, ..PATIENT };
    let error = failure(&upstream, &uri(&peer, "/never"), options).await;
    assert_eq!(error.unwrap().phase(), "head_timeout");
    all_closed(&upstream).await;
    let error = failure(&upstream, &uri(&peer, "/stall"), options).await;
    assert_eq!(error.unwrap_err(), BodyError::Stalled(SOON));
    all_closed(&upstream).await;
    assert_eq!(peer.accepted(), 2);
}

#[tokio::test]
async fn an_early_answer_over_http2_ends_the_upload() {
    let identity = Identity::new(&[b"h2"]);
    let peer = server(&identity, &InService::default()).await;
    let upstream = identity.client(8);
    let (sender, body) = channel_body();
    let request = Request::post(uri(&peer, "/early")).body(body).unwrap();
    assert_eq!(text(upstream.send(request, PATIENT).await.unwrap()).await, "enough");
    sender.closed().await;
}

#[tokio::test]
async fn a_peer_that_answers_and_keeps_the_upload_open_keeps_nothing() {
    let identity = Identity::new(&[b"h2"]);
    let acceptor = identity.acceptor.clone();
    let peer = Peer::start(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let stream = acceptor.accept(stream).await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let mut kept = Vec::new();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let mut body = respond.send_response(Response::new(()), false).unwrap();
                body.send_data(Bytes::new(), true).unwrap();
                kept.push(request);
            }
        }
    })
    .await;
    let upstream = identity.client(8);
    let (sender, body) = channel_body();
    tokio::spawn(async move { while sender.send(Bytes::from(vec![0; 65536])).await.is_ok() {} });
    let request = Request::post(uri(&peer, "/")).body(body).unwrap();
    let response = upstream.send(request, PATIENT).await.unwrap();
    assert_eq!(text(response).await, "");
    all_closed(&upstream).await;
}

#[tokio::test]
async fn an_upload_over_http2_holds_its_length_and_its_limits() {
    let identity = Identity::new(&[b"h2"]);
    let peer = server(&identity, &InService::default()).await;
    let upstream = identity.client(8);
    let (sender, body) = channel_body();
    tokio::spawn(async move { _ = sender.send(Bytes::from_static(b"abc")).await });
    let request = Request::post(uri(&peer, "/echo")).header("content-length", "5");
    let error = upstream.send(request.body(body).unwrap(), PATIENT).await.unwrap_err();
    assert_eq!(error.phase(), "body", "{error}");

    // Nobody reads it, so the window is soon full.
    let (sender, body) = channel_body();
    tokio::spawn(async move { while sender.send(Bytes::from(vec![0; 65536])).await.is_ok() {} });
    let request = Request::post(uri(&peer, "/never")).body(body).unwrap();
    let options = Options { head: SOON, gap: SOON, ..PATIENT };
    let error = upstream.send(request, options).await.unwrap_err();
    assert_eq!(error.phase(), "upload_stalled", "{error}");
    all_closed(&upstream).await;
}

#[tokio::test]
async fn streams_that_are_dropped_anywhere_leave_nothing_behind() {
    let identity = Identity::new(&[b"h2"]);
    let in_service = InService::default();
    let peer = server(&identity, &in_service).await;
    let upstream = identity.client(4);
    for number in 0..150 {
        let (upstream, uri) = (upstream.clone(), uri(&peer, "/echo"));
        let sending = tokio::spawn(async move {
            let request = Request::post(uri).body(Body::full(vec![0; 100_000])).unwrap();
            upstream.send(request, PATIENT).await.unwrap().into_body().collect().await.unwrap()
        });
        give_way(number).await;
        sending.abort();
    }
    eventually("no stream is left", || in_service.count() == 0).await;
    assert_eq!(upstream.send(get(&uri(&peer, "/")), PATIENT).await.unwrap().status(), 200);
    pass_idle_time().await;
    all_closed(&upstream).await;
}

#[tokio::test]
async fn an_http2_connection_that_breaks_is_closed_not_misread() {
    let identity = Identity::new(&[b"h2"]);
    let acceptor = identity.acceptor.clone();
    let peer = Peer::start(move |number, stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut preface = [0; 64];
            _ = stream.read(&mut preface).await;
            if number % 2 == 1 {
                _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            }
        }
    })
    .await;
    let upstream = identity.client(8);
    for expected in ["closed", "protocol"] {
        let error = failure(&upstream, &uri(&peer, "/"), PATIENT).await.unwrap();
        assert_eq!(error.phase(), expected, "{error}");
        all_closed(&upstream).await;
    }
}
