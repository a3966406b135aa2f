//! What a connection is doing and since when, so that no client can hold one
//! without progress.
//!
//! The socket, the service and the connection's loop share one of these: the first
//! two note what happens, the loop asks when to give up.

use crate::limits::ServerLimits;
use std::sync::Mutex;
use std::sync::PoisonError;
use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct ConnectionClock(Mutex<State>);

#[derive(Debug)]
struct State {
    protocol: Protocol,
    /// Requests whose response is not complete.
    open: u64,
    /// Requests so far.
    served: u64,
    /// Without an open request: since when nothing, or a part of a head, is there.
    waiting: Waiting,
    /// The peer takes nothing of what we write, since then.
    stalled: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

#[derive(Clone, Copy, Debug)]
enum Waiting {
    Idle(Instant),
    Head(Instant),
}

/// Why a connection is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GiveUp {
    HeadTime,
    KeepAlive,
    WriteGap,
}

impl GiveUp {
    /// The value of the `reason` label in `squall_connections_closed_total`.
    pub(super) fn label(self) -> &'static str {
        match self {
            GiveUp::HeadTime => "head_time",
            GiveUp::KeepAlive => "keep_alive",
            GiveUp::WriteGap => "write_gap",
        }
    }
}

impl ConnectionClock {
    /// A connection whose first bytes have arrived: its first head has begun.
    pub(super) fn new(protocol: Protocol) -> Self {
        let now = Instant::now();
        ConnectionClock(Mutex::new(State {
            protocol,
            open: 0,
            served: 0,
            waiting: match protocol {
                Protocol::Http1 => Waiting::Head(now),
                Protocol::Http2 => Waiting::Idle(now),
            },
            stalled: None,
        }))
    }

    /// Bytes have arrived.
    pub(super) fn read(&self) {
        let mut state = self.lock();
        // HTTP/2 frames are not heads; there only open streams count.
        if state.protocol == Protocol::Http1
            && state.open == 0
            && matches!(state.waiting, Waiting::Idle(_))
        {
            state.waiting = Waiting::Head(Instant::now());
        }
    }

    /// The peer has taken bytes.
    pub(super) fn wrote(&self) {
        self.lock().stalled = None;
    }

    /// The peer takes no bytes.
    pub(super) fn write_blocked(&self) {
        let mut state = self.lock();
        if state.stalled.is_none() {
            state.stalled = Some(Instant::now());
        }
    }

    /// A request's head is complete. Returns how many there were before it.
    pub(super) fn begin_request(&self) -> u64 {
        let mut state = self.lock();
        state.open += 1;
        state.served += 1;
        state.served - 1
    }

    /// Requests so far.
    pub(super) fn served(&self) -> u64 {
        self.lock().served
    }

    /// A response is complete, or given up.
    pub(super) fn end_request(&self) {
        let mut state = self.lock();
        state.open -= 1;
        state.waiting = Waiting::Idle(Instant::now());
    }

    /// When to give up if nothing happens until then, and why.
    pub(super) fn deadline(&self, limits: &ServerLimits) -> Option<(Instant, GiveUp)> {
        let state = self.lock();
        let stalled = state.stalled.map(|since| (since + limits.write_gap, GiveUp::WriteGap));
        let waiting = (state.open == 0).then(|| match state.waiting {
            Waiting::Idle(since) => (since + limits.keep_alive, GiveUp::KeepAlive),
            Waiting::Head(since) => (since + limits.head_time, GiveUp::HeadTime),
        });
        stalled.into_iter().chain(waiting).min_by_key(|(at, _)| *at)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
