//! Buckets, and their values one by one.

use super::bindings::wasi::keyvalue::store::{
    Host as Imports, HostBucket, HostBucketWithStore, HostWithStore, KeyResponse,
};
use super::{Answer, Host, KeyValue, ask, bucket, words};
use crate::store::Bucket;
use crate::wasm::data::Data;
use wasmtime::component::Resource;

impl Imports for &mut Data {}

impl HostBucket for &mut Data {
    fn drop(&mut self, this: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl HostWithStore<Data> for KeyValue {
    async fn open(mut host: Host<'_>, name: String) -> Answer<Resource<Bucket>> {
        let data = host.get();
        match data.buckets.get(&name).cloned() {
            Ok(bucket) => Ok(Ok(data.table.push(bucket)?)),
            Err(error) => {
                data.outbound.reporter().no_bucket(&name);
                Ok(Err(words(error)))
            }
        }
    }
}

impl HostBucketWithStore<Data> for KeyValue {
    async fn get(
        mut host: Host<'_>,
        this: Resource<Bucket>,
        key: String,
    ) -> Answer<Option<Vec<u8>>> {
        let bucket = bucket(&mut host, &this)?;
        Ok(ask(&mut host, bucket.get(key)).await.map_err(words))
    }

    async fn set(
        mut host: Host<'_>,
        this: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> Answer<()> {
        let bucket = bucket(&mut host, &this)?;
        Ok(ask(&mut host, bucket.set(key, value)).await.map_err(words))
    }

    async fn delete(mut host: Host<'_>, this: Resource<Bucket>, key: String) -> Answer<()> {
        let bucket = bucket(&mut host, &this)?;
        Ok(ask(&mut host, bucket.delete(key)).await.map_err(words))
    }

    async fn exists(mut host: Host<'_>, this: Resource<Bucket>, key: String) -> Answer<bool> {
        let bucket = bucket(&mut host, &this)?;
        Ok(ask(&mut host, bucket.exists(key)).await.map_err(words))
    }

    async fn list_keys(
        mut host: Host<'_>,
        this: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Answer<KeyResponse> {
        let bucket = bucket(&mut host, &this)?;
        let page = ask(&mut host, bucket.list_keys(String::new(), cursor)).await;
        let page = page.map(|page| KeyResponse { keys: page.keys, cursor: page.next });
        Ok(page.map_err(words))
    }
}
