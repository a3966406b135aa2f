//! An HTTP/1.1 client that hides nothing: exact bytes out, exact bytes in.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// How long a test waits for anything that must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection.
pub(crate) struct Wire {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

/// A response as it came.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    pub trailers: String,
    /// False if the connection broke before the end that the framing announced.
    pub complete: bool,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a header, if it is there once.
    pub(crate) fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let mut values = self.headers(name);
        let value = values.next();
        assert!(values.next().is_none(), "several `{name}`: {}", self.head);
        value
    }

    pub(crate) fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.head.lines().skip(1).filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Wire {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).unwrap())
    }

    pub(crate) fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Wire { stream, buffer: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends as much as the server takes before it closes.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    pub(crate) fn request(&mut self, head: &str) {
        self.send(head.replace('\n', "\r\n"));
    }

    /// The next response, to a request that was not HEAD.
    pub(crate) fn reply(&mut self) -> Reply {
        self.reply_to("GET").expect("a response")
    }

    /// The next response to a request of this method; `None` if the connection was
    /// closed before it.
    pub(crate) fn reply_to(&mut self, method: &str) -> Option<Reply> {
        loop {
            let reply = self.one_reply(method)?;
            // An interim response is followed by the real one.
            if reply.status != 100 {
                return Some(reply);
            }
        }
    }

    /// The next response, which may be an interim one.
    pub(crate) fn one_reply(&mut self, method: &str) -> Option<Reply> {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            if self.fill() == 0 {
                assert!(
                    self.buffer.is_empty(),
                    "half a head: {:?}",
                    String::from_utf8_lossy(&self.buffer)
                );
                return None;
            }
        };
        let head = String::from_utf8(self.buffer.drain(..end + 4).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply =
            Reply { status, head, body: Vec::new(), trailers: String::new(), complete: true };
        let bodiless = method == "HEAD" || matches!(status, 100..200 | 204 | 304);
        if bodiless {
            return Some(reply);
        }
        let length = reply.header("content-length").map(|length| length.parse::<usize>().unwrap());
        if reply.headers("transfer-encoding").any(|coding| coding == "chunked") {
            self.chunks(&mut reply);
        } else if let Some(length) = length {
            while self.buffer.len() < length && self.fill() > 0 {}
            reply.complete = self.buffer.len() >= length;
            let length = length.min(self.buffer.len());
            reply.body = self.buffer.drain(..length).collect();
        } else {
            while self.fill() > 0 {}
            reply.body = std::mem::take(&mut self.buffer);
        }
        Some(reply)
    }

    /// Waits until these bytes have come, whatever they are part of.
    pub(crate) fn until_received(&mut self, text: &str) {
        while find(&self.buffer, text.as_bytes()).is_none() {
            assert!(self.fill() > 0, "closed before `{text}`");
        }
    }

    /// Waits until the server closes; returns what came before.
    pub(crate) fn until_closed(&mut self) -> Vec<u8> {
        while self.fill() > 0 {}
        std::mem::take(&mut self.buffer)
    }

    /// Whether the server has closed, within `time`.
    pub(crate) fn closes_within(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let closed = loop {
            match self.stream.read(&mut [0; 4096]) {
                Ok(0) => break true,
                Ok(_) => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    break false;
                }
                Err(_) => break true,
            }
        };
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        closed
    }

    /// Closes the sending side.
    pub(crate) fn end(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Closes with a reset instead of a proper end.
    pub(crate) fn reset(self) {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
    }

    fn chunks(&mut self, reply: &mut Reply) {
        loop {
            let Some(line) = self.line() else {
                reply.complete = false;
                return;
            };
            let size = usize::from_str_radix(line.split(';').next().unwrap().trim(), 16).unwrap();
            if size == 0 {
                break;
            }
            while self.buffer.len() < size + 2 && self.fill() > 0 {}
            if self.buffer.len() < size + 2 {
                reply.complete = false;
                let rest = std::mem::take(&mut self.buffer);
                reply.body.extend(&rest[..rest.len().min(size)]);
                return;
            }
            reply.body.extend(self.buffer.drain(..size));
            self.buffer.drain(..2);
        }
        while let Some(line) = self.line() {
            if line.is_empty() {
                return;
            }
            reply.trailers.push_str(&line);
            reply.trailers.push('\n');
        }
        reply.complete = false;
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = self.buffer.drain(..end + 2).take(end).collect();
                return Some(String::from_utf8(line).unwrap());
            }
            if self.fill() == 0 {
                return None;
            }
        }
    }

    fn fill(&mut self) -> usize {
        let mut piece = [0; 16 << 10];
        match self.stream.read(&mut piece) {
            Ok(n) => {
                self.buffer.extend(&piece[..n]);
                n
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!(
                    "nothing came for {PATIENCE:?}; so far {:?}",
                    String::from_utf8_lossy(&self.buffer)
                )
            }
            Err(_) => 0,
        }
    }
}

/// A client whose system takes little that it does not read.
pub(crate) fn narrow(address: SocketAddr) -> TcpStream {
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::STREAM,
        None,
    )
    .unwrap();
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 32 << 10).unwrap();
    rustix::net::connect(&socket, &address).unwrap();
    TcpStream::from(socket)
}

/// One GET on a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str) -> Reply {
    send(address, &format!("GET {path} HTTP/1.1\nHost: localhost\nConnection: close\n\n"))
}

/// One request, its lines ended by `\n`, on a connection of its own.
pub(crate) fn send(address: SocketAddr, request: &str) -> Reply {
    let method = request.split(' ').next().unwrap().to_owned();
    let mut wire = Wire::open(address);
    wire.request(request);
    wire.reply_to(&method).expect("a response")
}

/// One request with a body.
pub(crate) fn post(address: SocketAddr, path: &str, body: &[u8]) -> Reply {
    let mut wire = Wire::open(address);
    let length = body.len();
    wire.request(&format!(
        "POST {path} HTTP/1.1\nHost: test\nContent-Length: {length}\nConnection: close\n\n"
    ));
    // A server that refuses may close before it has taken all.
    let _ = wire.try_send(body);
    wire.reply()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
