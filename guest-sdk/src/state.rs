//! What this handler keeps for longer than an instance lives: values by key.
//!
//! The operator grants buckets by name (`key_value = ["default"]` in `squall.toml`), and
//! what is in them is this handler's alone. It survives swaps and restarts, and a write
//! that has returned is as durable as the operator has chosen.
//!
//! ```
//! use squall_sdk::state::Bucket;
//! use squall_sdk::{Result, handler};
//!
//! const COUNTERS: Bucket = Bucket::named("default");
//!
//! #[handler]
//! async fn visits() -> Result<String> {
//!     let visits = COUNTERS.increment("visits", 1).await?;
//!     Ok(format!("You are visitor {visits}\n"))
//! }
//! # assert_eq!(futures_executor::block_on(visits()).unwrap(), "You are visitor 1\n");
//! ```
//!
//! Requests of other instances use the same buckets at the same time. What is read and
//! then written depending on it belongs into [`Bucket::update_json`] or
//! [`Bucket::compare_and_swap`], which notice if somebody was quicker.
//!
//! Waiting for the store suspends one request and not its neighbours in the instance. With
//! the feature `wasi-http` they wait too: `wasi:keyvalue` has no functions that suspend.
//! Nor has it all of these; where one does less, its documentation says so.
//!
//! # Tests
//!
//! Outside of a component there are buckets in memory, of every name and without limits.
//! They are those of the thread, and empty when it starts: `cargo test` gives each test a
//! thread of its own.
//!
//! # Schema
//!
//! A new version of a handler finds what the old one has kept. If it would not understand
//! that, it says so by another number, see [`schema!`](crate::schema).

mod error;
mod keys;
#[cfg(test)]
mod tests;

pub use error::StateError;
pub use keys::{Keys, Page};

use crate::rt::state;
use crate::{Error, Result};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// Values by key, under the name that a grant has. It is only the name: making one costs
/// nothing, and whether it is granted shows when it is used.
///
/// Keys are text and values bytes. How large they may be, and how much there may be of
/// them, is a matter of the handler's limits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bucket {
    name: Cow<'static, str>,
}

/// What a conditional write came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swapped {
    /// It was written.
    Done,
    /// It was not, because the value was this.
    Differed(Option<Bytes>),
}

/// How often a change is tried anew because somebody else was quicker. Of those who want
/// to change one value at the same time one gets through in each round, and an instance
/// has 128 requests at a time unless the operator says otherwise.
const ROUNDS: usize = 128;

impl Bucket {
    /// The bucket of this name.
    pub const fn named(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value of a key, if it has one.
    ///
    /// # Errors
    /// If the store does not tell: each function here can fail with a [`StateError`].
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, StateError> {
        Ok(state::get(&self.name, key).await?.map(Bytes::from))
    }

    /// The value of a key, from the JSON that [`set_json`](Self::set_json) has written.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use squall_sdk::state::Bucket;
    /// use squall_sdk::{Error, Json, Path, Result, handler};
    ///
    /// #[derive(Deserialize, Serialize)]
    /// struct Story { title: String }
    ///
    /// #[handler]
    /// async fn story(Path(id): Path<String>) -> Result<Json<Story>> {
    ///     let story = Bucket::named("stories").get_json(&id).await?;
    ///     story.map(Json).ok_or_else(|| Error::not_found("there is no such story"))
    /// }
    /// ```
    ///
    /// # Errors
    /// Also if the value is not a `T`.
    pub async fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StateError> {
        from_json(key, self.get(key).await?.as_deref())
    }

    /// The values of several keys, in the same order.
    ///
    /// They are of one moment; with `wasi-http` that is so on Squall.
    ///
    /// # Errors
    /// See [`get`](Self::get).
    pub async fn get_many<K: Into<String>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<Bytes>>, StateError> {
        let keys = keys.into_iter().map(Into::into).collect();
        let values = state::get_many(&self.name, keys).await?;
        Ok(values.into_iter().map(|value| value.map(Bytes::from)).collect())
    }

    /// Whether the key has a value.
    ///
    /// # Errors
    /// See [`get`](Self::get).
    pub async fn exists(&self, key: &str) -> Result<bool, StateError> {
        state::exists(&self.name, key).await
    }

    /// Writes a value.
    ///
    /// # Errors
    /// If it is too large, or there is no room for it; then nothing is changed. If the
    /// store is [unavailable](StateError::Unavailable) it may have been written.
    pub async fn set(&self, key: &str, value: impl Into<Vec<u8>>) -> Result<(), StateError> {
        state::set(&self.name, key, value.into()).await
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    /// See [`set`](Self::set). Also if the value has no form as JSON.
    pub async fn set_json<T: Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
    ) -> Result<(), StateError> {
        self.set(key, to_json(key, value)?).await
    }

    /// Writes several values, all or none; with `wasi-http` that is so on Squall.
    ///
    /// # Errors
    /// See [`set`](Self::set).
    pub async fn set_many<K: Into<String>, V: Into<Vec<u8>>>(
        &self,
        values: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), StateError> {
        let values = values.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        state::set_many(&self.name, values).await
    }

    /// Removes a value, if there is one.
    ///
    /// # Errors
    /// See [`set`](Self::set).
    pub async fn delete(&self, key: &str) -> Result<(), StateError> {
        state::delete(&self.name, key).await
    }

    /// Removes several values, all or none; with `wasi-http` that is so on Squall.
    ///
    /// # Errors
    /// See [`set`](Self::set).
    pub async fn delete_many<K: Into<String>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<(), StateError> {
        let keys = keys.into_iter().map(Into::into).collect();
        state::delete_many(&self.name, keys).await
    }

    /// Adds to a number, which is 0 if there is none, and tells what it then is. It is
    /// kept as decimal digits.
    ///
    /// # Errors
    /// See [`set`](Self::set). Also if the value is no number, or would be none of 64 bits.
    pub async fn increment(&self, key: &str, delta: i64) -> Result<i64, StateError> {
        state::increment(&self.name, key, delta).await
    }

    /// Writes a value, or with `None` removes it, if the present one is as expected: these
    /// bytes, or with `None` no value.
    ///
    /// `wasi:keyvalue` cannot remove a value on a condition: with `wasi-http` that is
    /// [`StateError::Unsupported`].
    ///
    /// ```
    /// use squall_sdk::state::{Bucket, Swapped};
    /// use squall_sdk::{Error, Result, StatusCode, handler};
    ///
    /// /// Takes a name that nobody else has.
    /// #[handler]
    /// async fn register(name: String) -> Result<StatusCode> {
    ///     let names = Bucket::named("names");
    ///     match names.compare_and_swap(&name, None, Some("taken".into())).await? {
    ///         Swapped::Done => Ok(StatusCode::CREATED),
    ///         Swapped::Differed(_) => Err(Error::conflict("somebody has this name")),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`set`](Self::set). That the value differs is none.
    pub async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Option<Vec<u8>>,
    ) -> Result<Swapped, StateError> {
        state::compare_and_swap(&self.name, key, expected.map(<[u8]>::to_vec), value).await
    }

    /// Changes a value that is kept as JSON, and returns the new one. If somebody else
    /// changes it meanwhile, `change` is asked again with theirs, so it may run several
    /// times. An error of `change` leaves everything as it is.
    ///
    /// ```
    /// use squall_sdk::state::Bucket;
    /// use squall_sdk::{Json, Result, handler};
    ///
    /// /// Adds a word to a list.
    /// #[handler]
    /// async fn remember(word: String) -> Result<Json<Vec<String>>> {
    ///     let change = |words: Option<Vec<String>>| {
    ///         let mut words = words.unwrap_or_default();
    ///         words.push(word.clone());
    ///         Ok(words)
    ///     };
    ///     Ok(Json(Bucket::named("default").update_json("words", change).await?))
    /// }
    /// ```
    ///
    /// # Errors
    /// What `change` answers, and a [`StateError`] made into an [`Error`]: also if others
    /// are always quicker.
    pub async fn update_json<T: Serialize + DeserializeOwned>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<T>) -> Result<T>,
    ) -> Result<T> {
        let mut present = self.get(key).await?;
        for _ in 0..ROUNDS {
            let next = change(from_json(key, present.as_deref())?)?;
            let value = to_json(key, &next)?;
            match self.compare_and_swap(key, present.as_deref(), Some(value)).await? {
                Swapped::Done => return Ok(next),
                Swapped::Differed(value) => present = value,
            }
        }
        Err(Error::from(StateError::Contended(key.to_owned())))
    }

    /// A page of the keys that begin with `prefix`: the first one, or with
    /// [`next`](Page::next) of another page the one after it. How many keys it has at most
    /// is a limit of the handler.
    ///
    /// `wasi:keyvalue` cannot look for a prefix: with `wasi-http` all keys are passed over,
    /// a page may be empty before the last, and the order is that of the host, on Squall
    /// the same.
    ///
    /// # Errors
    /// See [`get`](Self::get).
    pub async fn list_keys(&self, prefix: &str, cursor: Option<&str>) -> Result<Page, StateError> {
        state::list_keys(&self.name, prefix, cursor).await
    }

    /// The keys that begin with `prefix`, in ascending order of their bytes, page by page
    /// as they are asked for. See [`list_keys`](Self::list_keys).
    ///
    /// ```
    /// use squall_sdk::state::Bucket;
    /// use squall_sdk::{Result, handler};
    ///
    /// #[handler]
    /// async fn stories() -> Result<String> {
    ///     let mut keys = Bucket::named("default").keys("story:");
    ///     let mut list = String::new();
    ///     while let Some(key) = keys.next_key().await? {
    ///         list += &key;
    ///     }
    ///     Ok(list)
    /// }
    /// ```
    pub fn keys(&self, prefix: impl Into<String>) -> Keys {
        Keys::new(self.clone(), prefix.into())
    }
}

/// A name that is known only when the handler runs.
impl From<String> for Bucket {
    fn from(name: String) -> Self {
        Self { name: name.into() }
    }
}

fn from_json<T: DeserializeOwned>(
    key: &str,
    value: Option<&[u8]>,
) -> Result<Option<T>, StateError> {
    value
        .map(serde_json::from_slice)
        .transpose()
        .map_err(|error| StateError::malformed(key, &error))
}

fn to_json<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Vec<u8>, StateError> {
    serde_json::to_vec(value).map_err(|error| StateError::malformed(key, &error))
}
