//! Counting, and swapping what nobody else has changed.

use super::bindings::wasi::keyvalue::atomics::{
    CasError, Host as Imports, HostCas, HostCasWithStore, HostWithStore,
};
use super::{Answer, Host, KeyValue, ask, bucket, words};
use crate::store::{Bucket, StoreError, Swapped};
use crate::wasm::data::Data;
use sha2::{Digest, Sha256};
use wasmtime::component::Resource;

/// A handle on a value. It knows which value it was without holding it: a guest may
/// hold a thousand of them.
#[derive(Clone, Debug)]
#[expect(unreachable_pub, reason = "generated code names it in public")]
pub struct Cas {
    bucket: Bucket,
    key: String,
    seen: Seen,
}

/// The hash of a value, if there was one.
type Seen = Option<[u8; 32]>;

impl Cas {
    async fn new(bucket: Bucket, key: String) -> Result<Self, StoreError> {
        let value = bucket.get(key.clone()).await?;
        Ok(Cas { bucket, key, seen: seen(value.as_deref()) })
    }

    /// Writes `value` in the place of the one that was seen. Otherwise gives a handle on
    /// what is there.
    async fn swap(self, value: Vec<u8>) -> Result<Result<(), Cas>, StoreError> {
        let Cas { bucket, key, seen: expected } = self;
        let present = bucket.get(key.clone()).await?;
        if seen(present.as_deref()) != expected {
            return Ok(Err(Cas { bucket, key, seen: seen(present.as_deref()) }));
        }
        match bucket.compare_and_swap(key.clone(), present, Some(value)).await? {
            Swapped::Done => Ok(Ok(())),
            Swapped::Differed(value) => Ok(Err(Cas { bucket, key, seen: seen(value.as_deref()) })),
        }
    }
}

fn seen(value: Option<&[u8]>) -> Seen {
    value.map(|value| Sha256::digest(value).into())
}

impl Imports for &mut Data {}

impl HostCas for &mut Data {
    fn drop(&mut self, this: Resource<Cas>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl HostCasWithStore<Data> for KeyValue {
    async fn new(mut host: Host<'_>, this: Resource<Bucket>, key: String) -> Answer<Resource<Cas>> {
        let bucket = bucket(&mut host, &this)?;
        match ask(&mut host, Cas::new(bucket, key)).await {
            Ok(cas) => Ok(Ok(host.get().table.push(cas)?)),
            Err(error) => Ok(Err(words(error))),
        }
    }

    async fn current(mut host: Host<'_>, this: Resource<Cas>) -> Answer<Option<Vec<u8>>> {
        let Cas { bucket, key, .. } = host.get().table.get(&this)?.clone();
        let value = ask(&mut host, bucket.get(key)).await;
        if let Ok(value) = &value {
            host.get().table.get_mut(&this)?.seen = seen(value.as_deref());
        }
        Ok(value.map_err(words))
    }
}

impl HostWithStore<Data> for KeyValue {
    async fn increment(
        mut host: Host<'_>,
        this: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> Answer<i64> {
        let bucket = bucket(&mut host, &this)?;
        Ok(ask(&mut host, bucket.increment(key, delta)).await.map_err(words))
    }

    async fn swap(
        mut host: Host<'_>,
        cas: Resource<Cas>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), CasError>> {
        let cas = host.get().table.delete(cas)?;
        Ok(match ask(&mut host, cas.swap(value)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(cas)) => Err(CasError::CasFailed(host.get().table.push(cas)?)),
            Err(error) => Err(CasError::StoreError(words(error))),
        })
    }
}
