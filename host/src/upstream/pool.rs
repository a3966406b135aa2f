//! The connections of one handler: how many are open, which are idle, who may
//! open the next.
//!
//! An idle connection never stands in the way: when all permits are taken, the
//! one that has been idle longest is closed for whoever needs a new one, another
//! handler too. This is what `hyper_util`'s pool cannot do, and why there is one here.

use super::connection::{Connection, Http1, Http2, Stream};
use super::lease::{Held, Lease};
use super::permit::{Full, Permit, Permits};
use futures_util::FutureExt;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::time::{Instant, sleep};

/// Idle HTTP/1.1 connections kept per origin: what is left of a burst.
const IDLE_PER_ORIGIN: usize = 256;
/// Between two looks for idle connections to close, if that is often enough.
const SWEEP: Duration = Duration::from_secs(5);
/// And at least, however short they may be idle.
const SHORTEST_SWEEP: Duration = Duration::from_millis(100);
/// Until who waits looks again for idle connections of other handlers: nobody tells.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Pool {
    origins: Mutex<Origins>,
    permits: Permits,
    /// Until an idle connection is closed.
    idle: Duration,
    /// Told when an HTTP/1.1 connection has become idle.
    returned: Notify,
}

#[derive(Debug, Default)]
struct Origins {
    all: HashMap<Arc<str>, Origin>,
    sweeping: bool,
}

#[derive(Debug, Default)]
struct Origin {
    /// The one idle longest first.
    idle: Vec<Idle>,
    shared: Vec<Arc<Http2>>,
    /// Held while connecting to an origin that may speak HTTP/2, so that a
    /// burst of requests opens one connection and not one each.
    turn: Arc<tokio::sync::Mutex<()>>,
    only_http1: bool,
}

#[derive(Debug)]
struct Idle {
    connection: Http1,
    since: Instant,
}

/// Whether a request may use a connection that others have used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    Any,
    /// The last one turned out to be dead, so idle ones are not trusted.
    Fresh,
}

/// What a request gets.
pub(super) enum Found {
    Connection(Lease),
    Room(Room),
}

impl Pool {
    pub(super) fn new(permits: Permits, idle: Duration) -> Self {
        Pool { origins: Mutex::default(), permits, idle, returned: Notify::new() }
    }

    pub(super) fn permits(&self) -> &Permits {
        &self.permits
    }

    /// A connection to `origin`, or the permission to make one. Waits without a
    /// deadline: that is the caller's.
    pub(super) async fn find(
        self: &Arc<Self>,
        origin: &Arc<str>,
        encrypted: bool,
        reuse: Reuse,
    ) -> Found {
        let lease = |held| Found::Connection(Lease::new(self, origin, held, true));
        if let Some(held) = self.take(origin, reuse, Crowd::No) {
            return lease(held);
        }
        let turn = if encrypted { self.turn(origin).await } else { None };
        // One for all rounds, so that nobody loses the place in the queue.
        let mut permit = pin!(self.permits.take());
        loop {
            if let Some(held) = self.take(origin, reuse, Crowd::No) {
                return lease(held);
            }
            if let Some(permit) = permit.as_mut().now_or_never() {
                return Found::Room(self.room(origin, permit, turn));
            }
            // Registered before the look, so that nothing is missed between.
            let mut returned = pin!(self.returned.notified());
            returned.as_mut().enable();
            if let Some(held) = self.take(origin, reuse, Crowd::Yes) {
                return lease(held);
            }
            self.make_room();
            tokio::select! {
                permit = &mut permit => return Found::Room(self.room(origin, permit, turn)),
                () = returned => {}
                () = sleep(LOOK_AGAIN) => {}
            }
        }
    }

    /// The permit for a connection that is made elsewhere: at once, or never. An idle
    /// connection that was in the way is closed for the next who asks.
    pub(super) fn reserve(&self) -> Result<Permit, Full> {
        self.permits.try_take().inspect_err(|_| self.make_room())
    }

    /// Closes an idle connection: one of this handler, or of another if that may help.
    fn make_room(&self) {
        if !self.close_one_idle() && self.permits.total().is_full() {
            self.permits.total().close_one_idle();
        }
    }

    /// Waits for the turn to connect, where connections may be shared.
    async fn turn(self: &Arc<Self>, origin: &Arc<str>) -> Option<OwnedMutexGuard<()>> {
        let turn = {
            let mut origins = self.origins.lock();
            // An origin that cannot be connected to is not remembered for ever.
            self.sweep_later(&mut origins);
            let origin = origins.all.entry(origin.clone()).or_default();
            (!origin.only_http1).then(|| origin.turn.clone())
        };
        let turn = turn?.lock_owned().await;
        // Whoever had it before may have found out.
        let origins = self.origins.lock();
        let only_http1 = origins.all.get(origin).is_some_and(|origin| origin.only_http1);
        (!only_http1).then_some(turn)
    }

    fn take(&self, origin: &Arc<str>, reuse: Reuse, crowd: Crowd) -> Option<Held> {
        let mut origins = self.origins.lock();
        let origin = origins.all.get_mut(origin)?;
        origin.shared.retain(|connection| connection.is_open());
        let shared = match crowd {
            Crowd::No => origin.shared.iter().find(|connection| connection.has_room()),
            Crowd::Yes => origin.shared.iter().min_by_key(|connection| connection.streams()),
        };
        if let Some(connection) = shared {
            return Some(Held::Http2(Stream::on(connection)));
        }
        if reuse == Reuse::Fresh {
            return None;
        }
        // The newest is the least likely to be closed by the peer.
        while let Some(Idle { connection, since }) = origin.idle.pop() {
            if connection.is_ready() && since.elapsed() < self.idle {
                return Some(Held::Http1(connection));
            }
        }
        None
    }

    fn room(
        self: &Arc<Self>,
        origin: &Arc<str>,
        permit: Permit,
        turn: Option<OwnedMutexGuard<()>>,
    ) -> Room {
        Room { pool: self.clone(), origin: origin.clone(), permit, turn }
    }

    /// Frees a permit soon. False if no connection is idle.
    pub(super) fn close_one_idle(&self) -> bool {
        let mut origins = self.origins.lock();
        let oldest = origins.all.values_mut().filter(|origin| !origin.idle.is_empty());
        if let Some(origin) = oldest.min_by_key(|origin| origin.idle[0].since) {
            origin.idle.remove(0).connection.close();
            return true;
        }
        for origin in origins.all.values_mut() {
            if let Some(unused) = origin.shared.iter().position(|c| c.streams() == 0) {
                origin.shared.swap_remove(unused);
                return true;
            }
        }
        false
    }

    /// Takes back a connection that is ready for the next request.
    pub(super) fn put(self: &Arc<Self>, origin: &Arc<str>, connection: Http1) {
        let mut origins = self.origins.lock();
        let kept = origins.all.entry(origin.clone()).or_default();
        if kept.idle.len() < IDLE_PER_ORIGIN {
            kept.idle.push(Idle { connection, since: Instant::now() });
        } else {
            connection.close();
        }
        self.sweep_later(&mut origins);
        drop(origins);
        self.returned.notify_one();
    }

    fn share(self: &Arc<Self>, origin: &Arc<str>, connection: &Arc<Http2>) {
        let mut origins = self.origins.lock();
        origins.all.entry(origin.clone()).or_default().shared.push(connection.clone());
        self.sweep_later(&mut origins);
    }

    /// Lets go of them, so that the last stream's end is the connection's.
    pub(super) fn forget_retired(&self, origin: &Arc<str>) {
        if let Some(origin) = self.origins.lock().all.get_mut(origin) {
            origin.shared.retain(|connection| connection.is_open());
        }
    }

    fn sweep_later(self: &Arc<Self>, origins: &mut Origins) {
        if std::mem::replace(&mut origins.sweeping, true) {
            return;
        }
        let pool: Weak<Pool> = Arc::downgrade(self);
        let pause = self.idle.clamp(SHORTEST_SWEEP, SWEEP);
        tokio::spawn(async move {
            loop {
                sleep(pause).await;
                match pool.upgrade() {
                    Some(pool) if pool.sweep() => {}
                    _ => return,
                }
            }
        });
    }

    /// Closes what has been idle for too long. False once nothing is left.
    fn sweep(&self) -> bool {
        let mut origins = self.origins.lock();
        origins.all.retain(|_, origin| {
            let idle = |c: &mut Idle| c.connection.is_ready() && c.since.elapsed() < self.idle;
            origin.idle.extract_if(.., |c| !idle(c)).for_each(|c| c.connection.close());
            origin
                .shared
                .retain(|c| c.is_open() && (c.streams() > 0 || c.last_use().elapsed() < self.idle));
            let awaited = Arc::strong_count(&origin.turn) > 1;
            awaited || !origin.idle.is_empty() || !origin.shared.is_empty()
        });
        origins.sweeping = !origins.all.is_empty();
        origins.sweeping
    }
}

/// Whether a request may join a connection on which it will have to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crowd {
    No,
    Yes,
}

/// The permission to make one connection.
pub(super) struct Room {
    pool: Arc<Pool>,
    origin: Arc<str>,
    permit: Permit,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Room {
    /// The permit, for the socket to hold, and the place for what comes of it.
    pub(super) fn split(self) -> (Permit, Place) {
        let Room { pool, origin, permit, turn } = self;
        (permit, Place { pool, origin, _turn: turn })
    }
}

/// Where a new connection belongs. The turn ends when it is filled or dropped.
pub(super) struct Place {
    pool: Arc<Pool>,
    origin: Arc<str>,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Place {
    pub(super) fn fill(self, connection: Connection) -> Lease {
        let held = match connection {
            Connection::Http1(connection) => {
                if let Some(origin) = self.pool.origins.lock().all.get_mut(&self.origin) {
                    origin.only_http1 = true;
                }
                Held::Http1(connection)
            }
            Connection::Http2(connection) => {
                let stream = Stream::on(&connection);
                self.pool.share(&self.origin, &connection);
                Held::Http2(stream)
            }
        };
        Lease::new(&self.pool, &self.origin, held, false)
    }
}
