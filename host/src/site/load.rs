//! From handlers' configs to generations that are ready to serve: the file read
//! whole, the component compiled off the async threads, an instance made once, a
//! health request answered.

use super::given::Given;
use super::handler::{Generation, Handler};
use super::precious::Precious;
use super::read::read_component;
use super::refusal::{LoadError, Problem};
use super::registry::{Folders, Site};
use super::state::State;
use crate::body::Body;
use crate::config::{Config, HandlerConfig};
use crate::id::{HandlerName, RequestId};
use crate::limits::{LiveLimits, Room, Size};
use crate::offload::SITE;
use crate::told::Told;
use crate::upstream::{OpenConnections, SystemResolver, Trust, Upstream};
use crate::wasm::{Blueprint, Component, GrantedFolders, Refused, Reporter, Runtime};
use http::Request;
use http_body_util::{BodyExt, Limited};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// What every load needs.
#[derive(Clone, Debug)]
pub(crate) struct Workshop {
    runtime: Runtime,
    trust: Trust,
    /// The outbound connections of all handlers.
    outbound_open: OpenConnections,
    state: State,
    limits: LiveLimits,
}

/// What a site needs besides what serves already.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) generations: BTreeMap<HandlerName, (Arc<Handler>, Arc<Generation>)>,
    pub(super) folders: Folders,
}

/// Loads a whole site. Every problem is reported, not only the first.
pub(crate) async fn load_site(workshop: &Workshop, config: Config) -> Result<Site, Vec<String>> {
    let config = Arc::new(config);
    let handlers = config.handlers.iter();
    let wanted = handlers.map(|(name, handler)| (Handler::new(name.clone()), handler.clone()));
    let (loaded, problems) = workshop.load_all(wanted.collect(), config.clone()).await;
    if !problems.is_empty() {
        return Err(problems.into_iter().map(|problem| problem.text).collect());
    }
    for (handler, generation) in loaded.generations.values() {
        handler.reloads.succeeded(Some(generation.number), generation.component.origin.took());
    }
    let site = Site::new(config, loaded.generations.into_values().collect(), &loaded.folders);
    site.map_err(|error| vec![format!("{error:#}")])
}

impl Workshop {
    pub(crate) fn new(runtime: Runtime, state: State, limits: &LiveLimits) -> Self {
        Workshop {
            runtime,
            trust: Trust::default(),
            outbound_open: OpenConnections::new(Room::of(limits, |now| now.outbound_open)),
            state,
            limits: limits.clone(),
        }
    }

    /// Nothing can be made any more that keeps something.
    pub(crate) async fn close(&self) {
        self.state.close().await;
    }

    /// Loads handlers at the same time, and opens the static folders of `config`. Gives
    /// what can serve, and what is wrong with the rest.
    pub(super) async fn load_all(
        &self,
        handlers: Vec<(Arc<Handler>, HandlerConfig)>,
        config: Arc<Config>,
    ) -> (Loaded, Vec<Problem>) {
        let all = config.clone();
        let looked = blocking(move || Ok((Folders::open(&all), out_of_reach(&all)))).await;
        let (opened, refused) = match looked {
            Ok(looked) => looked,
            Err(error) => return (Loaded::default(), vec![Problem::around(error.to_string())]),
        };
        let mut loading = JoinSet::new();
        // Those in force are of the config before it.
        let size = config.limits.component_size;
        for (handler, config) in handlers {
            // Not even tried: that would run it with what it must not have.
            if refused.contains_key(&handler.name) {
                continue;
            }
            let workshop = self.clone();
            loading.spawn(async move {
                let loaded = workshop.load(&handler, &config, size).await;
                loaded
                    .map(|generation| (handler.clone(), generation))
                    .map_err(|error| Problem::of(&handler.name, &config, &error))
            });
        }
        let mut problems: Vec<Problem> = refused.into_values().collect();
        let folders = opened.unwrap_or_else(|texts| {
            problems.extend(texts.into_iter().map(Problem::around));
            Folders::default()
        });
        let mut generations = BTreeMap::new();
        while let Some(joined) = loading.join_next().await {
            match joined {
                Ok(Ok((handler, generation))) => {
                    generations.insert(handler.name.clone(), (handler, generation));
                }
                Ok(Err(problem)) => problems.push(problem),
                Err(error) => problems.push(Problem::around(format!("the host panicked: {error}"))),
            }
        }
        problems.sort_by(|a, b| a.text.cmp(&b.text));
        (Loaded { generations, folders }, problems)
    }

    async fn load(
        &self,
        handler: &Arc<Handler>,
        config: &HandlerConfig,
        size: Size,
    ) -> Result<Arc<Generation>, LoadError> {
        let (bytes, given) = self.read(config, size).await?;
        self.make(handler, config, bytes, given?).await
    }

    /// Reads the handler's file of at most `size`, and then what it is given.
    pub(super) async fn read(
        &self,
        config: &HandlerConfig,
        size: Size,
    ) -> Result<(Vec<u8>, Result<Given, LoadError>), LoadError> {
        let config = config.clone();
        blocking(move || {
            let bytes = read_component(&config.component, size)?;
            Ok((bytes, Given::read(&config).map_err(LoadError::Grant)))
        })
        .await
    }

    /// Makes a generation of a component's bytes.
    pub(super) async fn make(
        &self,
        handler: &Arc<Handler>,
        config: &HandlerConfig,
        bytes: Vec<u8>,
        given: Given,
    ) -> Result<Arc<Generation>, LoadError> {
        let (loader, size) = (self.runtime.loader.clone(), bytes.len());
        let notice = self.limits.now().compile_notice;
        let mut compiling = std::pin::pin!(blocking(move || Ok(loader.load(&bytes)?)));
        let component = tokio::select! {
            component = &mut compiling => component,
            () = sleep(notice) => {
                let notice = notice.as_millis();
                tracing::info!(handler = %handler.name, bytes = size, "still compiling after {notice} ms; until it is done nothing changes");
                compiling.await
            }
        };
        self.prepare(handler, config, component?, given).await
    }

    /// Gives a component its grants and limits, and tries it.
    pub(super) async fn prepare(
        &self,
        handler: &Arc<Handler>,
        config: &HandlerConfig,
        component: Component,
        given: Given,
    ) -> Result<Arc<Generation>, LoadError> {
        let folders = config.grants.folders.clone();
        let opening = move || GrantedFolders::open(&folders).map_err(LoadError::Grant);
        let folders = blocking(opening).await?;
        let buckets =
            self.state.buckets(&handler.name, config, &component.shape, &handler.meter).await?;
        let number = handler.next_generation();
        let private = config.grants.outbound_private.clone();
        let outbound = config.grants.outbound.clone().with_private(private.clone());
        let blueprint = Blueprint {
            handler: handler.name.clone(),
            generation: number,
            limits: config.limits.clone(),
            values: Arc::new(given.values.0.clone().into_iter().collect()),
            environment: given.values.0.clone().into_iter().collect(),
            folders,
            buckets: buckets.clone(),
            tcp: Arc::new(config.grants.outbound_tcp.clone().with_private(private)),
            signing: given.signing.keys(),
            upstream: Arc::new(Upstream::new(
                outbound,
                &config.limits,
                self.outbound_open.clone(),
                handler.meter.outbound_connections.clone(),
                Arc::new(SystemResolver),
                self.trust.with(&given.roots),
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
        let generation = Generation::new(
            number,
            component,
            config.clone(),
            given,
            buckets,
            handler.clone(),
            pool,
        );
        if let Some(path) = &config.health {
            check_health(&generation, path)
                .await
                .map_err(|problem| LoadError::Health { path: path.clone(), problem })?;
        }
        Ok(generation)
    }
}

/// What is wrong with what the handlers of a config may write: of all of them, as one
/// that did not change could write what is new.
fn out_of_reach(config: &Config) -> BTreeMap<HandlerName, Problem> {
    let precious = Precious::of(config);
    let check = |(name, handler): (&HandlerName, &HandlerConfig)| {
        let error = precious.check(handler).err()?;
        Some((name.clone(), Problem::of(name, handler, &error)))
    };
    config.handlers.iter().filter_map(check).collect()
}

async fn check_health(generation: &Generation, path: &str) -> Result<(), String> {
    let request = Request::get(format!("http://localhost{path}")).body(Body::empty());
    let request = request.map_err(|e| e.to_string())?;
    let told = Told::by_host(RequestId::next());
    let response =
        generation.answer(told, request, Instant::now(), None).await.map_err(|f| f.to_string())?;
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

/// Runs work that takes long on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    match SITE.run(work).await {
        Ok(done) => done,
        Err(error) => Err(LoadError::Refused(Refused::Host(format!("the host panicked: {error}")))),
    }
}
