//! The store of a server, as generations come by their part of it: opened when the first
//! handler with a grant is loaded, and closed to those that would misread what is in it.

use super::given::secret;
use super::refusal::LoadError;
use crate::config::{HandlerConfig, SchemaChange, State as Config, StateUrl};
use crate::id::{HandlerName, SchemaNumber};
use crate::limits::LiveLimits;
use crate::meter::{HandlerMeter, ServerMeter};
use crate::offload::SITE;
use crate::store::{Access, Buckets, Store};
use crate::wasm::Shape;
use anyhow::{Result, anyhow};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Cheap to clone; all of them have one store.
#[derive(Clone, Debug)]
pub(crate) struct State(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    limits: LiveLimits,
    meter: Arc<ServerMeter>,
    store: OnceCell<Store>,
}

/// Where the state is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Configured(Config),
    /// Nowhere: for a look at handlers while another server may have the state.
    Nowhere,
}

impl State {
    pub(crate) fn new(place: Place, limits: &LiveLimits, meter: &Arc<ServerMeter>) -> Self {
        let (limits, meter) = (limits.clone(), meter.clone());
        State(Arc::new(Inner { place, limits, meter, store: OnceCell::new() }))
    }

    /// What a generation may reach, if it may be one.
    pub(super) async fn buckets(
        &self,
        handler: &HandlerName,
        config: &HandlerConfig,
        shape: &Shape,
        meter: &Arc<HandlerMeter>,
    ) -> Result<Buckets, LoadError> {
        let buckets = &config.grants.key_value;
        if buckets.is_empty() {
            return Ok(Buckets::default());
        }
        let failed = |error: anyhow::Error| LoadError::Grant(format!("{error:#}"));
        let store = self.0.store.get_or_try_init(|| self.0.open()).await.map_err(failed)?;
        let failed = |error| LoadError::Grant(format!("its state: {error}"));
        let schema = config.schema.or(shape.schema).unwrap_or_default();
        if config.schema_change == SchemaChange::Refuse {
            check_schema(store.schema(handler).await.map_err(failed)?, schema)?;
        }
        let access = Access { handler, schema, buckets, limits: &config.limits, meter };
        store.buckets(access).await.map_err(failed)
    }

    /// Has what was written be safe, and lets go of the file.
    pub(crate) async fn close(&self) {
        if let Some(store) = self.0.store.get() {
            store.close().await;
        }
    }
}

impl Inner {
    async fn open(&self) -> Result<Store> {
        let Inner { place, limits, meter, .. } = self;
        match place {
            Place::Nowhere => Store::in_memory(limits, meter).await,
            Place::Configured(Config::Redb { file, durability }) => {
                Store::in_file(file, *durability, limits, meter).await
            }
            Place::Configured(Config::Redis { url }) => {
                let url = match url.clone() {
                    StateUrl::Plain(url) => url,
                    StateUrl::Secret(source) => {
                        let url = SITE.run(move || secret(&source)).await?;
                        url.map_err(|problem| anyhow!("`url` of the state: {problem}"))?
                    }
                };
                Store::on_server(&url, limits).await
            }
        }
    }
}

fn check_schema(served: Option<SchemaNumber>, schema: SchemaNumber) -> Result<(), LoadError> {
    match served {
        Some(served) if served != schema => Err(LoadError::Schema { served, schema }),
        _ => Ok(()),
    }
}
