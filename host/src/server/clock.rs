//! What a connection is doing and since when, so that no client can hold one
//! without progress.
//!
//! The socket, the service and the connection's loop share one of these: the first
//! two note what happens, the loop asks when to give up.

use super::reader::Leaving;
use crate::limits::ServerLimits;
use http::Version;
use parking_lot::{Mutex, MutexGuard};
use std::time::Duration;
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
    /// When the last bytes came that no request has begun with.
    read: Option<Instant>,
    /// The peer takes nothing of what we write, since then.
    stalled: Option<Instant>,
    /// The start of a stall at whose end the kernel was asked, and whether it still is to be.
    probed: Option<Instant>,
    is_to_probe: bool,
    /// When there was last more to write than the peer took.
    blocked: Option<Instant>,
    /// When the peer last had room for a piece of any stream (HTTP/2).
    taken: Option<Instant>,
    /// A response that ends with the connection (HTTP/1.0) is open, or broke off.
    ends_by_closing: bool,
    /// The last request had a body.
    has_body: bool,
    broke_off: bool,
    /// No new requests are taken, since then.
    leaving: Option<Instant>,
    /// The client sends no more: unless it takes some of an answer until then, it has
    /// gone altogether.
    gone: Option<Instant>,
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

/// A request whose head is complete.
pub(super) struct Begun {
    /// When its last bytes came.
    pub(super) at: Instant,
    /// How many there were before it on the connection.
    pub(super) before: u64,
}

/// Why a connection is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GiveUp {
    HeadTime,
    KeepAlive,
    WriteGap,
    /// It was told to leave, and has nothing open.
    Left,
    /// The client has gone by itself.
    Gone,
}

/// How long a client that has closed its side may be given an answer. Most have gone,
/// and the work for these is to stop within 100 ms (G6).
const HALF_CLOSED: Duration = Duration::from_millis(40);

/// What a client may take to see that no new requests are taken: what it has sent
/// meanwhile is answered.
const FAREWELL: Duration = Duration::from_secs(1);

impl GiveUp {
    /// The value of the `reason` label in `squall_connections_closed_total`, if it is we
    /// who give up.
    pub(super) fn label(self) -> Option<&'static str> {
        match self {
            GiveUp::HeadTime => Some("head_time"),
            GiveUp::KeepAlive => Some("keep_alive"),
            GiveUp::WriteGap => Some("write_gap"),
            GiveUp::Left => Some("left"),
            GiveUp::Gone => None,
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
            read: None,
            stalled: None,
            probed: None,
            is_to_probe: false,
            blocked: None,
            taken: None,
            ends_by_closing: false,
            has_body: false,
            broke_off: false,
            leaving: None,
            gone: None,
        }))
    }

    /// Bytes have arrived.
    pub(super) fn read(&self) {
        let mut state = self.lock();
        // HTTP/2 frames are not heads; there only open streams count.
        if state.protocol == Protocol::Http1 && state.open == 0 {
            let now = Instant::now();
            state.read = Some(now);
            if let Waiting::Idle(_) = state.waiting {
                state.waiting = Waiting::Head(now);
            }
        }
    }

    /// The peer has taken bytes.
    pub(super) fn wrote(&self) {
        let mut state = self.lock();
        // The end of an answer waited, so its client was not idle. Writes that need not
        // wait, such as those of pings, do not count.
        if state.stalled.take().is_some()
            && let Waiting::Idle(since) = &mut state.waiting
        {
            *since = Instant::now();
        }
        if let Some(gone) = &mut state.gone {
            *gone = Instant::now() + HALF_CLOSED;
        }
    }

    /// Whether the client's leaving would end work, and nobody else looks for it: over
    /// HTTP/2 somebody always reads.
    pub(super) fn is_answering(&self) -> bool {
        let state = self.lock();
        state.open > 0 && state.protocol == Protocol::Http1
    }

    /// The client has left, or closed its side.
    pub(super) fn left(&self, leaving: Leaving) {
        let grace = match leaving {
            Leaving::Ended => HALF_CLOSED,
            Leaving::Reset => Duration::ZERO,
        };
        self.lock().gone.get_or_insert_with(|| Instant::now() + grace);
    }

    /// The peer takes no bytes.
    pub(super) fn write_blocked(&self) {
        let mut state = self.lock();
        let now = Instant::now();
        state.blocked = Some(now);
        if state.stalled.is_none() {
            state.stalled = Some(now);
        }
    }

    /// A stall has lasted for its time. Whether to ask the kernel whether that is so,
    /// which is done once for each.
    pub(super) fn doubts_stall(&self) -> bool {
        let mut state = self.lock();
        let is_new = state.probed != state.stalled;
        state.probed = state.stalled;
        state.is_to_probe = is_new;
        is_new
    }

    pub(super) fn take_probe(&self) -> bool {
        std::mem::take(&mut self.lock().is_to_probe)
    }

    /// The peer had room for a piece of one of its streams.
    pub(super) fn took(&self) {
        self.lock().taken = Some(Instant::now());
    }

    /// Whether a stream of which nothing was taken within the last `gap` may have waited
    /// for the others: the peer was slower than we are, or took of them.
    pub(super) fn was_busy_within(&self, gap: Duration) -> bool {
        let state = self.lock();
        let busy = [state.blocked, state.taken].into_iter().flatten();
        state.stalled.is_some() || busy.max().is_some_and(|at| at.elapsed() < gap)
    }

    /// A request's head is complete.
    pub(super) fn begin_request(&self, version: Version, has_body: bool) -> Begun {
        let mut state = self.lock();
        state.has_body = has_body;
        state.ends_by_closing = version == Version::HTTP_10;
        state.open += 1;
        state.served += 1;
        // Reading the time costs as much as reading the socket does without the system.
        Begun { at: state.read.take().unwrap_or_else(Instant::now), before: state.served - 1 }
    }

    /// Requests so far.
    pub(super) fn served(&self) -> u64 {
        self.lock().served
    }

    /// A response is complete, or given up.
    pub(super) fn end_request(&self, complete: bool, now: Instant) {
        let mut state = self.lock();
        state.open -= 1;
        state.broke_off |= state.ends_by_closing && !complete;
        state.waiting = Waiting::Idle(now);
    }

    /// Whether an idle client can be told that it is left, so that it knows that what
    /// it sends meanwhile is not served (RFC 9113 section 6.8).
    pub(super) fn tells_farewell(&self) -> bool {
        self.lock().protocol == Protocol::Http2
    }

    /// Whether the client may still be sending.
    pub(super) fn has_body(&self) -> bool {
        self.lock().has_body
    }

    /// Whether an ordinary end of the connection would pass for the end of a response
    /// that is not whole.
    pub(super) fn end_would_deceive(&self) -> bool {
        let state = self.lock();
        state.broke_off || (state.ends_by_closing && state.open > 0)
    }

    /// The client has been told that no new requests are taken.
    pub(super) fn leave(&self) {
        self.lock().leaving.get_or_insert_with(Instant::now);
    }

    /// When to give up if nothing happens until then, and why.
    pub(super) fn deadline(&self, limits: &ServerLimits) -> Option<(Instant, GiveUp)> {
        let state = self.lock();
        let stalled = state.stalled.map(|since| (since + limits.write_gap, GiveUp::WriteGap));
        // Who has gone refuses what is written to it: there is no need to guess.
        let guesses = state.open > 0 && state.stalled.is_none();
        let gone = state.gone.filter(|_| guesses).map(|at| (at, GiveUp::Gone));
        let waiting = match (state.waiting, state.leaving) {
            _ if state.open > 0 => None,
            (Waiting::Head(since), _) => Some((since + limits.head_time, GiveUp::HeadTime)),
            // What is handed on is not yet taken: until it is, this is a stall.
            (Waiting::Idle(_), _) if state.stalled.is_some() => None,
            (Waiting::Idle(since), Some(leaving)) => {
                Some((since.max(leaving) + FAREWELL, GiveUp::Left))
            }
            (Waiting::Idle(since), None) => Some((since + limits.keep_alive, GiveUp::KeepAlive)),
        };
        stalled.into_iter().chain(gone).chain(waiting).min_by_key(|(at, _)| *at)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waited_for_its_answers_end_is_idle_from_then_on() {
        let (clock, limits) = (ConnectionClock::new(Protocol::Http1), ServerLimits::default());
        clock.begin_request(Version::HTTP_11, false);
        clock.end_request(true, Instant::now());
        clock.write_blocked();
        std::thread::sleep(Duration::from_millis(2));
        let taken = Instant::now();
        clock.wrote();
        let (at, reason) = clock.deadline(&limits).unwrap();
        assert_eq!(reason, GiveUp::KeepAlive);
        assert!(at >= taken + limits.keep_alive);
    }
}
