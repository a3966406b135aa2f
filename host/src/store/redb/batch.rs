//! One transaction, and what writes do in it. A write that is refused changes nothing;
//! an error of the disk ends the transaction, and with it all that is in it.

use super::super::backend::Swapped;
use super::super::error::StoreError;
use super::super::view::{Owner, Usage, View};
use super::database::{DATA, SCHEMAS, USAGES};
use crate::id::{HandlerName, SchemaNumber};
use ::redb::{Error, ReadableTable, Table, WriteTransaction};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What came of something, or why the whole transaction failed.
pub(super) type Outcome<T> = Result<Result<T, StoreError>, Error>;

pub(super) struct Batch<'t> {
    data: Table<'t, &'static [u8], &'static [u8]>,
    usages: Table<'t, &'static str, (u64, u64)>,
    schemas: Table<'t, &'static str, u32>,
    /// Of the handlers whose data it has changed so far.
    changed: BTreeMap<HandlerName, (Arc<Owner>, Usage)>,
    is_changed: bool,
}

/// What a transaction has changed.
pub(super) enum Changed {
    Nothing,
    /// With what these keep once it is committed.
    Usages(Vec<(Arc<Owner>, Usage)>),
}

impl<'t> Batch<'t> {
    pub(super) fn new(transaction: &'t WriteTransaction) -> Result<Self, Error> {
        Ok(Batch {
            data: transaction.open_table(DATA)?,
            usages: transaction.open_table(USAGES)?,
            schemas: transaction.open_table(SCHEMAS)?,
            changed: BTreeMap::new(),
            is_changed: false,
        })
    }

    /// Writes down how much is kept now.
    pub(super) fn finish(mut self) -> Result<Changed, Error> {
        if !self.is_changed {
            return Ok(Changed::Nothing);
        }
        for (handler, (_, usage)) in &self.changed {
            self.usages.insert(handler.as_str(), (usage.bytes, usage.keys))?;
        }
        Ok(Changed::Usages(self.changed.into_values().collect()))
    }

    pub(super) fn set_many(&mut self, view: &View, values: Vec<(String, Vec<u8>)>) -> Outcome<()> {
        let before = self.usage(view)?;
        let values: BTreeMap<String, Vec<u8>> = values.into_iter().collect();
        let as_if_new = |usage: Usage, (key, value): (&String, &Vec<u8>)| {
            usage.with(key, None, Some(value.len()))
        };
        let at_most = values.iter().fold(before, as_if_new);
        // Looking twice is for those who may be near their quota.
        if view.owner.quota.check(before, at_most).is_err() {
            let mut after = before;
            for (key, value) in &values {
                let old = self.data.get(view.place(key).as_slice())?.map(|old| old.value().len());
                after = after.with(key, old, Some(value.len()));
            }
            if let Err(error) = view.owner.quota.check(before, after) {
                return Ok(Err(error));
            }
        }
        let mut after = before;
        for (key, value) in &values {
            let old = self.data.insert(view.place(key).as_slice(), value.as_slice())?;
            after = after.with(key, old.map(|old| old.value().len()), Some(value.len()));
        }
        self.note(view, after);
        Ok(Ok(()))
    }

    pub(super) fn delete_many(&mut self, view: &View, keys: Vec<String>) -> Outcome<()> {
        let mut usage = self.usage(view)?;
        for key in keys {
            let old = self.data.remove(view.place(&key).as_slice())?;
            if let Some(old) = old.map(|old| old.value().len()) {
                usage = usage.with(&key, Some(old), None);
                self.note(view, usage);
            }
        }
        Ok(Ok(()))
    }

    pub(super) fn increment(&mut self, view: &View, key: &str, delta: i64) -> Outcome<i64> {
        let old = self.value(view, key)?;
        let number = match &old {
            None => Some(0),
            Some(value) => number(value),
        };
        let Some(sum) = number.and_then(|number| number.checked_add(delta)) else {
            return Ok(Err(StoreError::NotANumber));
        };
        let put = self.put(view, key, old.as_deref(), Some(sum.to_string().as_bytes()))?;
        Ok(put.map(|()| sum))
    }

    pub(super) fn compare_and_swap(
        &mut self,
        view: &View,
        key: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Outcome<Swapped> {
        let old = self.value(view, key)?;
        if old.as_deref() != expected {
            return Ok(Ok(Swapped::Differed(old)));
        }
        let put = self.put(view, key, expected, value)?;
        Ok(put.map(|()| Swapped::Done))
    }

    pub(super) fn set_schema(
        &mut self,
        handler: &HandlerName,
        schema: SchemaNumber,
    ) -> Outcome<()> {
        let old = self.schemas.insert(handler.as_str(), schema.0)?.map(|old| old.value());
        self.is_changed |= old != Some(schema.0);
        Ok(Ok(()))
    }

    fn value(&self, view: &View, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.data.get(view.place(key).as_slice())?.map(|value| value.value().to_vec()))
    }

    /// Writes a value in the place of `old`, or with none removes that.
    fn put(
        &mut self,
        view: &View,
        key: &str,
        old: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Outcome<()> {
        let before = self.usage(view)?;
        let after = before.with(key, old.map(<[u8]>::len), value.map(<[u8]>::len));
        if let Err(error) = view.owner.quota.check(before, after) {
            return Ok(Err(error));
        }
        let place = view.place(key);
        match value {
            Some(value) => drop(self.data.insert(place.as_slice(), value)?),
            None => drop(self.data.remove(place.as_slice())?),
        }
        self.note(view, after);
        Ok(Ok(()))
    }

    fn usage(&self, view: &View) -> Result<Usage, Error> {
        if let Some((_, usage)) = self.changed.get(&view.owner.handler) {
            return Ok(*usage);
        }
        let kept = self.usages.get(view.owner.handler.as_str())?;
        Ok(kept.map_or_else(Usage::default, |kept| Usage::from(kept.value())))
    }

    fn note(&mut self, view: &View, usage: Usage) {
        self.is_changed = true;
        self.changed.insert(view.owner.handler.clone(), (view.owner.clone(), usage));
    }
}

/// A number in the one way in which it is written.
fn number(value: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == value).then_some(number)
}
