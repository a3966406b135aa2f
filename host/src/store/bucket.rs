//! One bucket of one generation, within its limits: what a guest's calls come to.

use super::Store;
use super::backend::Swapped;
use super::error::StoreError;
use super::view::View;
use crate::limits::{HandlerLimits, Size};
use std::sync::Arc;
use tokio::time::timeout;

/// Cheap to clone. Each call ends within `state_wait`, is counted, and may be given up.
#[derive(Clone, Debug)]
pub struct Bucket(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    view: View,
    limits: Limits,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    key: Size,
    value: Size,
    batch: Size,
    batch_keys: u64,
    page: u64,
}

/// Some keys, in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub keys: Vec<String>,
    /// Where to go on; none after the last key.
    pub next: Option<String>,
}

impl Bucket {
    pub(super) fn new(store: Store, view: View, limits: &HandlerLimits) -> Self {
        let limits = Limits {
            key: limits.state_key,
            value: limits.state_value,
            batch: limits.state_batch,
            batch_keys: limits.state_batch_keys,
            page: limits.state_page,
        };
        Bucket(Arc::new(Inner { store, view, limits }))
    }

    pub async fn get(&self, key: String) -> Result<Option<Vec<u8>>, StoreError> {
        let Inner { store, view, limits } = &*self.0;
        let get = async {
            limits.check_key(&key)?;
            // Also one that was written within a larger limit.
            let values = store.backend.get_many(view, vec![key], usize::MAX).await?;
            Ok(values.into_iter().next().flatten())
        };
        self.counted("get", get).await
    }

    /// The values at one moment, in the order of the keys.
    pub async fn get_many(&self, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let Inner { store, view, limits } = &*self.0;
        let get = async {
            limits.check_keys(&keys)?;
            store.backend.get_many(view, keys, limits.batch.to_usize()).await
        };
        self.counted("get_many", get).await
    }

    pub async fn exists(&self, key: String) -> Result<bool, StoreError> {
        let Inner { store, view, limits } = &*self.0;
        let exists = async {
            limits.check_key(&key)?;
            store.backend.exists(view, key).await
        };
        self.counted("exists", exists).await
    }

    /// Keys that begin with `prefix`; from the first one, or from where a page ended.
    pub async fn list_keys(
        &self,
        prefix: String,
        cursor: Option<String>,
    ) -> Result<Page, StoreError> {
        let Inner { store, view, limits } = &*self.0;
        let most = usize::try_from(limits.page).unwrap_or(usize::MAX);
        let list = async {
            // One more than fits tells that there is another page.
            let asked = most.saturating_add(1);
            let mut keys = store.backend.list(view, prefix, cursor, asked).await?;
            let has_more = keys.len() > most;
            keys.truncate(most);
            let next = keys.last().filter(|_| has_more).cloned();
            Ok(Page { keys, next })
        };
        self.counted("list_keys", list).await
    }

    /// When this returns, it is as durable as the operator has chosen.
    pub async fn set(&self, key: String, value: Vec<u8>) -> Result<(), StoreError> {
        let Inner { store, view, limits } = &*self.0;
        let set = async {
            limits.check_key(&key)?;
            limits.check_value(&value)?;
            store.backend.set_many(view, vec![(key, value)]).await
        };
        self.counted("set", set).await
    }

    /// All or none. Of two values for one key the last counts.
    pub async fn set_many(&self, values: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        let Inner { store, view, limits } = &*self.0;
        let set = async {
            limits.check_count(values.len())?;
            let mut size = 0;
            for (key, value) in &values {
                limits.check_key(key)?;
                limits.check_value(value)?;
                size += key.len() + value.len();
            }
            limits.check_batch(size)?;
            store.backend.set_many(view, values).await
        };
        self.counted("set_many", set).await
    }

    pub async fn delete(&self, key: String) -> Result<(), StoreError> {
        let Inner { store, view, limits } = &*self.0;
        let delete = async {
            limits.check_key(&key)?;
            store.backend.delete_many(view, vec![key]).await
        };
        self.counted("delete", delete).await
    }

    /// All or none.
    pub async fn delete_many(&self, keys: Vec<String>) -> Result<(), StoreError> {
        let Inner { store, view, limits } = &*self.0;
        let delete = async {
            limits.check_keys(&keys)?;
            store.backend.delete_many(view, keys).await
        };
        self.counted("delete_many", delete).await
    }

    /// Adds to a number, which is 0 if there is none, and gives what it then is.
    pub async fn increment(&self, key: String, delta: i64) -> Result<i64, StoreError> {
        let Inner { store, view, limits } = &*self.0;
        let increment = async {
            limits.check_key(&key)?;
            store.backend.increment(view, key, delta).await
        };
        self.counted("increment", increment).await
    }

    /// Writes a value, or with none removes it, if the present one is as expected.
    pub async fn compare_and_swap(
        &self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
    ) -> Result<Swapped, StoreError> {
        let Inner { store, view, limits } = &*self.0;
        let swap = async {
            limits.check_key(&key)?;
            if let Some(value) = &value {
                limits.check_value(value)?;
            }
            store.backend.compare_and_swap(view, key, expected, value).await
        };
        self.counted("compare_and_swap", swap).await
    }

    async fn counted<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let Inner { store, view, .. } = &*self.0;
        let wait = store.limits.now().state_wait;
        let done = timeout(wait, work).await;
        let done = done.unwrap_or(Err(StoreError::Unavailable("the store did not answer in time")));
        let outcome = done.as_ref().map_or_else(StoreError::outcome, |_| "ok");
        view.owner.meter.state_operations.count((operation, outcome));
        done
    }
}

impl Limits {
    fn check_key(&self, key: &str) -> Result<(), StoreError> {
        within(key.len(), self.key, "a key", "state_key")
    }

    fn check_value(&self, value: &[u8]) -> Result<(), StoreError> {
        within(value.len(), self.value, "a value", "state_value")
    }

    fn check_keys(&self, keys: &[String]) -> Result<(), StoreError> {
        self.check_count(keys.len())?;
        keys.iter().try_for_each(|key| self.check_key(key))?;
        self.check_batch(keys.iter().map(String::len).sum())
    }

    fn check_count(&self, count: usize) -> Result<(), StoreError> {
        let most = self.batch_keys;
        if count as u64 <= most {
            return Ok(());
        }
        let text = format!("{count} keys at once, more than `state_batch_keys` allows ({most})");
        Err(StoreError::TooLarge(text))
    }

    fn check_batch(&self, size: usize) -> Result<(), StoreError> {
        within(size, self.batch, "what is asked at once", "state_batch")
    }
}

fn within(size: usize, limit: Size, what: &str, name: &str) -> Result<(), StoreError> {
    if size as u64 <= limit.get() {
        return Ok(());
    }
    Err(StoreError::TooLarge(format!("{what} has {size} B, more than `{name}` allows ({limit})")))
}
