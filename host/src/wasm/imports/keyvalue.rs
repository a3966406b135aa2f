//! `wasi:keyvalue@0.2.0-draft2`, for both versions of WASI: a face of the handler's
//! buckets. Its functions are not async for guests, so the whole instance waits in them.

mod atomics;
mod batch;
mod store;

use super::super::call::Call;
use super::super::data::{Data, current_call};
use super::super::engine::Concurrency;
use crate::store::{Bucket, StoreError};
use bindings::wasi::keyvalue::store::Error;
use std::sync::Arc;
use wasmtime::AsContextMut;
use wasmtime::component::{Access, HasData, Linker, Resource};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../guest-sdk/wit/deps/wasi-keyvalue.wit",
        world: "wasi:keyvalue/imports",
        imports: {
            "wasi:keyvalue/store.[drop]bucket": trappable,
            "wasi:keyvalue/atomics.[drop]cas": trappable,
            default: async | store | trappable,
        },
        with: {
            "wasi:keyvalue/store.bucket": crate::store::Bucket,
            "wasi:keyvalue/atomics.cas": super::atomics::Cas,
        },
    });
}

pub(super) fn add_to_linker(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    fn host(data: &mut Data) -> &mut Data {
        data
    }
    bindings::wasi::keyvalue::store::add_to_linker::<_, KeyValue>(linker, host)?;
    bindings::wasi::keyvalue::atomics::add_to_linker::<_, KeyValue>(linker, host)?;
    bindings::wasi::keyvalue::batch::add_to_linker::<_, KeyValue>(linker, host)
}

/// Implements the interfaces.
struct KeyValue;

impl HasData for KeyValue {
    type Data<'a> = &'a mut Data;
}

type Host<'a> = Access<'a, Data, KeyValue>;

/// What an operation came to, if the guest goes on at all.
type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// Waits for the store, for as long as the call that asks is wanted.
async fn ask<T>(
    host: &mut Host<'_>,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let Some(call) = asker(host) else { return work.await };
    tokio::select! {
        done = work => done,
        () = call.until_given_up() => Err(StoreError::Unavailable("the client has left")),
    }
}

/// The call that the guest works for, in whichever world.
fn asker(host: &mut Host<'_>) -> Option<Arc<Call>> {
    let only = host.get().seat.call_of([]);
    only.or_else(|| current_call(&mut host.as_context_mut(), Concurrency::Many))
}

fn bucket(host: &mut Host<'_>, bucket: &Resource<Bucket>) -> wasmtime::Result<Bucket> {
    Ok(host.get().table.get(bucket)?.clone())
}

fn words(error: StoreError) -> Error {
    match error {
        StoreError::NoSuchBucket => Error::NoSuchStore,
        error => Error::Other(error.to_string()),
    }
}
