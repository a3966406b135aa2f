//! When connections are reused, closed, waited for and given up.

use super::harness::*;
use crate::body::Body;
use crate::upstream::{Options, SystemResolver};
use http::Request;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, oneshot};

#[tokio::test]
async fn requests_one_after_the_other_share_a_connection() {
    for response in [
        OK,
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ] {
        let peer = Peer::answering(response).await;
        let upstream = client();
        for _ in 0..5 {
            text(upstream.send(get(&peer.uri()), PATIENT).await.unwrap()).await;
            // The connection comes back when its task has seen the end.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!((peer.accepted(), upstream.open_connections()), (1, 1), "{response:?}");
    }
}

#[tokio::test]
async fn deadlines_may_be_as_long_as_one_likes() {
    let peer = Peer::answering(OK).await;
    let never = Options { connect: Duration::MAX, head: Duration::MAX, gap: Duration::MAX };
    assert_eq!(text(client().send(get(&peer.uri()), never).await.unwrap()).await, "hi");
}

#[tokio::test]
async fn handlers_do_not_share_connections() {
    let peer = Peer::answering(OK).await;
    for upstream in [client(), client()] {
        text(upstream.send(get(&peer.uri()), PATIENT).await.unwrap()).await;
    }
    assert_eq!(peer.accepted(), 2);
}

#[tokio::test]
async fn an_upstream_that_is_dropped_closes_what_it_kept() {
    let (closed, is_closed) = oneshot::channel();
    let closed = Mutex::new(Some(closed));
    let peer = Peer::start(move |_, mut stream| {
        let closed = closed.lock().take().unwrap();
        async move {
            read_head(&mut stream).await;
            stream.write_all(OK.as_bytes()).await.unwrap();
            time_to_close(&mut stream).await;
            closed.send(()).unwrap();
        }
    })
    .await;
    let upstream = client();
    text(upstream.send(get(&peer.uri()), PATIENT).await.unwrap()).await;
    drop(upstream);
    is_closed.await.unwrap();
}

#[tokio::test]
async fn idle_connections_are_closed_after_a_while() {
    let peer = Peer::answering(OK).await;
    let upstream = client();
    text(upstream.send(get(&peer.uri()), PATIENT).await.unwrap()).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(upstream.open_connections(), 1);
    pass_idle_time().await;
    all_closed(&upstream).await;
}

/// Drops what `send` has come to and says how long the peer's side stays open.
async fn time_from_drop_to_close(response: &'static str) -> Duration {
    let (heard, mut hears) = mpsc::unbounded_channel();
    let (closed, is_closed) = oneshot::channel();
    let closed = Mutex::new(Some(closed));
    let peer = Peer::start(move |_, mut stream| {
        let (heard, closed) = (heard.clone(), closed.lock().take().unwrap());
        async move {
            read_head(&mut stream).await;
            stream.write_all(response.as_bytes()).await.unwrap();
            heard.send(()).unwrap();
            time_to_close(&mut stream).await;
            closed.send(()).unwrap();
        }
    })
    .await;
    let upstream = client();
    let sending = {
        let (upstream, uri) = (upstream.clone(), peer.uri());
        tokio::spawn(async move {
            let response = upstream.send(get(&uri), PATIENT).await;
            std::future::pending::<()>().await;
            drop(response);
        })
    };
    hears.recv().await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let start = std::time::Instant::now();
    sending.abort();
    is_closed.await.unwrap();
    let elapsed = start.elapsed();
    all_closed(&upstream).await;
    elapsed
}

#[tokio::test]
async fn a_cancelled_request_closes_its_connection() {
    for response in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi"] {
        let elapsed = time_from_drop_to_close(response).await;
        assert!(elapsed < Duration::from_millis(100), "{elapsed:?} after {response:?}");
    }
}

#[tokio::test]
async fn the_limit_is_waited_for_within_the_connect_deadline() {
    let peer = Peer::answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi").await;
    let upstream = client_with(&["http://127.0.0.1:*"], 2, SystemResolver);
    let one = upstream.send(get(&peer.uri()), PATIENT).await.unwrap();
    let two = upstream.send(get(&peer.uri()), PATIENT).await.unwrap();
    assert_eq!(upstream.open_connections(), 2);
    let options = Options { connect: SOON, ..PATIENT };
    let error = failure(&upstream, &peer.uri(), options).await.unwrap();
    assert_eq!(error.phase(), "connection_limit");

    let waiting = {
        let (upstream, uri) = (upstream.clone(), peer.uri());
        tokio::spawn(async move { upstream.send(get(&uri), PATIENT).await.unwrap().status() })
    };
    tokio::time::sleep(SOON).await;
    assert!(!waiting.is_finished());
    drop(one);
    assert_eq!(waiting.await.unwrap(), 200);
    drop(two);
    all_closed(&upstream).await;
}

#[tokio::test]
async fn a_burst_at_the_limit_is_handed_from_one_to_the_next() {
    let peer = Peer::answering(OK).await;
    let upstream = client_with(&["http://127.0.0.1:*"], 4, SystemResolver);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (upstream, uri) = (upstream.clone(), peer.uri());
        all.spawn(async move { text(upstream.send(get(&uri), PATIENT).await.unwrap()).await });
    }
    while let Some(text) = all.join_next().await {
        assert_eq!(text.unwrap(), "hi");
    }
    assert!(peer.accepted() <= 8, "{} connections for four at once", peer.accepted());
}

#[tokio::test]
async fn an_idle_connection_makes_way_for_another_origin() {
    let peers = [Peer::answering(OK).await, Peer::answering(OK).await];
    let upstream = client_with(&["http://127.0.0.1:*"], 1, SystemResolver);
    for _ in 0..3 {
        for peer in &peers {
            assert_eq!(text(upstream.send(get(&peer.uri()), PATIENT).await.unwrap()).await, "hi");
            assert!(upstream.open_connections() <= 1);
        }
    }
    assert_eq!((peers[0].accepted(), peers[1].accepted()), (3, 3));
}

/// Answers the first request of a connection and closes it at the second.
async fn forgetful(seen: Arc<AtomicUsize>) -> Peer {
    Peer::start(move |_, mut stream| {
        let seen = seen.clone();
        async move {
            read_head(&mut stream).await;
            seen.fetch_add(1, Ordering::SeqCst);
            stream.write_all(OK.as_bytes()).await.unwrap();
            read_head(&mut stream).await;
            seen.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await
}

#[tokio::test]
async fn a_question_on_a_connection_that_has_died_is_asked_again() {
    let seen = Arc::new(AtomicUsize::new(0));
    let peer = forgetful(seen.clone()).await;
    let upstream = client();
    for _ in 0..2 {
        assert_eq!(text(upstream.send(get(&peer.uri()), PATIENT).await.unwrap()).await, "hi");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((peer.accepted(), seen.load(Ordering::SeqCst)), (2, 3));
}

#[tokio::test]
async fn an_order_on_a_connection_that_has_died_is_not_repeated() {
    let seen = Arc::new(AtomicUsize::new(0));
    let peer = forgetful(seen.clone()).await;
    let upstream = client();
    let post = || Request::post(peer.uri()).body(Body::empty()).unwrap();
    assert_eq!(text(upstream.send(post(), PATIENT).await.unwrap()).await, "hi");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(upstream.send(post(), PATIENT).await.unwrap_err().phase(), "closed");
    assert_eq!((peer.accepted(), seen.load(Ordering::SeqCst)), (1, 2));
    all_closed(&upstream).await;
}

#[tokio::test]
async fn a_connection_that_the_peer_closed_meanwhile_is_not_used() {
    let peer = Peer::start(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
    })
    .await;
    let upstream = client();
    for _ in 0..3 {
        let post = Request::post(peer.uri()).body(Body::full("x")).unwrap();
        assert_eq!(text(upstream.send(post, PATIENT).await.unwrap()).await, "hi");
        all_closed(&upstream).await;
    }
    assert_eq!(peer.accepted(), 3);
}

#[tokio::test]
async fn an_early_answer_ends_the_upload_and_the_connection() {
    let peer = Peer::answering("HTTP/1.1 413 Too Big\r\ncontent-length: 2\r\n\r\nno").await;
    let upstream = client();
    let (sender, body) = channel_body();
    let request = Request::post(peer.uri()).body(body).unwrap();
    let response = upstream.send(request, PATIENT).await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "no");
    // The producer learns that nobody reads.
    sender.closed().await;
    all_closed(&upstream).await;
}

#[tokio::test]
async fn bytes_behind_a_response_answer_nobody() {
    let peer = Peer::answering(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
    )
    .await;
    let upstream = client();
    for _ in 0..20 {
        assert_eq!(text(upstream.send(get(&peer.uri()), PATIENT).await.unwrap()).await, "hi");
    }
}

#[tokio::test]
async fn requests_that_are_dropped_anywhere_leave_nothing_behind() {
    let peer = Peer::answering(OK).await;
    let upstream = client_with(&["http://127.0.0.1:*"], 4, SystemResolver);
    for number in 0..1_000 {
        let (upstream, uri) = (upstream.clone(), peer.uri());
        let sending = tokio::spawn(async move {
            upstream.send(get(&uri), PATIENT).await.unwrap().into_body().collect().await.unwrap()
        });
        give_way(number).await;
        sending.abort();
    }
    assert_eq!(text(upstream.send(get(&peer.uri()), PATIENT).await.unwrap()).await, "hi");
    pass_idle_time().await;
    all_closed(&upstream).await;
}
