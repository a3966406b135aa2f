//! Peers for outbound requests: real sockets that behave as told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// A listening peer. Its thread ends with the process.
pub(crate) struct Upstream {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Upstream {
    /// Calls `serve` for each connection, after its request's head was read.
    pub(crate) fn start(serve: impl Fn(&mut TcpStream, &str) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = Upstream {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            closed: Arc::default(),
            most: Arc::default(),
        };
        let (connections, closed, serve) =
            (upstream.connections.clone(), upstream.closed.clone(), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                connections.fetch_add(1, Ordering::SeqCst);
                let (closed, serve) = (closed.clone(), serve.clone());
                thread::spawn(move || {
                    let mut head = Vec::new();
                    let mut byte = [0];
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read(&mut byte) {
                            Ok(1) => head.push(byte[0]),
                            _ => break,
                        }
                    }
                    serve(&mut stream, &String::from_utf8_lossy(&head));
                    closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        upstream
    }

    /// Answers every request with this text.
    pub(crate) fn text(text: &'static str) -> Self {
        Self::start(move |stream, _| {
            let length = text.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
            );
        })
    }

    /// Answers one request and keeps the connection; notices when its client closes.
    pub(crate) fn keeping() -> Self {
        Self::start(|stream, _| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nkept");
            let _ = stream.read(&mut [0]);
        })
    }

    /// Takes requests and never answers; notices when its client closes.
    pub(crate) fn silent() -> Self {
        Self::start(|stream, _| {
            let _ = stream.read(&mut [0]);
        })
    }

    /// Sends a head and a piece of a body, and then nothing; notices when its client
    /// closes.
    pub(crate) fn endless() -> Self {
        Self::start(|stream, _| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nsome");
            let _ = stream.read(&mut [0]);
        })
    }

    /// Answers after `delay`.
    pub(crate) fn slow(delay: Duration) -> Self {
        let (now, most) = (AtomicUsize::new(0), Arc::<AtomicUsize>::default());
        let seen = most.clone();
        let upstream = Self::start(move |stream, _| {
            seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(delay);
            now.fetch_sub(1, Ordering::SeqCst);
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nslow",
            );
        });
        Upstream { most, ..upstream }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The most requests that a slow peer had at the same time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// Connections that came to their end.
    pub(crate) fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }
}
