//! From a handler's config to a generation that is ready to serve: the file read
//! whole, the component compiled off the async threads, an instance made once, a
//! health request answered.

use super::handler::{Generation, Handler};
use super::registry::Site;
use crate::body::Body;
use crate::config::{Config, HandlerConfig, SecretSource};
use crate::id::{HandlerName, RequestId};
use crate::limits::Size;
use crate::upstream::{SystemResolver, Tls, Upstream};
use crate::wasm::{Blueprint, Component, ContentHash, NotAHandler, Refused, Reporter, Runtime};
use anyhow::{Result, bail};
use http::Request;
use http_body_util::{BodyExt, Limited};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Why a file does not become a generation.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("there is no such file")]
    Missing,
    #[error("cannot read the file: {0}")]
    Unreadable(io::Error),
    #[error("it is not a regular file")]
    NotAFile,
    #[error("the file has {size} bytes, more than `component_size` allows ({limit})")]
    TooLarge { size: u64, limit: Size },
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("{0}")]
    Grant(String),
    #[error("it cannot be instantiated: {0}")]
    Instance(String),
    #[error("health request `{path}`: {problem}")]
    Health { path: String, problem: String },
}

impl LoadError {
    /// Whether waiting may help: the file looks as if somebody were writing it.
    pub(super) fn is_unfinished(&self) -> bool {
        matches!(
            self,
            LoadError::Refused(Refused::NotAHandler(
                NotAHandler::Empty | NotAHandler::Truncated(_) | NotAHandler::Invalid(_)
            ))
        )
    }
}

/// What every load needs.
#[derive(Clone, Debug)]
pub(crate) struct Workshop {
    pub(crate) runtime: Runtime,
    pub(crate) tls: Arc<Tls>,
    pub(crate) component_size: Size,
}

/// Loads all handlers of `config` at the same time. Every problem is reported, not
/// only the first.
pub(crate) async fn load_site(workshop: &Workshop, config: Config) -> Result<Site> {
    let mut loading = JoinSet::new();
    for (name, handler) in &config.handlers {
        let (workshop, name, config) = (workshop.clone(), name.clone(), handler.clone());
        loading.spawn(async move {
            let handler = Handler::new(name);
            let generation = workshop.load(&handler, &config).await;
            (handler, generation)
        });
    }
    let mut loaded = BTreeMap::new();
    let mut problems = Vec::new();
    while let Some(joined) = loading.join_next().await {
        let (handler, generation) = joined?;
        match generation {
            Ok(generation) => {
                handler.reloads.succeeded(&generation, generation.component.origin.took());
                loaded.insert(handler.name.clone(), (handler, generation));
            }
            Err(error) => {
                let file = config.handlers[&handler.name].component.display().to_string();
                problems.push(describe(&handler.name, &file, &error));
            }
        }
    }
    if !problems.is_empty() {
        problems.sort();
        bail!("{}", problems.join("\n"));
    }
    Site::new(Arc::new(config), loaded.into_values().collect())
}

pub(super) fn describe(name: &HandlerName, file: &str, error: &LoadError) -> String {
    format!("handler `{name}`: `{file}`: {error}")
}

impl Workshop {
    /// Reads the handler's file and makes a generation of it.
    pub(super) async fn load(
        &self,
        handler: &Arc<Handler>,
        config: &HandlerConfig,
    ) -> Result<Arc<Generation>, LoadError> {
        let (path, limit) = (config.component.clone(), self.component_size);
        let bytes = blocking(move || read_whole(&path, limit)).await?;
        self.make(handler, config, bytes).await
    }

    /// Makes a generation of a component's bytes.
    pub(super) async fn make(
        &self,
        handler: &Arc<Handler>,
        config: &HandlerConfig,
        bytes: Vec<u8>,
    ) -> Result<Arc<Generation>, LoadError> {
        let loader = self.runtime.loader.clone();
        let component = blocking(move || Ok(loader.load(&bytes)?)).await?;
        self.prepare(handler, config, component).await
    }

    /// Gives a component its grants and limits, and tries it.
    pub(super) async fn prepare(
        &self,
        handler: &Arc<Handler>,
        config: &HandlerConfig,
        component: Component,
    ) -> Result<Arc<Generation>, LoadError> {
        let number = handler.next_generation();
        let values = values(config).map_err(LoadError::Grant)?;
        for folder in &config.grants.folders {
            File::open(&folder.host).map_err(|e| {
                LoadError::Grant(format!("cannot open folder `{}`: {e}", folder.host.display()))
            })?;
        }
        let private = config.grants.outbound_private.clone();
        let outbound = config.grants.outbound.clone().with_private(private.clone());
        let blueprint = Blueprint {
            handler: handler.name.clone(),
            generation: number,
            limits: config.limits.clone(),
            values: Arc::new(values.clone().into_iter().collect()),
            environment: values.into_iter().collect(),
            folders: config
                .grants
                .folders
                .iter()
                .map(|folder| (folder.host.clone(), folder.guest.clone(), folder.access))
                .collect(),
            tcp: Arc::new(config.grants.outbound_tcp.clone().with_private(private)),
            upstream: Arc::new(Upstream::new(
                outbound,
                &config.limits,
                handler.meter.outbound_connections.clone(),
                Arc::new(SystemResolver),
                self.tls.clone(),
            )),
            meter: handler.meter.clone(),
            reporter: Arc::new(Reporter::new(handler.name.clone(), number, handler.meter.clone())),
        };
        let pool = self.runtime.pool(
            component.clone(),
            blueprint,
            config.isolation,
            handler.meter.clone(),
        );
        pool.try_instance().await.map_err(|fault| LoadError::Instance(fault.detail))?;
        let generation = Generation::new(number, component, config.clone(), handler.clone(), pool);
        if let Some(path) = &config.health {
            check_health(&generation, path)
                .await
                .map_err(|problem| LoadError::Health { path: path.clone(), problem })?;
        }
        Ok(generation)
    }
}

/// Config values and secrets under their names.
fn values(config: &HandlerConfig) -> Result<BTreeMap<String, String>, String> {
    let mut values = config.grants.config.clone();
    for (name, source) in &config.grants.secrets {
        let value = match source {
            SecretSource::Environment(variable) => std::env::var(variable)
                .map_err(|_| format!("secret `{name}`: the variable `{variable}` is not set"))?,
            SecretSource::File(path) => std::fs::read_to_string(path)
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|e| format!("secret `{name}`: cannot read `{}`: {e}", path.display()))?,
        };
        values.insert(name.clone(), value);
    }
    Ok(values)
}

async fn check_health(generation: &Generation, path: &str) -> Result<(), String> {
    let request = Request::get(format!("http://localhost{path}")).body(Body::empty());
    let request = request.map_err(|e| e.to_string())?;
    let response =
        generation.answer(RequestId::next(), request).await.map_err(|f| f.to_string())?;
    if !response.status().is_success() {
        return Err(format!("the new generation answered {}", response.status()));
    }
    // To its end: half an answer is no health.
    let body = Limited::new(response.into_body(), HEALTH_ANSWER);
    let collected = timeout(generation.limits.head_deadline, body.collect()).await;
    match collected {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("the new generation's answer broke off: {error}")),
        Err(_) => Err("the new generation's answer did not end in time".into()),
    }
}

/// What may be read of an answer to a health request, in bytes.
const HEALTH_ANSWER: usize = 1 << 20;

/// Reads a file that anybody may be changing: never waits for a FIFO, never takes
/// more than `limit`, never maps what could be cut under our feet.
pub(super) fn read_whole(path: &Path, limit: Size) -> Result<Vec<u8>, LoadError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => LoadError::Missing,
            _ => LoadError::Unreadable(e),
        })?;
    let found = file.metadata().map_err(LoadError::Unreadable)?;
    if !found.is_file() {
        return Err(LoadError::NotAFile);
    }
    let too_large = |size| LoadError::TooLarge { size, limit };
    if found.len() > limit.get() {
        return Err(too_large(found.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
    file.take(limit.get() + 1).read_to_end(&mut bytes).map_err(LoadError::Unreadable)?;
    if bytes.len() as u64 > limit.get() {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

pub(super) fn hash_of(path: &Path, limit: Size) -> Result<(ContentHash, Vec<u8>), LoadError> {
    let bytes = read_whole(path, limit)?;
    Ok((ContentHash::of(&bytes), bytes))
}

/// Runs work that takes long on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(LoadError::Refused(Refused::Host(format!("the host panicked: {error}")))),
    }
}
