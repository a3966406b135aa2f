//! One open connection and the tasks that drive it. Dropping it closes it.

use super::outgoing::Protocol;
use super::socket::Socket;
use super::upload::Upload;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

/// Size of a response's head, and of an HTTP/1.1 connection's read buffer;
/// what guests may hold in header fields.
const HEAD_SIZE: u32 = 64 << 10;
/// What one HTTP/2 response may make us hold; its speed is this per round trip.
const STREAM_WINDOW: u32 = 256 << 10;
/// What all responses of one HTTP/2 connection may make us hold.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// What one request's body may wait with for an HTTP/2 peer to take it.
const SEND_BUFFER: usize = 64 << 10;
/// Between HTTP/2 pings on a connection with open streams, and for an answer.
const PING: Duration = Duration::from_secs(20);

pub(super) type Sent = Result<Response<Incoming>, TrySendError<Request<Upload>>>;

#[derive(Debug)]
pub(super) enum Connection {
    Http1(Http1),
    Http2(Arc<Http2>),
}

impl Connection {
    /// Begins to speak `protocol` on a connected socket.
    pub(super) async fn open(socket: Socket, protocol: Protocol) -> hyper::Result<Self> {
        Ok(match protocol {
            Protocol::Http1 => Connection::Http1(Http1::open(socket).await?),
            Protocol::Http2 => Connection::Http2(Arc::new(Http2::open(socket).await?)),
        })
    }
}

/// One request at a time. Dropped with a request under way it closes the
/// socket at once, which is the only way HTTP/1.1 has to cancel.
#[derive(Debug)]
pub(super) struct Http1 {
    sender: http1::SendRequest<Upload>,
    driver: AbortOnDrop,
}

impl Http1 {
    async fn open(socket: Socket) -> hyper::Result<Self> {
        let mut builder = http1::Builder::new();
        builder.max_header_size(HEAD_SIZE as usize).max_buf_size(HEAD_SIZE as usize);
        let (sender, connection) = builder.handshake(TokioIo::new(socket)).await?;
        // Its errors reach whoever waits for the response.
        let driver = tokio::spawn(async { _ = connection.await });
        Ok(Http1 { sender, driver: AbortOnDrop(Some(driver.abort_handle())) })
    }

    pub(super) async fn send(&mut self, message: Request<Upload>) -> Sent {
        self.sender.try_send_request(message).await
    }

    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Until the last exchange is over; false if the connection has ended.
    pub(super) async fn ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Ends an idle connection in its own time: TLS says goodbye.
    pub(super) fn close(mut self) {
        self.driver.0 = None;
    }
}

/// Many requests at a time.
#[derive(Debug)]
pub(super) struct Http2 {
    sender: http2::SendRequest<Upload>,
    /// Streams in use by us, and as many as the peer allows.
    streams: AtomicUsize,
    allowed: Arc<AtomicUsize>,
    retired: AtomicBool,
    last_use: Mutex<Instant>,
    /// Everything that holds the socket.
    _tasks: Tasks,
}

impl Http2 {
    async fn open(socket: Socket) -> hyper::Result<Self> {
        let tasks = Tasks(Arc::default());
        let (sender, mut connection) = http2::Builder::new(Spawner(Arc::downgrade(&tasks.0)))
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEAD_SIZE)
            .max_send_buf_size(SEND_BUFFER)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .handshake(TokioIo::new(socket))
            .await?;
        let allowed = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
        let published = allowed.clone();
        tasks.0.lock().spawn(poll_fn(move |cx| {
            let ended = Pin::new(&mut connection).poll(cx);
            published.store(connection.current_max_send_streams(), Ordering::Relaxed);
            ended.map(drop)
        }));
        let last_use = Mutex::new(Instant::now());
        let (streams, retired) = (AtomicUsize::new(0), AtomicBool::new(false));
        Ok(Http2 { sender, streams, allowed, retired, last_use, _tasks: tasks })
    }

    /// Whether new requests may use it.
    pub(super) fn is_open(&self) -> bool {
        !self.retired.load(Ordering::Relaxed) && self.sender.is_ready()
    }

    pub(super) fn has_room(&self) -> bool {
        self.streams() < self.allowed.load(Ordering::Relaxed)
    }

    pub(super) fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    pub(super) fn last_use(&self) -> Instant {
        *self.last_use.lock()
    }
}

/// One request's place on a connection.
#[derive(Debug)]
pub(super) struct Stream(Arc<Http2>);

impl Stream {
    pub(super) fn on(connection: &Arc<Http2>) -> Self {
        connection.streams.fetch_add(1, Ordering::Relaxed);
        Stream(connection.clone())
    }

    pub(super) async fn send(&mut self, message: Request<Upload>) -> Sent {
        self.0.sender.clone().try_send_request(message).await
    }

    /// Lets no new request use the connection; those on it go on.
    pub(super) fn retire(&self) {
        self.0.retired.store(true, Ordering::Relaxed);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        *self.0.last_use.lock() = Instant::now();
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct AbortOnDrop(Option<AbortHandle>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// The tasks of one HTTP/2 connection, which end with it.
#[derive(Debug)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

/// Weak, because hyper keeps it inside the very tasks.
#[derive(Clone, Debug)]
struct Spawner(Weak<Mutex<JoinSet<()>>>);

impl<F> hyper::rt::Executor<F> for Spawner
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let Some(tasks) = self.0.upgrade() else {
            return;
        };
        let mut tasks = tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}
