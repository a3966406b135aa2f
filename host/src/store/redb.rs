//! The store in one file, by redb: crash-safe, without a server, for one process.
//!
//! Reads go to threads of their own, each in a snapshot. Writes go to one thread, which
//! takes all that wait for it, makes one transaction of them, and flushes once.

mod batch;
mod database;
mod writer;

pub(super) use database::Place;

use super::backend::{Answer, Backend, Swapped};
use super::error::StoreError;
use super::view::{Usage, View};
use crate::config::Durability;
use crate::id::{HandlerName, SchemaNumber};
use crate::limits::LiveLimits;
use crate::meter::ServerMeter;
use crate::offload::STATE;
use ::redb::{Error, ReadTransaction, ReadableDatabase};
use anyhow::{Context, Result};
use batch::{Batch, Outcome};
use database::{DATA, Database, SCHEMAS, USAGES};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::ops::Bound;
use std::sync::Arc;
use writer::Writer;

#[derive(Debug)]
pub(super) struct Redb {
    database: Arc<Database>,
    writer: Writer,
}

impl Redb {
    pub(super) async fn open(
        place: Place,
        durability: Durability,
        limits: &LiveLimits,
        meter: &Arc<ServerMeter>,
    ) -> Result<Self> {
        let cache = limits.now().state_cache;
        let opened = STATE.run(move || Database::open(place, cache)).await;
        let database = Arc::new(opened.context("the host panicked")??);
        let writer = Writer::start(database.clone(), durability, limits, meter)
            .context("cannot start the thread that writes the state")?;
        Ok(Redb { database, writer })
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Outcome<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let database = self.database.clone();
        let done = STATE.run(move || {
            let transaction = database.with(|open| Ok(open.begin_read()?))?;
            read(&transaction)
        });
        match done.await {
            Ok(Ok(done)) => done,
            // It was told why, or asked for it.
            Ok(Err(Error::DatabaseClosed)) => Err(UNREADABLE),
            Ok(Err(error)) => {
                self.database.report("reading", &error);
                Err(UNREADABLE)
            }
            Err(panicked) => {
                self.database.report("reading", &panicked);
                Err(UNREADABLE)
            }
        }
    }

    /// `cost` is what the write holds while it waits.
    fn write<T: Send + 'static>(
        &self,
        cost: usize,
        write: impl FnOnce(&mut Batch<'_>) -> Outcome<T> + Send + 'static,
    ) -> Answer<'_, T> {
        self.writer.write(cost, write).boxed()
    }
}

const UNREADABLE: StoreError = StoreError::Unavailable("the store cannot be read now");

impl Backend for Redb {
    fn get_many<'a>(
        &'a self,
        view: &'a View,
        keys: Vec<String>,
        most: usize,
    ) -> Answer<'a, Vec<Option<Vec<u8>>>> {
        let places: Vec<Vec<u8>> = keys.iter().map(|key| view.place(key)).collect();
        let get = move |transaction: &ReadTransaction| {
            let data = transaction.open_table(DATA)?;
            let (mut values, mut size) = (Vec::with_capacity(places.len()), 0);
            for place in &places {
                let found = data.get(place.as_slice())?;
                size += found.as_ref().map_or(0, |value| value.value().len());
                if size > most {
                    return Ok(Err(StoreError::values_too_large(most)));
                }
                values.push(found.map(|value| value.value().to_vec()));
            }
            Ok(Ok(values))
        };
        self.read(get).boxed()
    }

    fn exists<'a>(&'a self, view: &'a View, key: String) -> Answer<'a, bool> {
        let place = view.place(&key);
        self.read(move |transaction| {
            Ok(Ok(transaction.open_table(DATA)?.get(place.as_slice())?.is_some()))
        })
        .boxed()
    }

    fn list<'a>(
        &'a self,
        view: &'a View,
        prefix: String,
        after: Option<String>,
        most: usize,
    ) -> Answer<'a, Vec<String>> {
        let inside = view.prefix().len();
        let begins = view.place(&prefix);
        let after = after.map(|key| view.place(&key));
        let list = move |transaction: &ReadTransaction| {
            let from = match &after {
                Some(after) if *after >= begins => Bound::Excluded(after.as_slice()),
                _ => Bound::Included(begins.as_slice()),
            };
            let mut keys = Vec::new();
            let data = transaction.open_table(DATA)?;
            for entry in data.range::<&[u8]>((from, Bound::Unbounded))? {
                let (place, _) = entry?;
                let place = place.value();
                if keys.len() == most || !place.starts_with(&begins) {
                    break;
                }
                let key = String::from_utf8(place[inside..].to_vec());
                keys.push(key.map_err(|error| Error::Corrupted(error.to_string()))?);
            }
            Ok(Ok(keys))
        };
        self.read(list).boxed()
    }

    fn set_many<'a>(&'a self, view: &'a View, values: Vec<(String, Vec<u8>)>) -> Answer<'a, ()> {
        let cost = values.iter().map(|(key, value)| key.len() + value.len()).sum();
        let view = view.clone();
        self.write(cost, move |batch| batch.set_many(&view, values))
    }

    fn delete_many<'a>(&'a self, view: &'a View, keys: Vec<String>) -> Answer<'a, ()> {
        let view = view.clone();
        self.write(keys.iter().map(String::len).sum(), move |batch| batch.delete_many(&view, keys))
    }

    fn increment<'a>(&'a self, view: &'a View, key: String, delta: i64) -> Answer<'a, i64> {
        let view = view.clone();
        self.write(key.len(), move |batch| batch.increment(&view, &key, delta))
    }

    fn compare_and_swap<'a>(
        &'a self,
        view: &'a View,
        key: String,
        expected: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
    ) -> Answer<'a, Swapped> {
        let size = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        let cost = key.len() + size(&expected) + size(&value);
        let view = view.clone();
        self.write(cost, move |batch| {
            batch.compare_and_swap(&view, &key, expected.as_deref(), value.as_deref())
        })
    }

    fn usage<'a>(&'a self, handler: &'a HandlerName) -> Answer<'a, Usage> {
        let handler = handler.clone();
        self.read(move |transaction| {
            let usages = transaction.open_table(USAGES)?;
            let usage = usages.get(handler.as_str())?.map(|usage| Usage::from(usage.value()));
            Ok(Ok(usage.unwrap_or_default()))
        })
        .boxed()
    }

    fn schema<'a>(&'a self, handler: &'a HandlerName) -> Answer<'a, Option<SchemaNumber>> {
        let handler = handler.clone();
        self.read(move |transaction| {
            let schemas = transaction.open_table(SCHEMAS)?;
            Ok(Ok(schemas.get(handler.as_str())?.map(|schema| SchemaNumber(schema.value()))))
        })
        .boxed()
    }

    fn set_schema<'a>(&'a self, handler: &'a HandlerName, schema: SchemaNumber) -> Answer<'a, ()> {
        let handler = handler.clone();
        self.write(0, move |batch| batch.set_schema(&handler, schema))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.writer.close().boxed()
    }
}
