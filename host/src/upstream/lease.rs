//! The use of a connection by one request, and the ways in which that ends.

use super::connection::{Http1, Sent, Stream};
use super::outgoing::Protocol;
use super::pool::Pool;
use super::upload::{Upload, Watch};
use http::Request;
use std::sync::Arc;
use std::time::Duration;

/// For an HTTP/1.1 connection to become idle after its response has been read.
const SETTLE: Duration = Duration::from_secs(1);

/// A connection, or a stream of one, in use by one request. Dropping it cancels
/// what is under way.
#[derive(Debug)]
pub(super) struct Lease {
    held: Held,
    pool: Arc<Pool>,
    origin: Arc<str>,
    reused: bool,
}

#[derive(Debug)]
pub(super) enum Held {
    Http1(Http1),
    Http2(Stream),
}

impl Lease {
    pub(super) fn new(pool: &Arc<Pool>, origin: &Arc<str>, held: Held, reused: bool) -> Self {
        Lease { held, pool: pool.clone(), origin: origin.clone(), reused }
    }

    pub(super) fn protocol(&self) -> Protocol {
        match &self.held {
            Held::Http1(_) => Protocol::Http1,
            Held::Http2(_) => Protocol::Http2,
        }
    }

    pub(super) fn is_reused(&self) -> bool {
        self.reused
    }

    pub(super) async fn send(&mut self, message: Request<Upload>) -> Sent {
        match &mut self.held {
            Held::Http1(connection) => connection.send(message).await,
            Held::Http2(stream) => stream.send(message).await,
        }
    }

    /// After a response that has been read to its end.
    pub(super) fn finish(self, watch: &Watch) {
        if watch.abandon() {
            // The peer answered without wanting the whole request.
            return self.give_up();
        }
        let Held::Http1(mut connection) = self.held else {
            return;
        };
        if connection.is_ready() {
            return self.pool.put(&self.origin, connection);
        }
        tokio::spawn(async move {
            if let Ok(true) = tokio::time::timeout(SETTLE, connection.ready()).await {
                self.pool.put(&self.origin, connection);
            }
        });
    }

    /// Before the end of the response, when nobody wants the rest.
    pub(super) fn cancel(self, watch: &Watch) {
        if watch.abandon() {
            self.give_up();
        }
    }

    /// After the peer has failed to answer: it may be gone without a word, so
    /// nobody else shall try.
    pub(super) fn give_up(self) {
        if let Held::Http2(stream) = &self.held {
            stream.retire();
            self.pool.forget_retired(&self.origin);
        }
    }
}
