//! Why the store did not do something, in words that a guest may read.

use crate::limits::Size;

/// The cases are those that a caller can tell apart; an operator finds more in the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("no grant names this bucket")]
    NoSuchBucket,
    #[error("{0}")]
    TooLarge(String),
    #[error("{0}")]
    Quota(String),
    #[error("the value is no whole number in decimal digits, or would become too large for one")]
    NotANumber,
    /// Whether a write was done is not known.
    #[error("{0}")]
    Unavailable(&'static str),
}

impl StoreError {
    /// Of values that are larger together than `state_batch`.
    pub(super) fn values_too_large(most: usize) -> Self {
        let most = Size::bytes(most as u64);
        StoreError::TooLarge(format!("the values are larger than `state_batch` allows ({most})"))
    }

    /// What a counter calls it.
    pub fn outcome(&self) -> &'static str {
        match self {
            StoreError::NoSuchBucket => "no_such_bucket",
            StoreError::TooLarge(_) => "too_large",
            StoreError::Quota(_) => "quota",
            StoreError::NotANumber => "not_a_number",
            StoreError::Unavailable(_) => "unavailable",
        }
    }
}
