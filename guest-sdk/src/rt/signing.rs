//! Signatures with keys that stay in the host (`interface signing` of `web.wit`).
//!
//! Outside of a component something stands in for them, so that handlers can be tested:
//! it tells a message from another, and keeps nothing secret.

/// The operator has given this handler no key.
#[derive(Debug)]
pub(crate) struct NoKey;

/// A signature of 32 bytes, by the newest key.
///
/// What was signed for one purpose is not valid for another.
pub(crate) fn sign(purpose: &str, message: &[u8]) -> Result<Vec<u8>, NoKey> {
    imp::sign(purpose, message)
}

/// Whether any of the keys has made the signature.
pub(crate) fn verify(purpose: &str, message: &[u8], signature: &[u8]) -> Result<bool, NoKey> {
    imp::verify(purpose, message, signature)
}

#[cfg(target_family = "wasm")]
mod imp {
    use super::super::world::bindings::squall::web::signing;
    use super::NoKey;

    pub(super) fn sign(purpose: &str, message: &[u8]) -> Result<Vec<u8>, NoKey> {
        signing::sign(purpose, message).map_err(|signing::Error::NoKey| NoKey)
    }

    pub(super) fn verify(purpose: &str, message: &[u8], signature: &[u8]) -> Result<bool, NoKey> {
        signing::verify(purpose, message, signature).map_err(|signing::Error::NoKey| NoKey)
    }
}

#[cfg(not(target_family = "wasm"))]
mod imp {
    use super::NoKey;
    use std::hash::{DefaultHasher, Hash, Hasher};

    pub(super) fn sign(purpose: &str, message: &[u8]) -> Result<Vec<u8>, NoKey> {
        let part = |n: u8| {
            let mut hasher = DefaultHasher::new();
            (n, purpose, message).hash(&mut hasher);
            hasher.finish().to_be_bytes()
        };
        Ok((0..4).flat_map(part).collect())
    }

    pub(super) fn verify(purpose: &str, message: &[u8], signature: &[u8]) -> Result<bool, NoKey> {
        sign(purpose, message).map(|made| made == signature)
    }
}
