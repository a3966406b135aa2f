//! Peers that do exactly what a test says, and a client to meet them with.

use crate::body::{Body, BodyError};
use crate::limits::HandlerLimits;
use crate::policy::{OutboundGrants, Ranges};
use crate::upstream::{BoxFuture, Options, Resolve, SystemResolver, Tls, Upstream, UpstreamError};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::AbortHandle;

/// Deadlines that a test does not want to meet.
pub(super) const PATIENT: Options = Options {
    connect: Duration::from_secs(10),
    head: Duration::from_secs(10),
    gap: Duration::from_secs(10),
};

/// Deadlines that a test waits for.
pub(super) const SOON: Duration = Duration::from_millis(200);

/// A listener that counts its connections and serves each with a function.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Peer {
    /// `serve` gets the number of the connection, from 0, and its socket.
    pub(super) async fn start<F, Fut>(serve: F) -> Peer
    where
        F: Fn(usize, TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Peer::on("127.0.0.1:0", serve).await
    }

    pub(super) async fn on<F, Fut>(address: &str, serve: F) -> Peer
    where
        F: Fn(usize, TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Peer::listening(TcpListener::bind(address).await.unwrap(), serve)
    }

    fn listening<F, Fut>(listener: TcpListener, serve: F) -> Peer
    where
        F: Fn(usize, TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = accepted.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(number, stream));
            }
        });
        Peer { address, accepted, task: task.abort_handle() }
    }

    /// Answers every request with the same bytes.
    pub(super) async fn answering(response: &'static str) -> Peer {
        Peer::start(answering(response)).await
    }

    pub(super) fn uri(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answering(response: &'static str) -> impl Fn(usize, TcpStream) -> BoxFuture<'static, ()> + Send {
    move |_, mut stream| {
        Box::pin(async move {
            while read_head(&mut stream).await.is_some() {
                stream.write_all(response.as_bytes()).await.unwrap();
            }
        })
    }
}

/// An address that takes no connection and refuses none: a listener drops what
/// comes after its backlog is full.
pub(super) struct BlackHole {
    pub(super) address: SocketAddr,
    listener: TcpListener,
    _backlog: Vec<TcpStream>,
}

impl BlackHole {
    pub(super) async fn at(address: &str) -> BlackHole {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(address.parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut backlog = Vec::new();
        while let Ok(stream) = tokio::time::timeout(SOON, TcpStream::connect(address)).await {
            backlog.push(stream.unwrap());
        }
        BlackHole { address, listener, _backlog: backlog }
    }

    /// Begins to answer.
    pub(super) fn open(self, response: &'static str) -> Peer {
        Peer::listening(self.listener, answering(response))
    }
}

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

/// A request's head up to its empty line, or none at the end of the stream.
pub(super) async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// How long it takes until the other side has closed.
pub(super) async fn time_to_close(stream: &mut TcpStream) -> Duration {
    let start = Instant::now();
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
    start.elapsed()
}

/// May reach every peer of these tests by number.
pub(super) fn client() -> Upstream {
    client_with(&["http://127.0.0.1:*"], 8, SystemResolver)
}

pub(super) fn client_with(
    grants: &[&str],
    connections: u64,
    resolver: impl Resolve + 'static,
) -> Upstream {
    let tls = Arc::new(Tls::default());
    Upstream::new(
        self::grants(grants, &[]),
        &limits(connections),
        crate::upstream::OpenConnections::default(),
        Arc::default(),
        Arc::new(resolver),
        tls,
    )
}

/// At most so many connections.
pub(super) fn limits(outbound_connections: u64) -> HandlerLimits {
    HandlerLimits { outbound_connections, ..HandlerLimits::default() }
}

pub(super) fn grants(list: &[&str], private: &[&str]) -> OutboundGrants {
    let list: Vec<_> = list.iter().map(ToString::to_string).collect();
    let private = Ranges::parse(private).unwrap();
    OutboundGrants::parse(&list).unwrap().with_private(private)
}

pub(super) fn get(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::empty()).unwrap()
}

pub(super) async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The error that a request ends with, before its response or in its body.
pub(super) async fn failure(
    upstream: &Upstream,
    uri: &str,
    options: Options,
) -> Result<UpstreamError, BodyError> {
    match upstream.send(get(uri), options).await {
        Err(error) => Ok(error),
        Ok(response) => Err(response.into_body().collect().await.unwrap_err()),
    }
}

/// Waits for something that has to become true soon.
pub(super) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..300 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still not so after 3 s: {what}");
}

pub(super) async fn all_closed(upstream: &Upstream) {
    eventually("all permits are back", || upstream.open_connections() == 0).await;
}

/// Lets the time pass after which idle connections are closed.
pub(super) async fn pass_idle_time() {
    tokio::time::pause();
    for _ in 0..8 {
        tokio::time::advance(Duration::from_secs(5)).await;
        tokio::task::yield_now().await;
    }
    tokio::time::resume();
}

/// Lets other tasks get on by an amount that differs from call to call.
pub(super) async fn give_way(number: usize) {
    for _ in 0..number * 7919 % 53 {
        tokio::task::yield_now().await;
    }
    if number.is_multiple_of(5) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A body that is written while it is sent.
pub(super) fn channel_body() -> (tokio::sync::mpsc::Sender<Bytes>, Body) {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    (sender, Body::stream(Channel(receiver)))
}

struct Channel(tokio::sync::mpsc::Receiver<Bytes>);

impl http_body::Body for Channel {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}

/// A name server whose answers are a list; each question takes the next one,
/// the last one stays.
#[derive(Debug, Default)]
pub(super) struct Table {
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    asked: Arc<AtomicUsize>,
}

impl Table {
    pub(super) fn with(self, host: &str, answers: &[&[&str]]) -> Self {
        let parse = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
        let answers = answers.iter().map(parse).collect();
        self.answers.lock().insert(host.to_owned(), answers);
        self
    }

    pub(super) fn asked(&self) -> Arc<AtomicUsize> {
        self.asked.clone()
    }
}

impl Resolve for Table {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let mut answers = self.answers.lock();
            let answers = answers.get_mut(host).ok_or(io::ErrorKind::NotFound)?;
            Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
        })
    }
}
