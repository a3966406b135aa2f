//! What one generation of a handler may reach of the store.

use super::Store;
use super::bucket::Bucket;
use super::error::StoreError;
use super::view::{Owner, Quota, View};
use crate::id::{HandlerName, SchemaNumber};
use crate::limits::HandlerLimits;
use crate::meter::HandlerMeter;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The buckets that the grants of a generation name. Cheap to clone; without a grant
/// there are none.
#[derive(Clone, Debug, Default)]
pub struct Buckets(Option<Arc<Granted>>);

#[derive(Debug)]
struct Granted {
    store: Store,
    owner: Arc<Owner>,
    schema: SchemaNumber,
    buckets: BTreeMap<String, Bucket>,
}

/// What decides on a generation's buckets.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    pub handler: &'a HandlerName,
    pub schema: SchemaNumber,
    /// The names of the buckets.
    pub buckets: &'a [String],
    pub limits: &'a HandlerLimits,
    pub meter: &'a Arc<HandlerMeter>,
}

impl Store {
    /// The buckets of one generation. What the handler keeps already is shown from then
    /// on.
    pub async fn buckets(&self, access: Access<'_>) -> Result<Buckets, StoreError> {
        let Access { handler, schema, buckets, limits, meter } = access;
        self.backend.usage(handler).await?.show(meter);
        let owner = Arc::new(Owner {
            handler: handler.clone(),
            quota: Quota::from(limits),
            meter: meter.clone(),
        });
        let bucket = |name: &String| {
            let view = View { owner: owner.clone(), schema, bucket: name.as_str().into() };
            (name.clone(), Bucket::new(self.clone(), view, limits))
        };
        let buckets = buckets.iter().map(bucket).collect();
        Ok(Buckets(Some(Arc::new(Granted { store: self.clone(), owner, schema, buckets }))))
    }
}

impl Buckets {
    pub fn get(&self, name: &str) -> Result<&Bucket, StoreError> {
        let granted = self.0.as_ref().ok_or(StoreError::NoSuchBucket)?;
        granted.buckets.get(name).ok_or(StoreError::NoSuchBucket)
    }

    /// The schema of what is in them, if there are any.
    pub fn schema(&self) -> Option<SchemaNumber> {
        self.0.as_ref().map(|granted| granted.schema)
    }

    /// Has the store remember which schema serves. Without waiting: a view has its
    /// schema in its place, so that nothing is confused until then.
    pub fn serve(&self) {
        let Some(granted) = self.0.clone() else { return };
        tokio::spawn(async move {
            let Granted { store, owner, schema, .. } = &*granted;
            if let Err(error) = store.backend.set_schema(&owner.handler, *schema).await {
                tracing::error!(handler = %owner.handler, "cannot note that the handler's state is of schema {schema}: {error}");
            }
        });
    }
}
