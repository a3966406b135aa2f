//! What is one handler's own: whose it is, of which schema, in which bucket.

use super::error::StoreError;
use crate::id::{HandlerName, SchemaNumber};
use crate::limits::{HandlerLimits, Size};
use crate::meter::HandlerMeter;
use std::sync::Arc;

/// Whose data it is, how much of it there may be, and where that is counted.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) handler: HandlerName,
    pub(super) quota: Quota,
    pub(super) meter: Arc<HandlerMeter>,
}

/// How much a handler may keep, over all its buckets and schemas.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    pub(super) bytes: u64,
    pub(super) keys: u64,
}

/// How much a handler keeps: of each key its own bytes and those of its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) bytes: u64,
    pub(super) keys: u64,
}

/// The place of one bucket. What a guest calls a key is no part of it, so that no key
/// leads out of it.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) owner: Arc<Owner>,
    pub(super) schema: SchemaNumber,
    pub(super) bucket: Arc<str>,
}

impl View {
    /// Bytes that begin no other view's: each part has its length before it, or one
    /// length always.
    pub(super) fn prefix(&self) -> Vec<u8> {
        let (handler, bucket) = (self.owner.handler.as_str(), &*self.bucket);
        let mut prefix = Vec::with_capacity(6 + handler.len() + bucket.len());
        prefix.push(short(handler));
        prefix.extend_from_slice(handler.as_bytes());
        prefix.extend_from_slice(&self.schema.0.to_be_bytes());
        prefix.push(short(bucket));
        prefix.extend_from_slice(bucket.as_bytes());
        prefix
    }

    /// The prefix with a key behind it.
    pub(super) fn place(&self, key: &str) -> Vec<u8> {
        let mut place = self.prefix();
        place.extend_from_slice(key.as_bytes());
        place
    }
}

impl From<&HandlerLimits> for Quota {
    fn from(limits: &HandlerLimits) -> Self {
        Quota { bytes: limits.state_size.get(), keys: limits.state_keys }
    }
}

impl Quota {
    /// Whether a change to `after` may be. One that takes no more than there is may
    /// always: also of a handler whose quota is smaller now than what it keeps.
    pub(super) fn check(self, before: Usage, after: Usage) -> Result<(), StoreError> {
        if after.bytes > self.bytes && after.bytes > before.bytes {
            return Err(self.too_many_bytes(after));
        }
        if after.keys > self.keys && after.keys > before.keys {
            return Err(self.too_many_keys(after));
        }
        Ok(())
    }

    pub(super) fn too_many_bytes(self, Usage { bytes, .. }: Usage) -> StoreError {
        let most = Size::bytes(self.bytes);
        let text = format!("that makes {bytes} B, more than `state_size` allows ({most})");
        StoreError::Quota(text)
    }

    pub(super) fn too_many_keys(self, Usage { keys, .. }: Usage) -> StoreError {
        let most = self.keys;
        StoreError::Quota(format!("that makes {keys} keys, more than `state_keys` allows ({most})"))
    }
}

impl Usage {
    /// The same with one value written in the place of another.
    pub(super) fn with(self, key: &str, old: Option<usize>, new: Option<usize>) -> Self {
        let size = |value: Option<usize>| value.map_or(0, |value| (key.len() + value) as u64);
        Usage {
            bytes: self.bytes.saturating_sub(size(old)).saturating_add(size(new)),
            keys: self.keys - u64::from(old.is_some()).min(self.keys) + u64::from(new.is_some()),
        }
    }

    pub(super) fn show(self, meter: &HandlerMeter) {
        let count = |n| usize::try_from(n).unwrap_or(usize::MAX);
        meter.state_bytes.set(count(self.bytes));
        meter.state_keys.set(count(self.keys));
    }
}

/// The length of a name. The config lets none through that is longer than 64.
fn short(name: &str) -> u8 {
    u8::try_from(name.len()).expect("a name that the config has checked")
}
