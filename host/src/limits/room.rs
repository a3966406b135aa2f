//! Room for so many of something, whose number may change while it is in use.

use super::{LiveLimits, ServerLimits};
use parking_lot::{Mutex, MutexGuard};
use std::future::pending;
use std::sync::Arc;
use tokio::sync::{Semaphore, TryAcquireError};

/// Room for so many. Clones share it.
#[derive(Clone, Debug)]
pub struct Room(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    free: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// More are taken than there is room for now: so many are not given back.
    surplus: usize,
}

/// One of them; lives as long as what takes the room.
#[derive(Debug)]
pub struct Place(Arc<Inner>);

impl Room {
    pub fn new(limit: u64) -> Self {
        let limit = count(limit);
        let state = Mutex::new(State { limit, surplus: 0 });
        Room(Arc::new(Inner { free: Semaphore::new(limit), state }))
    }

    /// As much as a limit of the server says at each moment.
    pub fn of(limits: &LiveLimits, limit: fn(&ServerLimits) -> u64) -> Self {
        let room = Room::new(limit(&limits.now()));
        let follower = room.clone();
        limits.follow(move |now| follower.resize(limit(now)));
        room
    }

    /// A place, if one is free and nobody waits for it.
    pub fn try_take(&self) -> Option<Place> {
        match self.0.free.try_acquire() {
            Ok(permit) => {
                permit.forget();
                Some(Place(self.0.clone()))
            }
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => None,
        }
    }

    /// Waits for a place: first come, first served.
    pub async fn take(&self) -> Place {
        match self.0.free.acquire().await {
            Ok(permit) => {
                permit.forget();
                Place(self.0.clone())
            }
            // Never: nobody closes the semaphore.
            Err(_closed) => pending().await,
        }
    }

    pub fn is_full(&self) -> bool {
        self.0.free.available_permits() == 0
    }

    pub fn limit(&self) -> usize {
        self.0.lock().limit
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        let state = self.0.lock();
        state.limit + state.surplus - self.0.free.available_permits()
    }

    /// Waits until no place is taken, if the room keeps its size.
    pub async fn emptied(&self) {
        let all = u32::try_from(self.limit()).unwrap_or(u32::MAX);
        let _all = self.0.free.acquire_many(all).await;
    }

    /// Whoever has a place keeps it, also if there is less room than that now.
    fn resize(&self, limit: u64) {
        let limit = count(limit);
        let mut state = self.0.lock();
        let (more, less) = (limit.saturating_sub(state.limit), state.limit.saturating_sub(limit));
        let kept = more.min(state.surplus);
        state.surplus -= kept;
        self.0.free.add_permits(more - kept);
        state.surplus += less - self.0.free.forget_permits(less);
        state.limit = limit;
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        match state.surplus.checked_sub(1) {
            Some(left) => state.surplus = left,
            None => self.0.free.add_permits(1),
        }
    }
}

fn count(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_smaller_room_is_left_before_it_is_entered() {
        let room = Room::new(3);
        let mut held: Vec<Place> = (0..3).map(|_| room.try_take().unwrap()).collect();
        assert!(room.try_take().is_none());
        room.resize(1);
        assert_eq!((room.limit(), room.taken()), (1, 3));
        held.truncate(1);
        assert!(room.try_take().is_none() && room.is_full());
        held.clear();
        assert_eq!(room.taken(), 0);
        held.push(room.try_take().unwrap());
        assert!(room.try_take().is_none());
    }

    #[test]
    fn a_larger_room_lets_in_who_waits_in_turn() {
        let room = Room::new(1);
        let held = room.try_take().unwrap();
        let mut first = Box::pin(room.take());
        let mut second = Box::pin(room.take());
        assert!(first.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        room.resize(2);
        assert!(second.as_mut().now_or_never().is_none());
        let first = first.now_or_never().unwrap();
        assert_eq!(room.taken(), 2);
        drop(held);
        drop((first, second.now_or_never().unwrap()));
        assert_eq!(room.taken(), 0);
    }

    /// However often it changes meanwhile, in the end there is room for as many as the
    /// limit says.
    #[test]
    fn no_place_is_lost_or_made() {
        let room = Room::new(4);
        let mut held: Vec<Place> = (0..4).map(|_| room.try_take().unwrap()).collect();
        for limit in [1, 3, 0, 2, 6, 5, 2] {
            room.resize(limit);
            held.pop();
            assert_eq!(room.taken(), held.len(), "{limit}");
        }
        assert!(room.emptied().now_or_never().is_some());
        let all: Vec<Place> = std::iter::from_fn(|| room.try_take()).collect();
        assert_eq!(all.len(), 2);
        assert!(room.emptied().now_or_never().is_none());
    }
}
