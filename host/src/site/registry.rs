//! The current site, replaced as a whole. A request takes one snapshot and keeps
//! what it needs of it, so no replacement changes what a running request sees.

use super::handler::{Generation, Handler};
use super::status::ReloadLog;
use crate::config::{Config, Target};
use crate::files::Files;
use crate::id::HandlerName;
use crate::limits::{LiveLimits, ServerLimits};
use crate::route::{RouteKey, Routes};
use anyhow::{Context, Result};
use arc_swap::{ArcSwap, Guard};
use http::{HeaderValue, StatusCode};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Everything that is served at one moment. Immutable.
#[derive(Debug)]
pub struct Site {
    pub routes: Arc<Routes<Goal>>,
    pub config: Arc<Config>,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    handler: Arc<Handler>,
    generation: Arc<Generation>,
}

/// Where a route leads, ready to go there.
#[derive(Debug)]
pub enum Goal {
    Handler {
        index: usize,
        /// The mount, as the guest is told it; `None` at the root.
        base: Option<HeaderValue>,
    },
    Files {
        files: Files,
        base: String,
    },
    Redirect {
        to: String,
        status: StatusCode,
    },
    Status(StatusCode),
}

impl Site {
    /// Puts a site together. `generations` has one for each handler of `config`,
    /// `folders` each of its static folders.
    pub(super) fn new(
        config: Arc<Config>,
        generations: Vec<(Arc<Handler>, Arc<Generation>)>,
        folders: &Folders,
    ) -> Result<Self> {
        let entries: Vec<Entry> = generations
            .into_iter()
            .map(|(handler, generation)| Entry { handler, generation })
            .collect();
        let goal = |(key, target): &(RouteKey, Target)| -> Result<(RouteKey, Goal)> {
            Ok((key.clone(), goal(key, target, &entries, folders)?))
        };
        let routes = config.routes.iter().map(goal).collect::<Result<_>>()?;
        Ok(Site { routes: Arc::new(Routes::new(routes)?), config, entries })
    }

    pub fn generation(&self, index: usize) -> Option<&Arc<Generation>> {
        self.entries.get(index).map(|entry| &entry.generation)
    }

    /// Whether each static folder is still the one of its name. One whose name leads
    /// nowhere is: it serves until there is another. Blocks.
    pub(super) fn folders_are_current(&self) -> bool {
        self.routes.targets().all(|goal| match goal {
            Goal::Files { files, .. } => files.is_current(),
            _ => true,
        })
    }

    pub fn handlers(&self) -> impl Iterator<Item = (&Arc<Handler>, &Arc<Generation>)> {
        self.entries.iter().map(|entry| (&entry.handler, &entry.generation))
    }

    pub(super) fn find(&self, name: &HandlerName) -> Option<(&Arc<Handler>, &Arc<Generation>)> {
        self.handlers().find(|(handler, _)| handler.name == *name)
    }

    /// The same site with another generation of one handler.
    fn with(&self, generation: Arc<Generation>) -> Self {
        let mut entries = self.entries.clone();
        for entry in &mut entries {
            if entry.handler.name == *generation.handler() {
                entry.generation = generation.clone();
            }
        }
        Site { routes: self.routes.clone(), config: self.config.clone(), entries }
    }
}

fn goal(key: &RouteKey, target: &Target, entries: &[Entry], folders: &Folders) -> Result<Goal> {
    let base = key.path.base();
    Ok(match target {
        Target::Handler(name) => Goal::Handler {
            index: entries
                .iter()
                .position(|entry| entry.handler.name == *name)
                .with_context(|| format!("there is no handler `{name}`"))?,
            base: (!base.is_empty()).then(|| HeaderValue::from_str(base)).transpose()?,
        },
        Target::Static(folder) => {
            let files = folders.0.get(folder).cloned();
            let files = files.with_context(|| format!("`{}` is not open", folder.display()))?;
            Goal::Files { files, base: base.to_owned() }
        }
        Target::Redirect { to, status } => Goal::Redirect { to: to.clone(), status: *status },
        Target::Status(status) => Goal::Status(*status),
    })
}

/// The static folders of a site, open.
#[derive(Clone, Debug, Default)]
pub(super) struct Folders(BTreeMap<PathBuf, Files>);

impl Folders {
    /// Opens the folders of `config`, or says what is wrong with each that cannot be
    /// opened. Blocks.
    pub(super) fn open(config: &Config) -> Result<Self, Vec<String>> {
        let mut open = BTreeMap::new();
        let mut problems = Vec::new();
        for folder in config.static_folders() {
            match Files::open(folder) {
                Ok(files) => drop(open.insert(folder.to_owned(), files)),
                Err(error) => problems.push(format!("{error:#}")),
            }
        }
        if problems.is_empty() { Ok(Folders(open)) } else { Err(problems) }
    }
}

/// Holds the current site, and knows the generations that still drain.
#[derive(Debug)]
pub struct Registry {
    site: ArcSwap<Site>,
    /// All that there have been: one that comes back goes on counting where it
    /// stopped, so that no number of a generation is used twice.
    handlers: Mutex<BTreeMap<HandlerName, Arc<Handler>>>,
    /// One change at a time.
    changing: Mutex<()>,
    draining: Mutex<Vec<Weak<Generation>>>,
    /// The reloads of the config.
    pub config: ReloadLog,
    /// The limits of the server, which come and go with the config of the site.
    pub limits: LiveLimits,
}

impl Registry {
    pub fn new(site: Site, limits: LiveLimits) -> Arc<Self> {
        let handlers = site.handlers().map(|(handler, _)| (handler.name.clone(), handler.clone()));
        site.handlers().for_each(|(_, generation)| generation.buckets.serve());
        Arc::new(Registry {
            handlers: Mutex::new(handlers.collect()),
            site: ArcSwap::from_pointee(site),
            changing: Mutex::default(),
            draining: Mutex::default(),
            config: ReloadLog::default(),
            limits,
        })
    }

    /// The site as it is now. Cheap; do not hold it across an await.
    pub fn site(&self) -> Guard<Arc<Site>> {
        self.site.load()
    }

    /// The handler of this name, whether or not it is part of the site.
    pub(super) fn handler(&self, name: &HandlerName) -> Arc<Handler> {
        let mut handlers = self.handlers.lock();
        handlers.entry(name.clone()).or_insert_with(|| Handler::new(name.clone())).clone()
    }

    /// All handlers that there have been. Requests of one that is gone may still run.
    pub fn handlers(&self) -> Vec<Arc<Handler>> {
        let handlers = self.handlers.lock();
        handlers.values().cloned().collect()
    }

    /// Swaps one generation in. Returns false if its handler is gone.
    pub(super) fn swap_generation(&self, generation: Arc<Generation>) -> bool {
        let _one = self.changing.lock();
        let old = self.site.load_full();
        let Some((_, replaced)) = old.find(generation.handler()) else { return false };
        let replaced = replaced.clone();
        generation.buckets.serve();
        self.site.store(Arc::new(old.with(generation)));
        drop(old);
        self.drain(replaced);
        true
    }

    /// Swaps the whole site, and the limits of the server. Generations that the new one
    /// does not have drain.
    pub(super) fn swap_site(&self, site: Site, limits: Arc<ServerLimits>) {
        let _one = self.changing.lock();
        let kept: Vec<Arc<Generation>> = site.handlers().map(|(_, g)| g.clone()).collect();
        kept.iter().for_each(|generation| generation.buckets.serve());
        let old = self.site.swap(Arc::new(site));
        self.limits.set(limits);
        for (_, generation) in old.handlers() {
            if !kept.iter().any(|kept| Arc::ptr_eq(kept, generation)) {
                self.drain(generation.clone());
            }
        }
    }

    /// Replaced generations that still serve somebody.
    pub fn draining(&self) -> Vec<Arc<Generation>> {
        let draining = self.draining.lock();
        draining.iter().filter_map(Weak::upgrade).filter(|g| g.pool.instances() > 0).collect()
    }

    /// Lets a replaced generation finish what it has, for as long as it may. Its
    /// memory is free once the last request has let go of it.
    fn drain(&self, generation: Arc<Generation>) {
        generation.pool.retire();
        let weak = Arc::downgrade(&generation);
        let mut draining = self.draining.lock();
        draining.retain(|weak| weak.strong_count() > 0);
        draining.push(weak.clone());
        drop(draining);
        tokio::spawn(cut_after(weak, generation.limits.drain));
    }
}

async fn cut_after(generation: Weak<Generation>, deadline: Duration) {
    tokio::time::sleep(deadline).await;
    let Some(generation) = generation.upgrade() else { return };
    let instances = generation.pool.instances();
    if instances > 0 {
        tracing::warn!(
            handler = %generation.handler(),
            generation = %generation.number,
            instances,
            "the replaced generation did not finish in {} ms; cutting it",
            deadline.as_millis()
        );
        generation.pool.cut();
    }
}
