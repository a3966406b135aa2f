//! A client's socket as hyper sees it: reads and writes pass through and are noted
//! on the connection's clock.

use super::clock::ConnectionClock;
use super::reader::{Leaving, Reader};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use rustix::net::SendFlags;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

pub(super) struct Socket {
    stream: TokioIo<TcpStream>,
    reader: Reader,
    clock: Arc<ConnectionClock>,
    farewell: Option<Farewell>,
}

/// The end of a connection whose client may still be sending: closing it now would
/// reset it, and the client would lose the answer that says why (RFC 9112 section
/// 9.6). So what comes is taken and thrown away for a while.
struct Farewell {
    /// Nothing has come for so long.
    gap: Pin<Box<Sleep>>,
    until: Instant,
}

const FAREWELL_GAP: Duration = Duration::from_secs(2);
const FAREWELL: Duration = Duration::from_secs(10);

impl Socket {
    pub(super) fn new(stream: TcpStream, clock: Arc<ConnectionClock>) -> Self {
        let (stream, reader) = (TokioIo::new(stream), Reader::default());
        Socket { stream, reader, clock, farewell: None }
    }

    /// Linux calls a socket writable once a third of what it holds is gone, which may be
    /// more than a megabyte: a client that reads slowly all the time would look like
    /// one that takes nothing. A write itself succeeds as soon as there is any room.
    fn or_probe(&self, written: Poll<io::Result<usize>>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if written.is_ready() || buf.is_empty() || !self.clock.take_probe() {
            return written;
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match rustix::net::send(self.stream.inner(), buf, flags) {
            Ok(sent) => Poll::Ready(Ok(sent)),
            // tokio finds the same, and knows whom to wake.
            Err(_) => Poll::Pending,
        }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(_) => self.clock.wrote(),
            Poll::Pending => self.clock.write_blocked(),
        }
        written
    }
}

impl Socket {
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(farewell) = &mut self.farewell else { return Poll::Ready(()) };
        loop {
            match self.reader.poll_discard(&mut self.stream, cx) {
                Poll::Ready(Ok(read)) if read > 0 => {
                    let next = (Instant::now() + FAREWELL_GAP).min(farewell.until);
                    farewell.gap.as_mut().reset(next);
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        farewell.gap.as_mut().poll(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.clock.end_would_deceive() {
            // A reset instead of an end. If it fails the socket is broken already.
            let _ = self.stream.inner().set_zero_linger();
        }
    }
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.clock.is_answering() && this.reader.is_at_end(&this.stream) {
            // More was wanted, so what it sent is not whole.
            this.clock.left(Leaving::Reset);
        }
        let read = ready!(this.reader.poll_read(&mut this.stream, cx, buf));
        this.clock.read();
        Poll::Ready(read)
    }
}

impl Write for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        let written = self.or_probe(written, buf);
        self.note(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // hyper calls this at each of its turns.
        if this.clock.is_answering()
            && let Poll::Ready(leaving) = this.reader.poll_leaving(&this.stream, cx)
        {
            this.clock.left(leaving);
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.farewell.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            // An idle client has nothing to lose, and would make each end slow.
            if !self.clock.has_body() && !self.reader.has_unread(&self.stream) {
                return Poll::Ready(Ok(()));
            }
            let (gap, until) = (Box::pin(sleep(FAREWELL_GAP)), Instant::now() + FAREWELL);
            self.farewell = Some(Farewell { gap, until });
        }
        self.poll_farewell(cx).map(Ok)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut joined = [0; JOINED];
        let written = match join(bufs, &mut joined) {
            Some(one) => Pin::new(&mut self.stream).poll_write(cx, one),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, bufs),
        };
        let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
        let written = self.or_probe(written, first);
        self.note(written)
    }
}

/// A head and a small body. The system sends one piece of memory faster than it
/// gathers two: measured, 2 % more answers of a hello.
const JOINED: usize = 2 << 10;

/// Copies `bufs` into one, if they are small.
fn join<'a>(bufs: &[io::IoSlice<'_>], joined: &'a mut [u8; JOINED]) -> Option<&'a [u8]> {
    let mut end = 0;
    for buf in bufs {
        let place = joined.get_mut(end..end + buf.len())?;
        place.copy_from_slice(buf);
        end += buf.len();
    }
    Some(&joined[..end])
}
