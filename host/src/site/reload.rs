//! Keeps the site up to date with its files: notices that one changed, lets it
//! settle, judges it, and swaps in what is good. What is bad is reported once and
//! changes nothing.

mod apply;
mod file;

use super::handler::{Generation, Handler};
use super::load::{LoadError, Workshop, describe};
use super::registry::Registry;
use super::watch::{FolderWatch, Noticed, folders_of};
use crate::config::Source;
use crate::id::HandlerName;
use crate::limits::ServerLimits;
use crate::meter::ServerMeter;
use apply::Applied;
use file::{Examined, FileState};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// What the reloader can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Look at everything now, whatever the file system has told.
    Now,
}

/// The one task that changes what is served.
#[derive(Debug)]
pub struct Reloader {
    registry: Arc<Registry>,
    workshop: Workshop,
    source: Source,
    limits: ServerLimits,
    meter: Arc<ServerMeter>,
    commands: mpsc::Receiver<Reload>,
    files: BTreeMap<HandlerName, FileState>,
    config: FileState,
}

/// A piece of work that is under way.
enum Done {
    Component(HandlerName, Examined),
    Config(Applied),
}

/// While files keep changing, they are looked at after this many settle times all
/// the same: a storm of saves must not keep the last good version from serving.
const MAX_SETTLES: u32 = 10;

impl Reloader {
    pub(crate) fn new(
        registry: Arc<Registry>,
        workshop: Workshop,
        source: Source,
        limits: &ServerLimits,
        meter: Arc<ServerMeter>,
        commands: mpsc::Receiver<Reload>,
    ) -> Self {
        let config = FileState::new(source.path().to_owned());
        let mut reloader = Reloader {
            registry,
            workshop,
            source,
            limits: limits.clone(),
            meter,
            commands,
            files: BTreeMap::new(),
            config,
        };
        reloader.follow_site();
        reloader
    }

    /// Runs until it is dropped. Without file events it still polls.
    pub async fn run(mut self) {
        let mut watch = FolderWatch::new()
            .map_err(|error| {
                tracing::warn!(cause = format!("{error:#}"), "watching by polling only")
            })
            .ok();
        let mut poll = interval(self.limits.poll);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut work: JoinSet<Done> = JoinSet::new();
        self.watch_files(watch.as_mut());
        loop {
            self.start_due(&mut work);
            let due = self.next_due(&work);
            let noticed = async {
                match &mut watch {
                    Some(watch) => watch.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                noticed = noticed => self.notice(&noticed),
                Some(Reload::Now) = self.commands.recv() => self.look_at_all(),
                _ = poll.tick() => {
                    self.poll();
                    self.watch_files(watch.as_mut());
                }
                Some(done) = work.join_next() => {
                    match done {
                        Ok(done) => self.finish(done),
                        Err(error) => tracing::error!(cause = %error, "a reload panicked"),
                    }
                    self.watch_files(watch.as_mut());
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    /// One state for each handler of the site, keeping those that are known.
    fn follow_site(&mut self) {
        let site = self.registry.site();
        let mut files = BTreeMap::new();
        for (handler, generation) in site.handlers() {
            let path = generation.config.component.clone();
            let known = self.files.remove(&handler.name).filter(|state| state.path == path);
            let mut state = known.unwrap_or_else(|| FileState::new(path));
            state.serves(generation.component.hash);
            files.insert(handler.name.clone(), state);
        }
        drop(site);
        self.files = files;
    }

    fn watch_files(&self, watch: Option<&mut FolderWatch>) {
        let Some(watch) = watch else { return };
        // Of a folder, the files in it are what changes.
        let source: PathBuf = match &self.source {
            Source::Folder(folder) => folder.join("any.wasm"),
            Source::File(file) | Source::Component(file) => file.clone(),
        };
        let files = self.files.values().map(|state| state.path.as_path());
        watch.set(files.chain([source.as_path()]));
    }

    fn notice(&mut self, noticed: &Noticed) {
        let folder_source = matches!(self.source, Source::Folder(_));
        match noticed {
            Noticed::Anything => self.poll(),
            Noticed::Paths(paths) => {
                let touches = |file: &Path| {
                    let folders = folders_of(file);
                    paths
                        .iter()
                        .any(|path| folders.iter().any(|f| path.parent() == Some(f) || path == f))
                };
                for state in self.files.values_mut().filter(|state| touches(&state.path)) {
                    state.touch();
                }
                let config = match &self.config.path {
                    folder if folder_source => folder.join("any.wasm"),
                    file => file.clone(),
                };
                if touches(&config) {
                    self.config.touch();
                }
            }
        }
    }

    fn look_at_all(&mut self) {
        tracing::info!("reloading on request");
        for state in self.files.values_mut().chain([&mut self.config]) {
            state.force();
        }
    }

    fn poll(&mut self) {
        for state in self.files.values_mut() {
            state.poll();
        }
        match &self.source {
            // A new file changes its folder's own times.
            Source::File(_) | Source::Folder(_) => self.config.poll(),
            Source::Component(_) => {}
        }
    }

    /// When the next file has settled; nothing while it is being worked on.
    fn next_due(&self, work: &JoinSet<Done>) -> Option<Instant> {
        let settle = self.limits.settle;
        let files = self.files.values().filter(|state| !state.busy);
        let due = files.filter_map(|state| state.due(settle, MAX_SETTLES));
        let config = self.config.due(settle, MAX_SETTLES).filter(|_| work.is_empty());
        if self.config.busy { None } else { due.chain(config).min() }
    }

    fn start_due(&mut self, work: &mut JoinSet<Done>) {
        if self.config.busy {
            return;
        }
        let now = Instant::now();
        let settle = self.limits.settle;
        let is_due =
            |state: &FileState| state.due(settle, MAX_SETTLES).is_some_and(|due| due <= now);
        if is_due(&self.config) {
            // The config decides which handlers there are: it waits until nothing
            // else is under way, and then goes first.
            if work.is_empty() {
                self.config.start();
                let apply =
                    apply::run(self.source.clone(), self.workshop.clone(), self.registry.clone());
                work.spawn(async move { Done::Config(apply.await) });
            }
            return;
        }
        let site = self.registry.site();
        for (name, state) in &mut self.files {
            if state.busy || !is_due(state) {
                continue;
            }
            let Some((handler, generation)) = site.find(name) else { continue };
            let examine = state.start().examine(
                self.workshop.clone(),
                handler.clone(),
                generation.config.clone(),
                generation.number,
                self.limits.compile_notice,
            );
            let name = name.clone();
            work.spawn(async move { Done::Component(name, examine.await) });
        }
    }

    fn finish(&mut self, done: Done) {
        match done {
            Done::Component(name, examined) => self.finish_component(&name, examined),
            Done::Config(applied) => self.finish_config(applied),
        }
    }

    fn finish_component(&mut self, name: &HandlerName, examined: Examined) {
        let site = self.registry.site();
        let Some((handler, current)) = site.find(name).map(|(h, g)| (h.clone(), g.clone())) else {
            return;
        };
        drop(site);
        let Some(state) = self.files.get_mut(name) else { return };
        let took = examined.took;
        match state.conclude(examined) {
            file::Verdict::Nothing => {}
            file::Verdict::Unchanged => {
                handler.meter.reloads.count("unchanged");
                if handler.reloads.trouble().is_some() {
                    handler.reloads.recovered();
                    tracing::info!(handler = %name, generation = %current.number, "the file is again the one that serves");
                }
            }
            file::Verdict::Swap(generation) => self.swap(&handler, &current, generation, took),
            file::Verdict::Refuse(error) => refuse(&handler, &current, &state.path, &error, took),
        }
    }

    fn swap(
        &self,
        handler: &Handler,
        current: &Generation,
        generation: Arc<Generation>,
        took: Duration,
    ) {
        handler.reloads.succeeded(&generation, took);
        handler.meter.reloads.count("ok");
        tracing::info!(
            handler = %handler.name,
            generation = %generation.number,
            replaces = %current.number,
            took_ms = took.as_millis(),
            "swapped"
        );
        self.registry.swap_generation(generation);
    }

    fn finish_config(&mut self, applied: Applied) {
        self.config.finished();
        match applied {
            Applied::Unchanged => {
                self.meter.config_reloads.count("unchanged");
                self.registry.set_config_trouble(None);
            }
            Applied::Site { site, summary } => {
                self.registry.swap_site(site);
                self.registry.set_config_trouble(None);
                self.meter.config_reloads.count("ok");
                tracing::info!("config reloaded: {summary}");
                self.follow_site();
            }
            Applied::Refused(reason) => {
                // The same refusal again is no news.
                if self.registry.config_trouble().as_ref() != Some(&reason) {
                    self.meter.config_reloads.count("rejected");
                    tracing::error!("config refused, the old one stays: {reason}");
                    self.registry.set_config_trouble(Some(reason));
                }
            }
        }
    }
}

fn refuse(handler: &Handler, current: &Generation, path: &Path, error: &LoadError, took: Duration) {
    let result = if matches!(error, LoadError::Missing) { "missing" } else { "rejected" };
    handler.meter.reloads.count(result);
    handler.reloads.failed(result, &error.to_string(), took);
    tracing::error!(
        generation = %current.number,
        "reload {result}, generation {} keeps serving: {}",
        current.number,
        describe(&handler.name, &path.display().to_string(), error)
    );
}
