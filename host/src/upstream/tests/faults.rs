//! Peers that misbehave: a typed error in time, and the permit is back (G33).

use super::harness::*;
use crate::body::{Body, BodyError};
use crate::upstream::{Options, UpstreamError};
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const SHORT: Options = Options { head: SOON, gap: SOON, ..PATIENT };

/// Sends one GET to a peer that does `serve` after it has read the request.
async fn against<F, Fut>(serve: F) -> Result<UpstreamError, BodyError>
where
    F: Fn(TcpStream) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let peer = Peer::start(move |_, mut stream| {
        let serve = serve.clone();
        async move {
            read_head(&mut stream).await;
            serve(stream).await;
        }
    })
    .await;
    let upstream = client();
    let start = Instant::now();
    let failure = failure(&upstream, &peer.uri(), SHORT).await;
    assert!(start.elapsed() < Duration::from_secs(4), "took {:?}", start.elapsed());
    all_closed(&upstream).await;
    failure
}

fn phase(failure: Result<UpstreamError, BodyError>) -> &'static str {
    failure.expect("a failure before the response").phase()
}

async fn write(stream: &mut TcpStream, text: &str) {
    _ = stream.write_all(text.as_bytes()).await;
}

async fn forever(stream: TcpStream) {
    std::future::pending::<()>().await;
    drop(stream);
}

#[tokio::test]
async fn a_head_that_never_comes() {
    assert_eq!(phase(against(forever).await), "head_timeout");
}

#[tokio::test]
async fn a_head_that_drips() {
    let drip = |mut stream: TcpStream| async move {
        for byte in "HTTP/1.1 200 OK\r\nx: y".chars().cycle() {
            write(&mut stream, &byte.to_string()).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert_eq!(phase(against(drip).await), "head_timeout");
}

#[tokio::test]
async fn a_head_that_goes_on_and_on() {
    let endless = |mut stream: TcpStream| async move {
        write(&mut stream, "HTTP/1.1 200 OK\r\nx: ").await;
        while stream.write_all(&[b'y'; 4096]).await.is_ok() {}
    };
    assert_eq!(phase(against(endless).await), "protocol");
    let large = |mut stream: TcpStream| async move {
        write(&mut stream, &format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(70_000))).await;
        forever(stream).await;
    };
    assert_eq!(phase(against(large).await), "protocol");
    let fields = |mut stream: TcpStream| async move {
        write(&mut stream, "HTTP/1.1 200 OK\r\n").await;
        write(&mut stream, &"x: y\r\n".repeat(101)).await;
        write(&mut stream, "\r\n").await;
        forever(stream).await;
    };
    assert_eq!(phase(against(fields).await), "protocol");
    let informational = |mut stream: TcpStream| async move {
        while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert_eq!(phase(against(informational).await), "head_timeout");
}

#[tokio::test]
async fn a_response_that_is_none() {
    for text in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/1.1 banana\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    ] {
        let garbage = move |mut stream: TcpStream| async move {
            write(&mut stream, text).await;
            forever(stream).await;
        };
        assert_eq!(phase(against(garbage).await), "protocol", "{text:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_before_the_response() {
    assert_eq!(phase(against(|_| async {}).await), "closed");
    let reset = |stream: TcpStream| async move { stream.set_zero_linger().unwrap() };
    assert_eq!(phase(against(reset).await), "closed");
    let half = |mut stream: TcpStream| async move { write(&mut stream, "HTTP/1.1 200 O").await };
    assert_eq!(phase(against(half).await), "closed");
}

#[tokio::test]
async fn a_connection_that_is_cut_in_the_body() {
    for (response, reset) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", false),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", true),
        ("HTTP/1.1 200 OK\r\n\r\nhello", true),
    ] {
        let cut = move |mut stream: TcpStream| async move {
            write(&mut stream, response).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            if reset {
                stream.set_zero_linger().unwrap();
            }
        };
        assert_eq!(against(cut).await.unwrap_err(), BodyError::Gone, "{response:?} {reset}");
    }
}

#[tokio::test]
async fn a_body_that_stalls() {
    let stall = |mut stream: TcpStream| async move {
        write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel").await;
        forever(stream).await;
    };
    assert_eq!(against(stall).await.unwrap_err(), BodyError::Stalled(SOON));
}

#[tokio::test]
async fn a_body_that_is_slow_but_moves() {
    let peer = Peer::start(|_, mut stream| async move {
        read_head(&mut stream).await;
        write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n").await;
        for _ in 0..8 {
            tokio::time::sleep(SOON / 2).await;
            write(&mut stream, "x").await;
        }
    })
    .await;
    let options = Options { gap: SOON * 2, ..PATIENT };
    let response = client().send(get(&peer.uri()), options).await.unwrap();
    assert_eq!(text(response).await, "xxxxxxxx");
}

#[tokio::test]
async fn a_reader_that_is_slow_is_not_the_peers_fault() {
    let peer = Peer::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
    let response = client().send(get(&peer.uri()), SHORT).await.unwrap();
    tokio::time::sleep(SOON * 3).await;
    assert_eq!(text(response).await, "hi");
}

#[tokio::test]
async fn a_body_without_end_flows_until_it_is_dropped() {
    let (closed, is_closed) = tokio::sync::oneshot::channel();
    let closed = std::sync::Mutex::new(Some(closed));
    let peer = Peer::start(move |_, mut stream| {
        let closed = closed.lock().unwrap().take();
        async move {
            read_head(&mut stream).await;
            write(&mut stream, "HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[b'x'; 65536]).await.is_ok() {}
            _ = closed.unwrap().send(());
        }
    })
    .await;
    let upstream = client();
    let mut body = upstream.send(get(&peer.uri()), PATIENT).await.unwrap().into_body();
    let mut received = 0;
    while received < 4 << 20 {
        received += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
    drop(body);
    is_closed.await.unwrap();
    all_closed(&upstream).await;
}

#[tokio::test]
async fn a_port_that_nobody_listens_on() {
    let address = Peer::answering(OK).await.address;
    let upstream = client();
    eventually("the listener is gone", || std::net::TcpStream::connect(address).is_err()).await;
    let error = failure(&upstream, &format!("http://{address}/"), PATIENT).await;
    assert_eq!(phase(error), "connect_refused");
    all_closed(&upstream).await;
}

#[tokio::test]
async fn an_address_that_does_not_answer() {
    let hole = BlackHole::at("127.0.0.1:0").await;
    let upstream = client();
    let options = Options { connect: SOON, ..PATIENT };
    let error = failure(&upstream, &format!("http://{}/", hole.address), options).await;
    assert_eq!(phase(error), "connect_timeout");
    all_closed(&upstream).await;
}

#[tokio::test]
async fn a_peer_that_does_not_take_the_request() {
    let peer = Peer::start(|_, mut stream| async move {
        read_head(&mut stream).await;
        forever(stream).await;
    })
    .await;
    let upstream = client();
    let whole = Body::full(Bytes::from(vec![0; 64 << 20]));
    let (sender, stream) = channel_body();
    tokio::spawn(async move { while sender.send(Bytes::from(vec![0; 65536])).await.is_ok() {} });
    for body in [whole, stream] {
        let request = Request::post(peer.uri()).body(body).unwrap();
        let error = upstream.send(request, SHORT).await.unwrap_err();
        assert_eq!(error.phase(), "upload_stalled");
    }
    all_closed(&upstream).await;
}

#[tokio::test]
async fn a_slow_producer_is_not_the_peers_fault() {
    let peer = Peer::start(|_, mut stream| async move {
        let mut whole = read_head(&mut stream).await.unwrap();
        while !whole.ends_with("0\r\n\r\n") {
            whole.push(tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap().into());
        }
        write(&mut stream, OK).await;
    })
    .await;
    let (sender, body) = channel_body();
    tokio::spawn(async move {
        for _ in 0..4 {
            tokio::time::sleep(SOON).await;
            sender.send(Bytes::from_static(b"x")).await.unwrap();
        }
    });
    let request = Request::post(peer.uri()).body(body).unwrap();
    let options = Options { head: SOON / 2, gap: SOON / 2, ..PATIENT };
    assert_eq!(text(client().send(request, options).await.unwrap()).await, "hi");
}
