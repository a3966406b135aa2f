//! Why the store did not do something.

use http::StatusCode;
use std::fmt;

/// The store did not do what it was asked. With `?` it becomes an
/// [`Error`](crate::Error) with a status that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateError {
    /// No grant names the bucket of this name. A 500, and the log says what to do.
    NoSuchBucket(String),
    /// A key, a value, or several at once are larger than the handler's limits. A 413.
    TooLarge(String),
    /// The handler would keep more than it may. A 507.
    Quota(String),
    /// The value is no number in decimal digits, or would be too large for one. A 500.
    NotANumber,
    /// The value of this key is not of the type that it was read as, or cannot be written
    /// as JSON. A 500.
    Malformed {
        /// The key of the value.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Others have changed the value of this key again and again. A 503.
    Contended(String),
    /// The store cannot do it now: the disk is full, or a server does not answer. A write
    /// may have been done. A 503.
    Unavailable(String),
    /// The world that the component was built for has no such function. A 500.
    Unsupported(&'static str),
}

impl StateError {
    pub(super) fn malformed(key: &str, error: &serde_json::Error) -> Self {
        Self::Malformed { key: key.to_owned(), reason: error.to_string() }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Quota(_) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Contended(_) | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoSuchBucket(_)
            | Self::NotANumber
            | Self::Malformed { .. }
            | Self::Unsupported(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A client learns what it can do about it, and nothing of how things are kept.
    pub(crate) fn outside(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "this is more than can be kept in one piece",
            Self::Quota(_) => "there is no room for this",
            Self::Contended(_) => "others are changing the same at this moment, try again",
            Self::Unavailable(_) => "this cannot be looked up or kept now, try again later",
            Self::NoSuchBucket(_)
            | Self::NotANumber
            | Self::Malformed { .. }
            | Self::Unsupported(_) => "",
        }
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchBucket(name) => write!(
                f,
                "no grant names the bucket `{name}`; to grant it, add it to the handler in squall.toml: `key_value = [\"{name}\"]`"
            ),
            Self::TooLarge(reason) | Self::Quota(reason) | Self::Unavailable(reason) => {
                f.write_str(reason)
            }
            Self::NotANumber => f.write_str(
                "the value is no whole number in decimal digits, or would become too large for one",
            ),
            Self::Malformed { key, reason } => write!(f, "the JSON of the key `{key}`: {reason}"),
            Self::Contended(key) => {
                write!(f, "others have changed the key `{key}` again and again")
            }
            Self::Unsupported(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for StateError {}
