//! The client of the request that calls.

use super::super::super::data::Data;
use super::super::super::web::client::{Host, HostWithStore};
use super::{Web, caller};
use std::future::pending;
use wasmtime::component::Accessor;

impl Host for Data {}

impl HostWithStore<Data> for Web {
    async fn gone(accessor: &Accessor<Data, Self>) -> wasmtime::Result<()> {
        match caller(accessor) {
            Some(call) => call.until_gone().await,
            // After its answer a guest works for nobody who could leave.
            None => pending().await,
        }
        Ok(())
    }
}
