//! Values by key, from `squall:web/key-value`.

use super::bindings::squall::web::key_value::{self, Error};
use crate::state::{Page, StateError, Swapped};

pub(crate) async fn get(bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StateError> {
    key_value::get(bucket.to_owned(), key.to_owned()).await.map_err(fault(bucket))
}

pub(crate) async fn get_many(
    bucket: &str,
    keys: Vec<String>,
) -> Result<Vec<Option<Vec<u8>>>, StateError> {
    key_value::get_many(bucket.to_owned(), keys).await.map_err(fault(bucket))
}

pub(crate) async fn exists(bucket: &str, key: &str) -> Result<bool, StateError> {
    key_value::exists(bucket.to_owned(), key.to_owned()).await.map_err(fault(bucket))
}

pub(crate) async fn list_keys(
    bucket: &str,
    prefix: &str,
    cursor: Option<&str>,
) -> Result<Page, StateError> {
    let cursor = cursor.map(str::to_owned);
    let page = key_value::list_keys(bucket.to_owned(), prefix.to_owned(), cursor).await;
    page.map(|page| Page { keys: page.keys, next: page.next }).map_err(fault(bucket))
}

pub(crate) async fn set(bucket: &str, key: &str, value: Vec<u8>) -> Result<(), StateError> {
    key_value::set(bucket.to_owned(), key.to_owned(), value).await.map_err(fault(bucket))
}

pub(crate) async fn set_many(
    bucket: &str,
    values: Vec<(String, Vec<u8>)>,
) -> Result<(), StateError> {
    key_value::set_many(bucket.to_owned(), values).await.map_err(fault(bucket))
}

pub(crate) async fn delete(bucket: &str, key: &str) -> Result<(), StateError> {
    key_value::delete(bucket.to_owned(), key.to_owned()).await.map_err(fault(bucket))
}

pub(crate) async fn delete_many(bucket: &str, keys: Vec<String>) -> Result<(), StateError> {
    key_value::delete_many(bucket.to_owned(), keys).await.map_err(fault(bucket))
}

pub(crate) async fn increment(bucket: &str, key: &str, delta: i64) -> Result<i64, StateError> {
    key_value::increment(bucket.to_owned(), key.to_owned(), delta).await.map_err(fault(bucket))
}

pub(crate) async fn compare_and_swap(
    bucket: &str,
    key: &str,
    expected: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
) -> Result<Swapped, StateError> {
    let key = key.to_owned();
    let swapped = key_value::compare_and_swap(bucket.to_owned(), key, expected, value).await;
    swapped.map_err(fault(bucket)).map(|swapped| match swapped {
        key_value::Swapped::Done => Swapped::Done,
        key_value::Swapped::Differed(value) => Swapped::Differed(value.map(Into::into)),
    })
}

fn fault(bucket: &str) -> impl FnOnce(Error) -> StateError {
    |error| match error {
        Error::NoSuchBucket => StateError::NoSuchBucket(bucket.to_owned()),
        Error::TooLarge(reason) => StateError::TooLarge(reason),
        Error::Quota(reason) => StateError::Quota(reason),
        Error::NotANumber => StateError::NotANumber,
        Error::Unavailable(reason) => StateError::Unavailable(reason),
    }
}
