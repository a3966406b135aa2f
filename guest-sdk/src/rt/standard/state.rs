//! Values by key, from `wasi:keyvalue@0.2.0-draft2`. Its functions do not suspend.

use super::bindings::wasi::keyvalue::atomics::{self, Cas, CasError};
use super::bindings::wasi::keyvalue::batch;
use super::bindings::wasi::keyvalue::store::{self, Bucket, Error};
use crate::state::{Page, StateError, Swapped};
use std::collections::BTreeMap;

pub(crate) async fn get(bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StateError> {
    open(bucket)?.get(key).map_err(fault(bucket))
}

/// The draft does not say in which order the values come.
pub(crate) async fn get_many(
    bucket: &str,
    keys: Vec<String>,
) -> Result<Vec<Option<Vec<u8>>>, StateError> {
    let found = batch::get_many(&open(bucket)?, &keys).map_err(fault(bucket))?;
    let found: BTreeMap<String, Option<Vec<u8>>> = found.into_iter().collect();
    Ok(keys.iter().map(|key| found.get(key).cloned().flatten()).collect())
}

pub(crate) async fn exists(bucket: &str, key: &str) -> Result<bool, StateError> {
    open(bucket)?.exists(key).map_err(fault(bucket))
}

pub(crate) async fn list_keys(
    bucket: &str,
    prefix: &str,
    cursor: Option<&str>,
) -> Result<Page, StateError> {
    let page = open(bucket)?.list_keys(cursor).map_err(fault(bucket))?;
    let keys = page.keys.into_iter().filter(|key| key.starts_with(prefix)).collect();
    Ok(Page { keys, next: page.cursor })
}

pub(crate) async fn set(bucket: &str, key: &str, value: Vec<u8>) -> Result<(), StateError> {
    open(bucket)?.set(key, &value).map_err(fault(bucket))
}

pub(crate) async fn set_many(
    bucket: &str,
    values: Vec<(String, Vec<u8>)>,
) -> Result<(), StateError> {
    batch::set_many(&open(bucket)?, &values).map_err(fault(bucket))
}

pub(crate) async fn delete(bucket: &str, key: &str) -> Result<(), StateError> {
    open(bucket)?.delete(key).map_err(fault(bucket))
}

pub(crate) async fn delete_many(bucket: &str, keys: Vec<String>) -> Result<(), StateError> {
    batch::delete_many(&open(bucket)?, &keys).map_err(fault(bucket))
}

pub(crate) async fn increment(bucket: &str, key: &str, delta: i64) -> Result<i64, StateError> {
    let opened = open(bucket)?;
    atomics::increment(&opened, key, delta).map_err(|error| {
        match (fault(bucket)(error), opened.get(key)) {
            // The draft has one case for both, so the value tells.
            (StateError::Unavailable(_), Ok(Some(value))) if !can_grow(&value, delta) => {
                StateError::NotANumber
            }
            (error, _) => error,
        }
    })
}

pub(crate) async fn compare_and_swap(
    bucket: &str,
    key: &str,
    expected: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
) -> Result<Swapped, StateError> {
    let Some(value) = value else {
        return Err(StateError::Unsupported(
            "`wasi:keyvalue` cannot remove a value on a condition; write one that means nothing, or build without the feature `wasi-http`",
        ));
    };
    let mut cas = Cas::new(&open(bucket)?, key).map_err(fault(bucket))?;
    loop {
        let present = cas.current().map_err(fault(bucket))?;
        if present != expected {
            return Ok(Swapped::Differed(present.map(Into::into)));
        }
        match atomics::swap(cas, &value) {
            Ok(()) => return Ok(Swapped::Done),
            Err(CasError::StoreError(error)) => return Err(fault(bucket)(error)),
            // Changed meanwhile, perhaps to what is expected.
            Err(CasError::CasFailed(again)) => cas = again,
        }
    }
}

fn open(bucket: &str) -> Result<Bucket, StateError> {
    store::open(bucket).map_err(fault(bucket))
}

/// The draft has one case for all that is no matter of grants. Squall's words for a limit
/// have its name in them (docs/reference.md, State).
fn fault(bucket: &str) -> impl FnOnce(Error) -> StateError {
    |error| match error {
        Error::NoSuchStore | Error::AccessDenied => StateError::NoSuchBucket(bucket.to_owned()),
        Error::Other(reason) if is_quota(&reason) => StateError::Quota(reason),
        Error::Other(reason) if reason.contains("`state_") => StateError::TooLarge(reason),
        Error::Other(reason) => StateError::Unavailable(reason),
    }
}

fn is_quota(reason: &str) -> bool {
    ["`state_size`", "`state_keys`"].iter().any(|limit| reason.contains(limit))
}

fn can_grow(number: &[u8], delta: i64) -> bool {
    let number = std::str::from_utf8(number).ok().and_then(|text| text.parse::<i64>().ok());
    number.is_some_and(|number| number.checked_add(delta).is_some())
}
