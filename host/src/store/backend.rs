//! What keeps the values. Sizes, times and counts are looked after above this; quotas
//! here, because they must change with what they count.

use super::error::StoreError;
use super::view::{Usage, View};
use crate::id::{HandlerName, SchemaNumber};
use futures_util::future::BoxFuture;
use std::fmt::Debug;

pub(super) type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// What a conditional write came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped {
    Done,
    /// It was not done, because the value was this.
    Differed(Option<Vec<u8>>),
}

/// Each call is done whole or not at all, and sees all that was answered before it. One
/// that is given up may still be done.
pub(super) trait Backend: Debug + Send + Sync {
    /// The values of these keys at one moment; refused where they are larger together
    /// than `most`.
    fn get_many<'a>(
        &'a self,
        view: &'a View,
        keys: Vec<String>,
        most: usize,
    ) -> Answer<'a, Vec<Option<Vec<u8>>>>;

    fn exists<'a>(&'a self, view: &'a View, key: String) -> Answer<'a, bool>;

    /// Up to `most` of the keys that begin with `prefix` and come after `after`, in the
    /// order of their bytes.
    fn list<'a>(
        &'a self,
        view: &'a View,
        prefix: String,
        after: Option<String>,
        most: usize,
    ) -> Answer<'a, Vec<String>>;

    /// Of two values for one key the last counts.
    fn set_many<'a>(&'a self, view: &'a View, values: Vec<(String, Vec<u8>)>) -> Answer<'a, ()>;

    fn delete_many<'a>(&'a self, view: &'a View, keys: Vec<String>) -> Answer<'a, ()>;

    fn increment<'a>(&'a self, view: &'a View, key: String, delta: i64) -> Answer<'a, i64>;

    fn compare_and_swap<'a>(
        &'a self,
        view: &'a View,
        key: String,
        expected: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
    ) -> Answer<'a, Swapped>;

    fn usage<'a>(&'a self, handler: &'a HandlerName) -> Answer<'a, Usage>;

    fn schema<'a>(&'a self, handler: &'a HandlerName) -> Answer<'a, Option<SchemaNumber>>;

    fn set_schema<'a>(&'a self, handler: &'a HandlerName, schema: SchemaNumber) -> Answer<'a, ()>;

    fn close(&self) -> BoxFuture<'_, ()>;
}
