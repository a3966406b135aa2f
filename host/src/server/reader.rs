//! The reading side of a client's socket, which also sees a client leave while
//! nobody reads.
//!
//! hyper does not read while it waits for an answer, and of a body only what was
//! asked for. Bytes that lie unread would hide that the client left behind them:
//! readiness says only that there is something. So tokio is made to forget those
//! bytes, and wakes us for what comes after them; when hyper reads again, the socket
//! itself is asked.

use hyper::rt::{Read, ReadBufCursor};
use hyper_util::rt::TokioIo;
use rustix::net::RecvFlags;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, Interest, ReadBuf};
use tokio::net::TcpStream;

type Stream = TokioIo<TcpStream>;

#[derive(Default)]
pub(super) struct Reader {
    /// Bytes may be in the socket that tokio was made to forget.
    forgotten: bool,
}

/// How a client left, as far as the socket can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// It sends no more. Most that do so have gone, but it may still read.
    Ended,
    /// It takes nothing either.
    Reset,
}

/// How much is read at once of what tokio has forgotten.
const PIECE: usize = 8 << 10;

impl Reader {
    pub(super) fn poll_read(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.forgotten {
            let mut piece = [0; PIECE];
            let room = buf.remaining().min(PIECE);
            if let Some(read) = self.read_forgotten(stream, &mut piece[..room]) {
                buf.put_slice(&piece[..read?]);
                return Poll::Ready(Ok(()));
            }
        }
        Pin::new(stream).poll_read(cx, buf)
    }

    /// Reads bytes that nobody wants; zero at their end.
    pub(super) fn poll_discard(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut scrap = [0; PIECE];
        if self.forgotten
            && let Some(read) = self.read_forgotten(stream, &mut scrap)
        {
            return Poll::Ready(read);
        }
        let mut scrap = ReadBuf::new(&mut scrap);
        ready!(Pin::new(stream.inner_mut()).poll_read(cx, &mut scrap))?;
        Poll::Ready(Ok(scrap.filled().len()))
    }

    /// Whether the client has left, without reading. If not, the task is woken when it
    /// does or sends more.
    pub(super) fn poll_leaving(&mut self, stream: &Stream, cx: &mut Context<'_>) -> Poll<Leaving> {
        let stream = stream.inner();
        loop {
            if let Some(leaving) = leaving(stream) {
                return Poll::Ready(leaving);
            }
            if ready!(stream.poll_read_ready(cx)).is_err() {
                // The runtime ends, and this task with it.
                return Poll::Pending;
            }
            if leaving(stream).is_none() {
                // What is there must not be all that is ever heard.
                let forget = || Err::<(), _>(ErrorKind::WouldBlock.into());
                let _ = stream.try_io(Interest::READABLE, forget);
                self.forgotten = true;
            }
        }
    }

    /// Whether nothing is left to read before the end that the client has sent.
    pub(super) fn is_at_end(&self, stream: &Stream) -> bool {
        let stream = stream.inner();
        leaving(stream).is_some() && peek(stream) == Some(0)
    }

    /// Whether bytes lie unread, which a close would answer with a reset.
    pub(super) fn has_unread(&self, stream: &Stream) -> bool {
        matches!(peek(stream.inner()), Some(1..))
    }

    /// What the socket itself has; `None` if that is nothing, which tokio may be asked
    /// about again.
    fn read_forgotten(&mut self, stream: &Stream, buf: &mut [u8]) -> Option<io::Result<usize>> {
        match rustix::net::recv(stream.inner(), buf, RecvFlags::DONTWAIT) {
            Ok((_, read)) => Some(Ok(read)),
            Err(error) => {
                self.forgotten = false;
                let error = io::Error::from(error);
                (error.kind() != ErrorKind::WouldBlock).then_some(Err(error))
            }
        }
    }
}

/// What tokio has heard of the client's leaving. Asking for `PRIORITY` is how it tells
/// that the reading side is closed without telling that there is something to read.
fn leaving(stream: &TcpStream) -> Option<Leaving> {
    let heard = |interest| stream.try_io(interest, || Ok(())).is_ok();
    if heard(Interest::ERROR) {
        return Some(Leaving::Reset);
    }
    heard(Interest::PRIORITY).then_some(Leaving::Ended)
}

/// How much of one byte can be read now: none is the end.
fn peek(stream: &TcpStream) -> Option<usize> {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    let (_, length) = rustix::net::recv(stream, &mut [0; 1], flags).ok()?;
    Some(length)
}
