//! Signatures of handlers, with keys that no handler sees: HMAC-SHA256 (RFC 2104).

use ring::hmac;
use std::fmt;

/// A handler's keys: the newest signs, and all are valid, so that a key can be replaced
/// without what it has signed becoming void.
#[derive(Clone, Default)]
pub struct SigningKeys(Vec<hmac::Key>);

/// The least that a key may have, in bytes: as many as a signature.
pub const LEAST_KEY: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a signing key has at least {LEAST_KEY} bytes, and this one has {0}; make one with `openssl rand -hex 32`"
)]
pub struct TooShort(usize);

impl SigningKeys {
    /// Adds a key that is older than those before it.
    pub fn push(&mut self, secret: &[u8]) -> Result<(), TooShort> {
        if secret.len() < LEAST_KEY {
            return Err(TooShort(secret.len()));
        }
        self.0.push(hmac::Key::new(hmac::HMAC_SHA256, secret));
        Ok(())
    }

    /// 32 bytes; none if there is no key.
    pub fn sign(&self, purpose: &str, message: &[u8]) -> Option<Vec<u8>> {
        let key = self.0.first()?;
        Some(hmac::sign(key, &framed(purpose, message)).as_ref().to_vec())
    }

    /// Whether one of the keys made `signature`, found out in a time that does not tell
    /// how much of it is right; none if there is no key.
    pub fn verify(&self, purpose: &str, message: &[u8], signature: &[u8]) -> Option<bool> {
        if self.0.is_empty() {
            return None;
        }
        let framed = framed(purpose, message);
        Some(self.0.iter().any(|key| hmac::verify(key, &framed, signature).is_ok()))
    }
}

/// No two pairs of purpose and message are the same bytes.
fn framed(purpose: &str, message: &[u8]) -> Vec<u8> {
    let length = (purpose.len() as u64).to_be_bytes();
    [&length, purpose.as_bytes(), message].concat()
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secrets: &[&str]) -> SigningKeys {
        let mut keys = SigningKeys::default();
        for secret in secrets {
            keys.push(secret.repeat(8).as_bytes()).unwrap();
        }
        keys
    }

    #[test]
    fn what_is_signed_is_valid_for_its_purpose_only() {
        let keys = keys(&["abcd"]);
        let signature = keys.sign("a", b"bc").unwrap();
        assert_eq!(signature.len(), 32);
        assert_eq!(keys.verify("a", b"bc", &signature), Some(true));
        for (purpose, message) in [("ab", &b"c"[..]), ("", b"abc"), ("a", b"bd"), ("b", b"bc")] {
            assert_eq!(keys.verify(purpose, message, &signature), Some(false));
        }
        assert_eq!(keys.verify("a", b"bc", &signature[1..]), Some(false));
    }

    #[test]
    fn the_newest_key_signs_and_older_ones_are_valid() {
        let (old, both, new) = (keys(&["old!"]), keys(&["new!", "old!"]), keys(&["new!"]));
        let (by_old, by_both) = (old.sign("p", b"m").unwrap(), both.sign("p", b"m").unwrap());
        assert_eq!(both.verify("p", b"m", &by_old), Some(true));
        assert_eq!(new.verify("p", b"m", &by_both), Some(true));
        assert_eq!(new.verify("p", b"m", &by_old), Some(false));
    }

    #[test]
    fn without_a_key_nothing_is_signed_and_a_short_key_is_none() {
        let mut keys = SigningKeys::default();
        assert_eq!(keys.sign("p", b"m"), None);
        assert_eq!(keys.verify("p", b"m", b""), None);
        assert_eq!(keys.push(&[b'k'; 31]), Err(TooShort(31)));
        assert_eq!(format!("{keys:?}"), "0 keys");
    }
}
