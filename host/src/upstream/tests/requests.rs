//! What of a handler's request gets onto the wire, byte for byte.

use super::harness::*;
use crate::body::{Body, BodyError};
use crate::upstream::UpstreamError;
use bytes::Bytes;
use http::Request;
use http::request::Builder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

/// A peer that reports all it reads, and answers each head.
async fn recorder() -> (Peer, mpsc::UnboundedReceiver<String>) {
    let (report, reports) = mpsc::unbounded_channel();
    let peer = Peer::start(move |_, mut stream| {
        let report = report.clone();
        async move {
            while let Some(mut read) = read_head(&mut stream).await {
                // Long enough for the rest of these small requests.
                tokio::time::sleep(SOON).await;
                let mut rest = vec![0; 4096];
                if let Ok(length) = stream.try_read(&mut rest) {
                    read.push_str(std::str::from_utf8(&rest[..length]).unwrap());
                }
                report.send(read).unwrap();
                _ = stream.write_all(OK.as_bytes()).await;
            }
        }
    })
    .await;
    (peer, reports)
}

/// What the peer reads when `request` is sent with `body`.
async fn on_the_wire(request: Builder, body: Body) -> String {
    let (peer, mut reports) = recorder().await;
    let uri = format!("http://127.0.0.1:{}/a%20b/?q=1", peer.address.port());
    let request = request.uri(uri).body(body).unwrap();
    assert_eq!(text(client().send(request, PATIENT).await.unwrap()).await, "hi");
    let read = reports.recv().await.unwrap();
    read.replace(&peer.address.port().to_string(), "PORT")
}

/// Why `request` with `body` is not sent, and that it is not.
async fn refused(request: Builder, body: Body) -> UpstreamError {
    let peer = Peer::answering(OK).await;
    let request = request.uri(peer.uri()).body(body).unwrap();
    let error = client().send(request, PATIENT).await.unwrap_err();
    assert_eq!(peer.accepted(), 0, "{error}");
    error
}

fn lines(text: &str) -> Vec<&str> {
    text.split("\r\n").collect()
}

fn written(pieces: &'static [&str]) -> Body {
    let (sender, body) = channel_body();
    tokio::spawn(async move {
        for piece in pieces {
            _ = sender.send(Bytes::from_static(piece.as_bytes())).await;
        }
    });
    body
}

#[tokio::test]
async fn the_head_is_the_uris_and_ours() {
    let request = Request::get("/")
        .header("host", "evil.example")
        .header("connection", "x-hop, close")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=1")
        .header("proxy-authorization", "Basic eA==")
        .header("transfer-encoding", "chunked")
        .header("upgrade", "h2c")
        .header("te", "trailers, gzip")
        .header("accept", "*/*");
    let wire = on_the_wire(request, Body::empty()).await;
    let (first, mut fields) = wire.split_once("\r\n").map(|(a, b)| (a, lines(b))).unwrap();
    fields.sort_unstable();
    assert_eq!(first, "GET /a%20b/?q=1 HTTP/1.1");
    assert_eq!(fields, ["", "", "accept: */*", "host: 127.0.0.1:PORT", "te: trailers"]);
}

#[tokio::test]
async fn bodies_have_a_length_or_chunks() {
    for (request, body, end) in [
        (Request::post("/"), Body::empty(), "content-length: 0\r\nhost: 127.0.0.1:PORT\r\n\r\n"),
        (Request::delete("/"), Body::empty(), "HTTP/1.1\r\nhost: 127.0.0.1:PORT\r\n\r\n"),
        (Request::put("/"), Body::full("abc"), "content-length: 3\r\n\r\nabc"),
        (Request::get("/"), Body::full("abc"), "content-length: 3\r\n\r\nabc"),
        (
            Request::post("/"),
            written(&["ab", "c"]),
            "chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
        ),
        (Request::get("/"), written(&["", "ab"]), "chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"),
        (Request::get("/"), written(&[]), "HTTP/1.1\r\nhost: 127.0.0.1:PORT\r\n\r\n"),
        (Request::delete("/"), written(&[""]), "HTTP/1.1\r\nhost: 127.0.0.1:PORT\r\n\r\n"),
        (
            Request::post("/").header("content-length", "3"),
            written(&["ab", "c"]),
            "content-length: 3\r\nhost: 127.0.0.1:PORT\r\n\r\nabc",
        ),
        (
            Request::post("/").header("content-length", "0"),
            written(&[]),
            "content-length: 0\r\nhost: 127.0.0.1:PORT\r\n\r\n",
        ),
    ] {
        let wire = on_the_wire(request, body).await;
        assert!(wire.ends_with(end), "{wire:?} should end with {end:?}");
        assert!(wire.matches("content-length").count() < 2, "{wire:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_still_open_does_not_hold_up_a_get() {
    let (sender, body) = channel_body();
    let wire = on_the_wire(Request::get("/"), body).await;
    assert!(wire.ends_with("transfer-encoding: chunked\r\n\r\n"), "{wire:?}");
    drop(sender);
}

#[tokio::test]
async fn a_length_that_is_not_true_is_not_sent() {
    let long = || Request::post("/").header("content-length", "5");
    let zero = || Request::post("/").header("content-length", "0");
    let bodies = [
        (long(), Body::empty()),
        (long(), Body::full("abc")),
        (long(), Body::full("abcdefg")),
        (zero(), Body::full("abc")),
        (zero(), written(&["abc"])),
    ];
    for (request, body) in bodies {
        let error = refused(request, body).await;
        assert!(matches!(error, UpstreamError::Body(BodyError::WrongLength)), "{error}");
    }
}

#[tokio::test]
async fn a_length_that_turns_out_wrong_breaks_the_request() {
    for pieces in [&["abc"][..], &["abc", "def"], &["abcdef"]] {
        let peer = Peer::start(|_, mut stream| async move {
            read_head(&mut stream).await;
            let mut body = Vec::new();
            _ = stream.read_to_end(&mut body).await;
            assert!(body.len() < 5, "the peer must not get a whole body");
            _ = stream.write_all(OK.as_bytes()).await;
        })
        .await;
        let request = Request::post(peer.uri()).header("content-length", "5");
        let upstream = client();
        let error = upstream.send(request.body(written(pieces)).unwrap(), PATIENT).await;
        let error = error.unwrap_err();
        assert!(matches!(error, UpstreamError::Body(BodyError::WrongLength)), "{error}");
        all_closed(&upstream).await;
    }
}

#[tokio::test]
async fn requests_that_could_mean_two_things_are_refused() {
    for request in [
        Request::connect("/"),
        Request::post("/").header("content-length", "3").header("content-length", "3"),
        Request::post("/").header("content-length", "3, 3"),
        Request::post("/").header("content-length", "+3"),
        Request::post("/").header("content-length", "0x3"),
        Request::post("/").header("content-length", ""),
    ] {
        let error = refused(request, Body::full("abc")).await;
        assert_eq!(error.phase(), "bad_request", "{error}");
    }
}

#[tokio::test]
async fn the_response_is_the_peers_without_its_connection() {
    let peer = Peer::answering(
        "HTTP/1.1 201 Made\r\nconnection: x-hop, keep-alive\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n\
         transfer-encoding: chunked\r\ncontent-type: text/plain\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    )
    .await;
    let response = client().send(get(&peer.uri()), PATIENT).await.unwrap();
    assert_eq!(response.status(), 201);
    let names: Vec<_> = response.headers().keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["content-type"]);
    assert_eq!(text(response).await, "hi");
}
