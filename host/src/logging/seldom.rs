//! Says the same thing seldom, so that nobody can fill the log by repetition.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Keys remembered at once; also what is said at most within one period.
const KEYS: usize = 64;

/// For each key, whether its time to speak has come.
#[derive(Debug)]
pub struct Seldom<K> {
    every: Duration,
    state: Mutex<State<K>>,
}

#[derive(Debug)]
struct State<K> {
    /// When it last spoke, and how often it was silent since.
    keys: HashMap<K, (Instant, u64)>,
    /// How often keys were silent that are not remembered.
    others: u64,
}

impl<K: Eq + Hash> Seldom<K> {
    pub fn new(every: Duration) -> Self {
        Seldom { every, state: Mutex::new(State { keys: HashMap::new(), others: 0 }) }
    }

    /// `None` means silence. Otherwise speak, and tell of how many silences there
    /// were: about this key, or about those that there was no room for.
    pub fn speak(&self, key: K) -> Option<u64> {
        self.speak_at(key, Instant::now())
    }

    fn speak_at(&self, key: K, now: Instant) -> Option<u64> {
        let State { keys, others } =
            &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |spoke: Instant| now.saturating_duration_since(spoke) < self.every;
        if let Some((spoke, silent)) = keys.get_mut(&key) {
            if is_recent(*spoke) {
                *silent += 1;
                return None;
            }
            *spoke = now;
            return Some(std::mem::take(silent));
        }
        if keys.len() >= KEYS {
            let old = keys.extract_if(|_, (spoke, _)| !is_recent(*spoke));
            *others += old.map(|(_, (_, silent))| silent).sum::<u64>();
        }
        if keys.len() >= KEYS {
            *others += 1;
            return None;
        }
        keys.insert(key, (now, 0));
        Some(std::mem::take(others))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn each_key_speaks_once_in_its_time_and_tells_what_was_left_out() {
        let (seldom, now) = (Seldom::new(MINUTE), Instant::now());
        let said = ["a", "a", "b", "a"].map(|key| seldom.speak_at(key, now));
        assert_eq!(said, [Some(0), None, Some(0), None]);
        assert_eq!(["a", "b"].map(|k| seldom.speak_at(k, now + MINUTE)), [Some(2), Some(0)]);
    }

    #[test]
    fn many_keys_are_not_remembered_but_counted() {
        let (seldom, now) = (Seldom::new(MINUTE), Instant::now());
        assert_eq!((0..1_000).filter(|k| seldom.speak_at(*k, now).is_some()).count(), KEYS);
        assert_eq!(seldom.speak_at(1_000, now + MINUTE), Some(1_000 - KEYS as u64));
    }
}
