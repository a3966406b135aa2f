//! Durable values by key: a face of the handler's buckets.

use super::super::super::data::Data;
use super::super::super::web::key_value::{Error, Host, HostWithStore, Page, Swapped};
use super::{Web, caller};
use crate::store::{self, Bucket, StoreError};
use wasmtime::component::Accessor;

impl Host for Data {}

type Answer<T> = wasmtime::Result<Result<T, Error>>;
type Values = Vec<Option<Vec<u8>>>;

impl HostWithStore<Data> for Web {
    async fn get(
        accessor: &Accessor<Data, Self>,
        bucket: String,
        key: String,
    ) -> Answer<Option<Vec<u8>>> {
        ask(accessor, &bucket, async |bucket| bucket.get(key).await).await
    }

    async fn get_many(
        accessor: &Accessor<Data, Self>,
        bucket: String,
        keys: Vec<String>,
    ) -> Answer<Values> {
        ask(accessor, &bucket, async |bucket| bucket.get_many(keys).await).await
    }

    async fn exists(accessor: &Accessor<Data, Self>, bucket: String, key: String) -> Answer<bool> {
        ask(accessor, &bucket, async |bucket| bucket.exists(key).await).await
    }

    async fn list_keys(
        accessor: &Accessor<Data, Self>,
        bucket: String,
        prefix: String,
        cursor: Option<String>,
    ) -> Answer<Page> {
        ask(accessor, &bucket, async |bucket| {
            let store::Page { keys, next } = bucket.list_keys(prefix, cursor).await?;
            Ok(Page { keys, next })
        })
        .await
    }

    async fn set(
        accessor: &Accessor<Data, Self>,
        bucket: String,
        key: String,
        value: Vec<u8>,
    ) -> Answer<()> {
        ask(accessor, &bucket, async |bucket| bucket.set(key, value).await).await
    }

    async fn set_many(
        accessor: &Accessor<Data, Self>,
        bucket: String,
        values: Vec<(String, Vec<u8>)>,
    ) -> Answer<()> {
        ask(accessor, &bucket, async |bucket| bucket.set_many(values).await).await
    }

    async fn delete(accessor: &Accessor<Data, Self>, bucket: String, key: String) -> Answer<()> {
        ask(accessor, &bucket, async |bucket| bucket.delete(key).await).await
    }

    async fn delete_many(
        accessor: &Accessor<Data, Self>,
        bucket: String,
        keys: Vec<String>,
    ) -> Answer<()> {
        ask(accessor, &bucket, async |bucket| bucket.delete_many(keys).await).await
    }

    async fn increment(
        accessor: &Accessor<Data, Self>,
        bucket: String,
        key: String,
        delta: i64,
    ) -> Answer<i64> {
        ask(accessor, &bucket, async |bucket| bucket.increment(key, delta).await).await
    }

    async fn compare_and_swap(
        accessor: &Accessor<Data, Self>,
        bucket: String,
        key: String,
        expected: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
    ) -> Answer<Swapped> {
        ask(accessor, &bucket, async |bucket| {
            Ok(match bucket.compare_and_swap(key, expected, value).await? {
                store::Swapped::Done => Swapped::Done,
                store::Swapped::Differed(present) => Swapped::Differed(present),
            })
        })
        .await
    }
}

/// Does `work` with a bucket, for as long as the call that asks is wanted.
async fn ask<T>(
    accessor: &Accessor<Data, Web>,
    name: &str,
    work: impl AsyncFnOnce(Bucket) -> Result<T, StoreError>,
) -> Answer<T> {
    let call = caller(accessor);
    let bucket = accessor.with(|mut access| {
        let data = access.get();
        let bucket = data.buckets.get(name).cloned();
        if bucket.is_err() {
            data.outbound.reporter().no_bucket(name);
        }
        bucket
    });
    let bucket = match bucket {
        Ok(bucket) => bucket,
        Err(error) => return Ok(Err(words(error))),
    };
    let Some(call) = call else { return Ok(work(bucket).await.map_err(words)) };
    let done = tokio::select! {
        done = work(bucket) => done,
        () = call.until_given_up() => Err(StoreError::Unavailable("the client has left")),
    };
    Ok(done.map_err(words))
}

fn words(error: StoreError) -> Error {
    match error {
        StoreError::NoSuchBucket => Error::NoSuchBucket,
        StoreError::TooLarge(text) => Error::TooLarge(text),
        StoreError::Quota(text) => Error::Quota(text),
        StoreError::NotANumber => Error::NotANumber,
        StoreError::Unavailable(text) => Error::Unavailable(text.to_owned()),
    }
}
