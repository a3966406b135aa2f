//! A bounded queue whose reader takes all that is there at once, a moment after the first
//! of it has come.
//!
//! Waking a thread costs more than a line is worth: measured on one core, a channel that
//! wakes its reader for each line halves the requests per second.

use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::Duration;

/// What the reader lets come together. It wakes 200 times a second at most, and nobody
/// who looks at the log sees the difference.
const TOGETHER: Duration = Duration::from_millis(5);

/// Cheap to clone. The reader ends after the last one is gone.
#[derive(Debug)]
pub(super) struct Sender<T>(Arc<Open<T>>);

#[derive(Debug)]
pub(super) struct Receiver<T>(Arc<Shared<T>>);

/// A queue with no room.
#[derive(Debug)]
pub(super) struct Full;

#[derive(Debug)]
struct Open<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    limit: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: Vec<T>,
    /// What the reader has taken and is not through with. It counts, so that a reader that
    /// is held up holds no more than the queue's limit.
    taken: usize,
    reader: Reader,
    closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// It waits for something to come.
    Idle,
    /// It comes by itself.
    Busy,
}

pub(super) fn queue<T>(limit: usize) -> (Sender<T>, Receiver<T>) {
    let state = State { waiting: Vec::new(), taken: 0, reader: Reader::Busy, closed: false };
    let shared = Arc::new(Shared { limit, state: Mutex::new(state), changed: Condvar::new() });
    (Sender(Arc::new(Open(shared.clone()))), Receiver(shared))
}

impl<T> Sender<T> {
    pub(super) fn try_send(&self, item: T) -> Result<(), Full> {
        let shared = &self.0.0;
        let mut state = shared.state.lock();
        if state.waiting.len() + state.taken >= shared.limit {
            return Err(Full);
        }
        state.waiting.push(item);
        // Half full is early enough to be in time.
        let wakes = state.reader == Reader::Idle || state.waiting.len() == shared.half();
        state.reader = Reader::Busy;
        drop(state);
        if wakes {
            shared.changed.notify_one();
        }
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender(self.0.clone())
    }
}

impl<T> Drop for Open<T> {
    fn drop(&mut self) {
        self.0.state.lock().closed = true;
        self.0.changed.notify_one();
    }
}

impl<T> Receiver<T> {
    /// Waits for something to come and puts it into `items`, which is empty: by calling this
    /// again the reader says that it is through. False after the last of it.
    pub(super) fn receive(&self, items: &mut Vec<T>) -> bool {
        let shared = &self.0;
        let mut state = shared.state.lock();
        state.taken = 0;
        while state.waiting.is_empty() {
            if state.closed {
                return false;
            }
            state.reader = Reader::Idle;
            shared.changed.wait(&mut state);
        }
        state.reader = Reader::Busy;
        if !state.closed && state.waiting.len() < shared.half() {
            shared.changed.wait_for(&mut state, TOGETHER);
        }
        std::mem::swap(&mut state.waiting, items);
        state.taken = items.len();
        true
    }
}

impl<T> Shared<T> {
    fn half(&self) -> usize {
        self.limit.div_ceil(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn all_that_is_sent_comes_in_its_order_and_then_the_end() {
        let (sender, receiver) = queue(1_000_000);
        let other = sender.clone();
        let sending = thread::spawn(move || {
            for i in 0..20_000 {
                sender.try_send(i).unwrap();
                if i % 5_000 == 0 {
                    thread::sleep(TOGETHER);
                }
            }
        });
        drop(other);
        let (mut all, mut some) = (Vec::new(), Vec::new());
        while receiver.receive(&mut some) {
            all.append(&mut some);
        }
        sending.join().unwrap();
        assert_eq!(all, (0..20_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_full_queue_has_room_again_once_its_reader_is_through() {
        let (sender, receiver) = queue(2);
        for i in 0..2 {
            sender.try_send(i).unwrap();
        }
        assert!(sender.try_send(2).is_err());
        let mut items = Vec::new();
        assert!(receiver.receive(&mut items));
        assert_eq!(items, [0, 1]);
        assert!(sender.try_send(2).is_err(), "the reader has them still");
        let reading = thread::spawn(move || {
            items.clear();
            assert!(receiver.receive(&mut items));
            items
        });
        while sender.try_send(3).is_err() {
            thread::yield_now();
        }
        assert_eq!(reading.join().unwrap(), [3]);
    }
}
