//! Durable values by key.

use super::super::super::data::Data;
use super::super::super::web::key_value::{Error, Host, HostWithStore, Page, Swapped};
use super::Web;
use wasmtime::component::Accessor;

impl Host for Data {}

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl HostWithStore<Data> for Web {
    async fn get(_: &Accessor<Data, Self>, _: String, _: String) -> Answer<Option<Vec<u8>>> {
        Ok(Err(Error::NoSuchBucket))
    }

    async fn get_many(
        _: &Accessor<Data, Self>,
        _: String,
        _: Vec<String>,
    ) -> Answer<Vec<Option<Vec<u8>>>> {
        Ok(Err(Error::NoSuchBucket))
    }

    async fn exists(_: &Accessor<Data, Self>, _: String, _: String) -> Answer<bool> {
        Ok(Err(Error::NoSuchBucket))
    }

    async fn list_keys(
        _: &Accessor<Data, Self>,
        _: String,
        _: String,
        _: Option<String>,
    ) -> Answer<Page> {
        Ok(Err(Error::NoSuchBucket))
    }

    async fn set(_: &Accessor<Data, Self>, _: String, _: String, _: Vec<u8>) -> Answer<()> {
        Ok(Err(Error::NoSuchBucket))
    }

    async fn set_many(
        _: &Accessor<Data, Self>,
        _: String,
        _: Vec<(String, Vec<u8>)>,
    ) -> Answer<()> {
        Ok(Err(Error::NoSuchBucket))
    }

    async fn delete(_: &Accessor<Data, Self>, _: String, _: String) -> Answer<()> {
        Ok(Err(Error::NoSuchBucket))
    }

    async fn delete_many(_: &Accessor<Data, Self>, _: String, _: Vec<String>) -> Answer<()> {
        Ok(Err(Error::NoSuchBucket))
    }

    async fn increment(_: &Accessor<Data, Self>, _: String, _: String, _: i64) -> Answer<i64> {
        Ok(Err(Error::NoSuchBucket))
    }

    async fn compare_and_swap(
        _: &Accessor<Data, Self>,
        _: String,
        _: String,
        _: Option<Vec<u8>>,
        _: Option<Vec<u8>>,
    ) -> Answer<Swapped> {
        Ok(Err(Error::NoSuchBucket))
    }
}
