//! A look at the config: the whole of it or nothing. The files of a folder that has none
//! are each for itself.
//!
//! It goes in two steps, so that a handler that loads slowly holds up nobody but
//! the config that names it: reading, which tells what must be loaded, and loading.

use super::super::handler::{Generation, Handler};
use super::super::load::{Loaded, Workshop};
use super::super::refusal::{Blame, Problem};
use super::super::registry::{Registry, Site};
use super::depends::{Dependency, Marks};
use super::handler_depends;
use super::look::{Look, Looked};
use super::refused::Failure;
use super::summary::{StaticFolders, summary};
use crate::config::{Config, HandlerConfig, Reading, Source};
use crate::id::HandlerName;
use crate::limits::{ServerLimits, Size};
use crate::offload::SITE;
use std::sync::Arc;

/// What the config says now.
pub(super) struct Read {
    pub(super) marks: Marks,
    pub(super) plan: Result<Plan, Failure>,
}

/// What to do about it.
pub(super) enum Plan {
    /// It says what is served already.
    Nothing,
    Load(Draft),
}

/// A config that is good as far as it can be told without loading.
pub(super) struct Draft {
    served: Arc<Config>,
    folders: StaticFolders,
    config: Arc<Config>,
    /// Those that are new or whose part has changed.
    wanted: Vec<(Arc<Handler>, HandlerConfig)>,
    limits: Arc<ServerLimits>,
    parts: Parts,
}

/// What it means for the rest that a part cannot be served.
enum Parts {
    /// The parts of a config belong together.
    Together,
    /// Each is for itself, and these are not even parts.
    Apart(Vec<Problem>),
}

/// A config whose handlers have been loaded.
pub(super) struct Ready {
    pub(super) config: Arc<Config>,
    pub(super) loaded: Loaded,
    /// Of the server.
    pub(super) limits: Arc<ServerLimits>,
    pub(super) summary: String,
    pub(super) left_out: Option<LeftOut>,
}

/// The parts that cannot be served.
pub(super) struct LeftOut {
    pub(super) failure: Failure,
    /// The files of those parts.
    pub(super) depends: Vec<Dependency>,
}

/// Reads the config.
pub(super) async fn read(look: Look, source: Source, registry: Arc<Registry>) -> Looked<Read> {
    let reading = SITE.run(move || {
        let marks = match look.glance() {
            Looked::Judged(marks) => marks,
            Looked::Growing(marks) => return Looked::Growing(marks),
            Looked::Nothing => return Looked::Nothing,
        };
        let site = registry.site().clone();
        let keep: Vec<HandlerName> =
            site.handlers().map(|(handler, _)| handler.name.clone()).collect();
        let plan = match (source.read(&keep), &source) {
            (Ok(Reading { config, problems }), Source::Folder(_)) => {
                let problems = problems.into_iter().map(Problem::of_name).collect();
                plan(config, Parts::Apart(problems), &site, &registry)
            }
            (Ok(Reading { config, problems }), _) if problems.is_empty() => {
                plan(config, Parts::Together, &site, &registry)
            }
            (Ok(Reading { problems, .. }), _) => Err(refused(&problems.join("; "))),
            (Err(error), _) => Err(refused(&format!("{error:#}"))),
        };
        Looked::Judged(Read { marks, plan })
    });
    reading.await.unwrap_or(Looked::Nothing)
}

/// Loads what a draft wants.
pub(super) async fn load(draft: Draft, workshop: Workshop) -> Result<Ready, Failure> {
    let Draft { served, folders, mut config, wanted, limits, parts } = draft;
    let (loaded, mut problems) = workshop.load_all(wanted.clone(), config.clone()).await;
    match parts {
        Parts::Together if !problems.is_empty() => return Err(failure(&problems)),
        Parts::Together => {}
        Parts::Apart(others) => problems.extend(others),
    }
    let left_out = (!problems.is_empty()).then(|| {
        let is_left_out =
            |(handler, _): &&(Arc<Handler>, _)| !loaded.generations.contains_key(&handler.name);
        let left_out: Vec<_> = wanted.iter().filter(is_left_out).collect();
        let names: Vec<_> = left_out.iter().map(|(handler, _)| handler.name.clone()).collect();
        config = Arc::new(config.without(&names));
        let depends = left_out.iter().flat_map(|(_, config)| handler_depends(config)).collect();
        LeftOut { failure: failure(&problems), depends }
    });
    let summary = summary(&served, &config, folders);
    Ok(Ready { config, loaded, limits, summary, left_out })
}

impl Draft {
    /// The handlers that it loads.
    pub(super) fn handlers(&self) -> impl Iterator<Item = &HandlerName> {
        self.wanted.iter().map(|(handler, _)| &handler.name)
    }

    /// The files that have a say in whether it can be loaded.
    pub(super) fn depends(&self) -> Vec<Dependency> {
        let handlers = self.wanted.iter().flat_map(|(_, config)| handler_depends(config));
        let folders = self.config.static_folders();
        handlers.chain(folders.map(|folder| Dependency::Place(folder.to_owned()))).collect()
    }
}

impl Ready {
    /// Whether it differs from what is served.
    pub(super) fn is_news(&self) -> bool {
        !self.summary.is_empty()
    }

    /// The site that follows `current`. Handlers whose part did not change keep the
    /// generation that serves now, which may be newer than the draft.
    pub(super) fn site(&self, current: &Site) -> anyhow::Result<Site> {
        let of = |name| {
            let loaded = self.loaded.generations.get(name).cloned();
            loaded.or_else(|| current.find(name).map(|(h, g)| (h.clone(), g.clone())))
        };
        let generations: Vec<(Arc<Handler>, Arc<Generation>)> =
            self.config.handlers.keys().filter_map(of).collect();
        Site::new(self.config.clone(), generations, &self.loaded.folders)
    }
}

/// A config that cannot be read as one.
fn refused(reason: &str) -> Failure {
    Failure { reason: reason.replace('\n', "; "), blame: Blame::Surroundings, content: None }
}

fn plan(config: Config, parts: Parts, site: &Site, registry: &Registry) -> Result<Plan, Failure> {
    if let Some(key) = fixed_part(&site.config, &config) {
        return Err(of_content(format!("`{key}` cannot change while the server runs; restart it")));
    }
    let limits = registry.limits.possible(&config.limits).map_err(|e| of_content(e.to_string()))?;
    above_the_ceiling(&config, registry.limits.now().memory_ceiling)?;
    let folders = match site.folders_are_current() {
        true => StaticFolders::Current,
        false => StaticFolders::Replaced,
    };
    let has_problems = matches!(&parts, Parts::Apart(problems) if !problems.is_empty());
    if config == *site.config && folders == StaticFolders::Current && !has_problems {
        return Ok(Plan::Nothing);
    }
    let is_served = |name: &HandlerName, config: &HandlerConfig| {
        site.find(name).is_some_and(|(_, generation)| generation.config == *config)
    };
    let wanted = config.handlers.iter().filter(|(name, config)| !is_served(name, config));
    let wanted = wanted.map(|(name, config)| (registry.handler(name), config.clone())).collect();
    let served = site.config.clone();
    Ok(Plan::Load(Draft { served, folders, config: Arc::new(config), wanted, limits, parts }))
}

/// What was settled when the process started.
fn fixed_part(old: &Config, new: &Config) -> Option<&'static str> {
    let parts = [
        ("server.listen", old.listen != new.listen),
        ("server.admin", old.admin != new.admin),
        ("server.trusted_proxies", old.trusted_proxies != new.trusted_proxies),
        ("server.access_log", old.access_log != new.access_log),
        ("server.state", old.state != new.state),
    ];
    parts.into_iter().find(|(_, changed)| *changed).map(|(key, _)| key)
}

/// Instances have no more room than the pool that was made at the start.
fn above_the_ceiling(config: &Config, ceiling: Size) -> Result<(), Failure> {
    let above = config.handlers.iter().find(|(_, handler)| handler.limits.memory > ceiling);
    let Some((name, HandlerConfig { limits, .. })) = above else { return Ok(()) };
    Err(of_content(format!(
        "handler `{name}`: `memory` is {}, and `memory_ceiling` stays {ceiling} until a restart",
        limits.memory
    )))
}

fn of_content(reason: String) -> Failure {
    Failure { reason, blame: Blame::Content, content: None }
}

/// All problems as one. Waiting is worth while if it may help with any of them, and
/// patience if any looks unfinished.
fn failure(problems: &[Problem]) -> Failure {
    let texts: Vec<&str> = problems.iter().map(|problem| problem.text.as_str()).collect();
    let blame = problems.iter().map(|problem| problem.blame).max().unwrap_or(Blame::Content);
    Failure { reason: texts.join("; "), blame, content: None }
}
