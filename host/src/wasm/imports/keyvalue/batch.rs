//! Several keys at once.

use super::bindings::wasi::keyvalue::batch::{Host as Imports, HostWithStore};
use super::{Answer, Host, KeyValue, ask, bucket, words};
use crate::store::Bucket;
use crate::wasm::data::Data;
use wasmtime::component::Resource;

impl Imports for &mut Data {}

impl HostWithStore<Data> for KeyValue {
    async fn get_many(
        mut host: Host<'_>,
        this: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<(String, Option<Vec<u8>>)>> {
        let bucket = bucket(&mut host, &this)?;
        let values = ask(&mut host, bucket.get_many(keys.clone())).await;
        Ok(values.map(|values| keys.into_iter().zip(values).collect()).map_err(words))
    }

    async fn set_many(
        mut host: Host<'_>,
        this: Resource<Bucket>,
        values: Vec<(String, Vec<u8>)>,
    ) -> Answer<()> {
        let bucket = bucket(&mut host, &this)?;
        Ok(ask(&mut host, bucket.set_many(values)).await.map_err(words))
    }

    async fn delete_many(
        mut host: Host<'_>,
        this: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answer<()> {
        let bucket = bucket(&mut host, &this)?;
        Ok(ask(&mut host, bucket.delete_many(keys)).await.map_err(words))
    }
}
