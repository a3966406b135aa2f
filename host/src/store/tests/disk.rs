//! A disk in memory, that can be full, stand still, or lose what was not flushed.

use parking_lot::{Condvar, Mutex};
use redb::{BackendError, StorageBackend};
use std::io::{Error, ErrorKind};
use std::ops::Bound;
use std::sync::Arc;

/// Clones are one disk.
#[derive(Clone, Debug, Default)]
pub(in crate::store) struct Disk(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What a process sees that goes on.
    now: Vec<u8>,
    /// What is there after a crash, at least.
    flushed: Vec<u8>,
    /// What may be there too: since the last flush, in any order.
    unflushed: Vec<Change>,
    room: Room,
    stands_still: bool,
    is_locked: bool,
}

/// What can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Room {
    #[default]
    Plenty,
    /// Only where something is.
    NoMore,
    /// Nothing: of a file with holes nobody knows where it has room.
    None,
    /// Whoever tries finds a bug.
    Panic,
}

#[derive(Clone, Debug)]
enum Change {
    Length(u64),
    Bytes(u64, Vec<u8>),
}

impl Disk {
    pub(in crate::store) fn file(&self) -> impl StorageBackend {
        File(self.clone())
    }

    pub(super) fn set_room(&self, room: Room) {
        self.0.state.lock().room = room;
    }

    pub(super) fn stand_still(&self, stands_still: bool) {
        self.0.state.lock().stands_still = stands_still;
        self.0.moved.notify_all();
    }

    /// The disk after a crash at this moment: of the changes since the last flush those
    /// are on it that `survives` picks.
    pub(super) fn after_crash(&self, mut survives: impl FnMut() -> bool) -> Disk {
        let state = self.0.state.lock();
        let mut image = state.flushed.clone();
        for change in state.unflushed.iter().filter(|_| survives()) {
            change.apply(&mut image);
        }
        drop(state);
        let disk = Disk::default();
        disk.0.state.lock().now.clone_from(&image);
        disk.0.state.lock().flushed = image;
        disk
    }

    fn change(&self, change: Change) -> Result<(), Error> {
        let mut state = self.0.state.lock();
        let end = match &change {
            Change::Length(length) => *length,
            Change::Bytes(offset, bytes) => offset + bytes.len() as u64,
        };
        let fits = match state.room {
            Room::Plenty => true,
            Room::NoMore => end <= state.now.len() as u64,
            Room::None => false,
            Room::Panic => panic!("a write that panics"),
        };
        if !fits {
            return Err(ErrorKind::StorageFull.into());
        }
        change.apply(&mut state.now);
        state.unflushed.push(change);
        Ok(())
    }
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Change::Length(length) => image.resize(*length as usize, 0),
            Change::Bytes(offset, bytes) => {
                let (begin, end) = (*offset as usize, *offset as usize + bytes.len());
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[begin..end].copy_from_slice(bytes);
            }
        }
    }
}

#[derive(Debug)]
struct File(Disk);

impl StorageBackend for File {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.0.0.state.lock().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let state = self.0.0.state.lock();
        let begin = offset as usize;
        let bytes = state.now.get(begin..begin + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        self.0.change(Change::Length(len))
    }

    fn sync_data(&self) -> Result<(), Error> {
        let mut state = self.0.0.state.lock();
        while state.stands_still {
            self.0.0.moved.wait(&mut state);
        }
        let State { now, flushed, unflushed, .. } = &mut *state;
        flushed.clone_from(now);
        unflushed.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.0.change(Change::Bytes(offset, data.to_vec()))
    }

    fn close(&self) -> Result<(), Error> {
        self.0.0.state.lock().is_locked = false;
        Ok(())
    }

    fn try_lock_range(&self, begin: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        if (begin, end) != (Bound::Unbounded, Bound::Unbounded) {
            return Err(BackendError::Unsupported);
        }
        let was_locked = std::mem::replace(&mut self.0.0.state.lock().is_locked, true);
        Ok(!was_locked)
    }
}
