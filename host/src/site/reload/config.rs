//! A look at the config: the whole of it or nothing.
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
use crate::config::{Config, HandlerConfig, Source};
use crate::id::HandlerName;
use crate::limits::{ServerLimits, Size};
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
    config: Arc<Config>,
    /// Those that are new or whose part has changed.
    wanted: Vec<(Arc<Handler>, HandlerConfig)>,
    limits: Arc<ServerLimits>,
    summary: String,
}

/// A config whose handlers have been loaded.
pub(super) struct Ready {
    pub(super) config: Arc<Config>,
    pub(super) loaded: Loaded,
    /// Of the server.
    pub(super) limits: Arc<ServerLimits>,
    pub(super) summary: String,
}

/// Reads the config.
pub(super) async fn read(look: Look, source: Source, registry: Arc<Registry>) -> Looked<Read> {
    let reading = tokio::task::spawn_blocking(move || {
        let marks = match look.glance() {
            Looked::Judged(marks) => marks,
            Looked::Growing(marks) => return Looked::Growing(marks),
            Looked::Nothing => return Looked::Nothing,
        };
        let site = registry.site().clone();
        let keep: Vec<HandlerName> =
            site.handlers().map(|(handler, _)| handler.name.clone()).collect();
        let plan = match source.load(&keep) {
            Ok(config) => plan(config, &site, &registry),
            Err(error) => Err(Failure {
                reason: format!("{error:#}").replace('\n', "; "),
                blame: Blame::Surroundings,
                content: None,
            }),
        };
        Looked::Judged(Read { marks, plan })
    });
    reading.await.unwrap_or(Looked::Nothing)
}

/// Loads what a draft wants.
pub(super) async fn load(draft: Draft, workshop: Workshop) -> Result<Ready, Failure> {
    let Draft { config, wanted, limits, summary } = draft;
    match workshop.load_all(wanted, config.clone()).await {
        Ok(loaded) => Ok(Ready { config, loaded, limits, summary }),
        Err(problems) => Err(failure(&problems)),
    }
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

fn plan(config: Config, site: &Site, registry: &Registry) -> Result<Plan, Failure> {
    if let Some(key) = fixed_part(&site.config, &config) {
        return Err(of_content(format!("`{key}` cannot change while the server runs; restart it")));
    }
    let limits = registry.limits.possible(&config.limits).map_err(|e| of_content(e.to_string()))?;
    above_the_ceiling(&config, registry.limits.now().memory_ceiling)?;
    let same_folders = site.folders_are_current();
    if config == *site.config && same_folders {
        return Ok(Plan::Nothing);
    }
    let (mut wanted, mut new, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for (name, handler_config) in &config.handlers {
        match site.find(name) {
            Some((_, generation)) if generation.config == *handler_config => continue,
            Some(_) => changed.push(name.as_str()),
            None => new.push(name.as_str()),
        }
        wanted.push((registry.handler(name), handler_config.clone()));
    }
    let gone: Vec<&str> = site
        .handlers()
        .map(|(handler, _)| &handler.name)
        .filter(|name| !config.handlers.contains_key(name))
        .map(HandlerName::as_str)
        .collect();
    let mut parts: Vec<String> = [("new", new), ("changed", changed), ("removed", gone)]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(word, names)| format!("{word} {}", names.join(", ")))
        .collect();
    if config.routes != site.config.routes {
        parts.push("routes".into());
    }
    if !same_folders {
        parts.push("static folders".into());
    }
    if config.limits != site.config.limits {
        parts.push("limits of the server".into());
    }
    let summary = parts.join("; ");
    Ok(Plan::Load(Draft { config: Arc::new(config), wanted, limits, summary }))
}

/// What was settled when the process started.
fn fixed_part(old: &Config, new: &Config) -> Option<&'static str> {
    let parts = [
        ("server.listen", old.listen != new.listen),
        ("server.admin", old.admin != new.admin),
        ("server.trusted_proxies", old.trusted_proxies != new.trusted_proxies),
        ("server.access_log", old.access_log != new.access_log),
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
