//! A body that is written from the other end of a channel.

use super::BodyError;
use crate::BoxError;
use bytes::Bytes;
use futures_channel::mpsc;
use futures_core::Stream;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Writes a body bit by bit. Made by [`Body::channel`](crate::Body::channel).
///
/// The body is whole only when [`finish`](BodySender::finish) or
/// [`finish_with`](BodySender::finish_with) says so. If the sender is merely dropped,
/// because an error was passed on with `?`, say, then the response is broken off,
/// so that the client does not take a part for the whole.
///
/// Both ends belong to one request. A sender that is kept for another request to
/// write to ends the component: to tell many clients something is the server's
/// work, not the component's.
#[derive(Debug)]
pub struct BodySender {
    chunks: mpsc::Sender<Message>,
}

/// The body is not wanted any more, mostly because the client has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyClosed;

enum Message {
    Chunk(Bytes),
    End(Option<HeaderMap>),
    Broken(BoxError),
}

impl BodySender {
    /// Sends a chunk. It waits as long as the one before is not taken yet, so a
    /// slow client slows the sender and fills no memory.
    ///
    /// # Errors
    /// If nobody reads the body any more. There is no use in going on.
    pub async fn send(&mut self, chunk: impl Into<Bytes>) -> Result<(), BodyClosed> {
        poll_fn(|cx| self.chunks.poll_ready(cx)).await.map_err(|_| BodyClosed)?;
        self.push(Message::Chunk(chunk.into()))
    }

    /// Ends the body.
    pub fn finish(mut self) {
        _ = self.push(Message::End(None));
    }

    /// Ends the body with trailers.
    ///
    /// ```
    /// # futures_executor::block_on(async {
    /// use squall_sdk::{Body, HeaderMap};
    ///
    /// let (mut sender, mut body) = Body::channel();
    /// sender.send("a chunk").await.unwrap();
    /// let mut trailers = HeaderMap::new();
    /// trailers.insert("x-chunks", "1".parse().unwrap());
    /// sender.finish_with(trailers);
    ///
    /// assert_eq!(body.chunk().await.unwrap().unwrap(), "a chunk");
    /// assert_eq!(body.trailers().await.unwrap().unwrap()["x-chunks"], "1");
    /// # });
    /// ```
    pub fn finish_with(mut self, trailers: HeaderMap) {
        _ = self.push(Message::End(Some(trailers)));
    }

    /// Breaks the body off. The reason goes to the log.
    pub fn abort(mut self, reason: impl Into<BoxError>) {
        _ = self.push(Message::Broken(reason.into()));
    }

    /// The ending does not wait for room: each sender of the channel has a place
    /// of its own in it, and a clone of this one is as good for that as itself.
    fn push(&mut self, message: Message) -> Result<(), BodyClosed> {
        match message {
            Message::Chunk(_) => self.chunks.try_send(message),
            Message::End(_) | Message::Broken(_) => self.chunks.clone().try_send(message),
        }
        .map_err(|_| BodyClosed)
    }
}

impl fmt::Display for BodyClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads this body any more")
    }
}

impl std::error::Error for BodyClosed {}

pub(super) fn channel() -> (BodySender, Receiver) {
    let (sender, receiver) = mpsc::channel(0);
    (BodySender { chunks: sender }, Receiver { chunks: receiver, ended: false })
}

pub(super) struct Receiver {
    chunks: mpsc::Receiver<Message>,
    ended: bool,
}

impl HttpBody for Receiver {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let message = ready!(Pin::new(&mut self.chunks).poll_next(cx));
        self.ended = !matches!(message, Some(Message::Chunk(_)));
        Poll::Ready(match message {
            Some(Message::Chunk(chunk)) => Some(Ok(Frame::data(chunk))),
            Some(Message::End(trailers)) => trailers.map(|map| Ok(Frame::trailers(map))),
            Some(Message::Broken(reason)) => Some(Err(BodyError::source(reason))),
            None => Some(Err(BodyError::source("its sender was dropped before `finish`"))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, BodyErrorKind};
    use futures_executor::block_on;
    use futures_util::{FutureExt, future::join};

    #[test]
    fn chunks_arrive_in_order_and_the_end_is_the_end() {
        let (mut sender, mut body) = Body::channel();
        let write = async move {
            for chunk in ["a", "b", "c"] {
                sender.send(chunk).await.unwrap();
            }
            sender.finish();
        };
        let read = async move {
            let mut all = Vec::new();
            while let Some(chunk) = body.chunk().await.unwrap() {
                all.push(chunk);
            }
            assert!(body.chunk().await.unwrap().is_none());
            all
        };
        assert_eq!(block_on(join(write, read)).1, ["a", "b", "c"]);
    }

    #[test]
    fn a_dropped_sender_breaks_the_body_off() {
        let (sender, mut body) = Body::channel();
        drop(sender);
        let error = block_on(body.chunk()).unwrap_err();
        assert_eq!(error.kind(), BodyErrorKind::Source);
    }

    #[test]
    fn a_slow_reader_slows_the_sender() {
        let (mut sender, mut body) = Body::channel();
        sender.send("one").now_or_never().unwrap().unwrap();
        assert!(sender.send("two").now_or_never().is_none());
        assert_eq!(block_on(body.chunk()).unwrap().unwrap(), "one");
        sender.send("two").now_or_never().unwrap().unwrap();
    }

    #[test]
    fn a_dropped_body_tells_the_sender() {
        let (mut sender, body) = Body::channel();
        drop(body);
        assert_eq!(sender.send("x").now_or_never(), Some(Err(BodyClosed)));
    }
}
