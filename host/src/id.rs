//! Newtypes for the identities that appear in logs, metrics and headers.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The name of a handler, as written in `squall.toml`.
///
/// Cheap to clone. Names are checked by the config: letters, digits, `-`, `_`
/// and `.`, at most 64 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandlerName(Arc<str>);

impl HandlerName {
    pub fn new(name: &str) -> Self {
        HandlerName(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HandlerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The host that a request is for, as routes know it: in lower case, without port and
/// without the dot of an absolute name. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(Arc<str>);

impl HostName {
    pub fn new(name: &str) -> Self {
        HostName(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One loaded, checked, compiled version of a handler; numbered from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GenerationNumber(pub u64);

impl fmt::Display for GenerationNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which data a component understands, as its author counts; 0 where nobody counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaNumber(pub u32);

impl fmt::Display for SchemaNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identifies one request within this process and, with overwhelming
/// likelihood, among all processes: 16 hexadecimal digits, of which the first
/// six are drawn at start and the last ten count requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(u64);

impl RequestId {
    /// The number of requests that the counting part can tell apart: 2^40, or
    /// 127 days at 100,000 requests a second.
    const COUNTER_BITS: u32 = 40;

    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let count = NEXT.fetch_add(1, Ordering::Relaxed) & ((1 << Self::COUNTER_BITS) - 1);
        RequestId(process_prefix() << Self::COUNTER_BITS | count)
    }

    pub fn number(self) -> u64 {
        self.0
    }

    /// The 16 lower case hexadecimal digits of this id.
    pub fn digits(self) -> [u8; 16] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 16];
        for (i, digit) in digits.iter_mut().enumerate() {
            *digit = HEX[(self.0 >> (60 - 4 * i) & 0xf) as usize];
        }
        digits
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// 24 bits that differ between processes. Not a secret: the standard library's
/// hasher keys are random enough to tell two logs apart.
fn process_prefix() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::OnceLock;
    static PREFIX: OnceLock<u64> = OnceLock::new();
    *PREFIX
        .get_or_init(|| RandomState::new().hash_one(std::process::id()) >> RequestId::COUNTER_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_differ_and_print_as_their_digits() {
        let (a, b) = (RequestId::next(), RequestId::next());
        assert_ne!(a, b);
        assert_eq!(a.to_string().as_bytes(), a.digits());
        assert_eq!(a.to_string()[..6], b.to_string()[..6]);
    }
}
