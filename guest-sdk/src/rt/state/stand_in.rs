//! Buckets in memory, those of the thread.

use crate::state::{Page, StateError, Swapped};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

type Values = BTreeMap<String, Vec<u8>>;

thread_local! {
    static BUCKETS: RefCell<HashMap<String, Values>> = RefCell::default();
}

/// How many keys a page has: few, so that who forgets that there are more pages notices.
const PAGE: usize = 10;

pub(crate) async fn get(bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StateError> {
    Ok(with(bucket, |values| values.get(key).cloned()))
}

pub(crate) async fn get_many(
    bucket: &str,
    keys: Vec<String>,
) -> Result<Vec<Option<Vec<u8>>>, StateError> {
    Ok(with(bucket, |values| keys.iter().map(|key| values.get(key).cloned()).collect()))
}

pub(crate) async fn exists(bucket: &str, key: &str) -> Result<bool, StateError> {
    Ok(with(bucket, |values| values.contains_key(key)))
}

pub(crate) async fn list_keys(
    bucket: &str,
    prefix: &str,
    cursor: Option<&str>,
) -> Result<Page, StateError> {
    let after = |key: &&String| cursor.is_none_or(|cursor| key.as_str() > cursor);
    let found = |key: &&String| key.starts_with(prefix) && after(key);
    let asked = PAGE + 1;
    let mut keys: Vec<String> =
        with(bucket, |values| values.keys().filter(found).take(asked).cloned().collect());
    let has_more = keys.len() > PAGE;
    keys.truncate(PAGE);
    let next = keys.last().filter(|_| has_more).cloned();
    Ok(Page { keys, next })
}

pub(crate) async fn set(bucket: &str, key: &str, value: Vec<u8>) -> Result<(), StateError> {
    with(bucket, |values| values.insert(key.to_owned(), value));
    Ok(())
}

pub(crate) async fn set_many(
    bucket: &str,
    entries: Vec<(String, Vec<u8>)>,
) -> Result<(), StateError> {
    with(bucket, |values| values.extend(entries));
    Ok(())
}

pub(crate) async fn delete(bucket: &str, key: &str) -> Result<(), StateError> {
    with(bucket, |values| values.remove(key));
    Ok(())
}

pub(crate) async fn delete_many(bucket: &str, keys: Vec<String>) -> Result<(), StateError> {
    with(bucket, |values| values.retain(|key, _| !keys.contains(key)));
    Ok(())
}

pub(crate) async fn increment(bucket: &str, key: &str, delta: i64) -> Result<i64, StateError> {
    with(bucket, |values| {
        let number = number(values.get(key).map(Vec::as_slice))?;
        let number = number.checked_add(delta).ok_or(StateError::NotANumber)?;
        values.insert(key.to_owned(), number.to_string().into());
        Ok(number)
    })
}

pub(crate) async fn compare_and_swap(
    bucket: &str,
    key: &str,
    expected: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
) -> Result<Swapped, StateError> {
    Ok(with(bucket, |values| {
        let present = values.get(key);
        if present != expected.as_ref() {
            return Swapped::Differed(present.cloned().map(Into::into));
        }
        match value {
            Some(value) => values.insert(key.to_owned(), value),
            None => values.remove(key),
        };
        Swapped::Done
    }))
}

fn with<T>(bucket: &str, work: impl FnOnce(&mut Values) -> T) -> T {
    BUCKETS.with_borrow_mut(|buckets| work(buckets.entry(bucket.to_owned()).or_default()))
}

fn number(value: Option<&[u8]>) -> Result<i64, StateError> {
    let Some(value) = value else { return Ok(0) };
    let text = std::str::from_utf8(value).map_err(|_| StateError::NotANumber)?;
    text.parse().map_err(|_| StateError::NotANumber)
}
