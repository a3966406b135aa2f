//! Saying seldom what others can make happen often.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Between two lines about the same: a person who reads them learns nothing new from
/// more, and a metric counts all of them.
const PAUSE: Duration = Duration::from_secs(60);

/// Keys that are told apart. What a stranger can vary, such as a name, must not fill
/// the memory; whatever exceeds this number shares one pause.
const KEYS: usize = 64;

/// Lets one line a minute through for each key.
#[derive(Debug)]
pub struct Seldom<K>(Mutex<BTreeMap<Option<K>, Last>>);

#[derive(Debug)]
struct Last {
    spoke: Instant,
    left_out: u64,
}

impl<K: Ord> Seldom<K> {
    pub const fn new() -> Self {
        Seldom(Mutex::new(BTreeMap::new()))
    }

    /// Whether to speak of `key` now; then with how many lines about it were left out
    /// since the last one.
    pub fn speak(&self, key: K) -> Option<u64> {
        self.speak_at(key, Instant::now())
    }

    fn speak_at(&self, key: K, now: Instant) -> Option<u64> {
        let mut all = self.0.lock();
        let mut key = Some(key);
        if all.len() >= KEYS && !all.contains_key(&key) {
            all.retain(|_, last| now.duration_since(last.spoke) < PAUSE);
            if all.len() >= KEYS {
                key = None;
            }
        }
        let Some(last) = all.get_mut(&key) else {
            all.insert(key, Last { spoke: now, left_out: 0 });
            return Some(0);
        };
        if now.duration_since(last.spoke) < PAUSE {
            last.left_out += 1;
            return None;
        }
        last.spoke = now;
        Some(std::mem::take(&mut last.left_out))
    }
}

impl<K: Ord> Default for Seldom<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_a_line_a_minute() {
        let (seldom, start) = (Seldom::new(), Instant::now());
        let speak = |key, seconds| seldom.speak_at(key, start + Duration::from_secs(seconds));
        assert_eq!(speak("a", 0), Some(0));
        assert_eq!(speak("b", 1), Some(0));
        assert_eq!((speak("a", 2), speak("a", 59), speak("b", 60)), (None, None, None));
        assert_eq!((speak("a", 60), speak("b", 61)), (Some(2), Some(1)));
        assert_eq!(speak("a", 61), None);
        assert_eq!(speak("a", 120), Some(1));
    }

    #[test]
    fn only_so_many_keys_are_remembered() {
        let (seldom, start) = (Seldom::new(), Instant::now());
        let said = (0..10_000).filter(|key| seldom.speak_at(*key, start).is_some()).count();
        assert_eq!(said, KEYS + 1, "one more for all others together");
        assert_eq!(seldom.0.lock().len(), KEYS + 1);
        // Whoever is silent for long gives up its place.
        let later = start + PAUSE;
        assert_eq!(seldom.speak_at(10_000, later), Some(0));
        assert_eq!(seldom.0.lock().len(), 1);
    }
}
