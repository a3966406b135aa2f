//! Keeps the site up to date with its files: notices that one changed, lets it
//! settle, judges it, and swaps in what is good. What is bad is reported once and
//! changes nothing; if it may become good without a sign, it is tried again.
//!
//! Everything that blocks or takes long is a job; the task itself only decides.

mod component;
mod conclude;
mod config;
mod depends;
mod look;
mod refused;
mod summary;
mod survey;
mod watched;

use super::load::Workshop;
use super::registry::Registry;
use super::watch::{FolderWatch, Noticed};
use crate::config::{Config, HandlerConfig, Source};
use crate::id::HandlerName;
use crate::meter::ServerMeter;
use crate::offload::SITE;
use component::Examined;
use config::{Read, Ready};
use depends::{Dependency, Marks};
use futures_util::FutureExt;
use look::Looked;
use refused::Failure;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;
use survey::{Interest, Surveyed, survey};
use tokio::sync::{Notify, mpsc};
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep_until};
use watched::{Urge, Watched};

/// What is kept up to date.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Config,
    Handler(HandlerName),
}

/// The one task that changes what is served.
#[derive(Debug)]
pub struct Reloader {
    registry: Arc<Registry>,
    workshop: Workshop,
    source: Source,
    meter: Arc<ServerMeter>,
    wanted: Arc<Notify>,
    subjects: BTreeMap<Subject, Watched>,
    /// Handlers that a new config is loading: it decides what they will be.
    claimed: BTreeSet<Subject>,
    /// A config that is being loaded.
    loading: Option<Loading>,
    interest: Interest,
    surveying: Surveying,
    /// `None` while a survey has it, and where there is none.
    watch: Option<FolderWatch>,
    work: JoinSet<Done>,
    running: HashMap<Id, Job>,
}

#[derive(Debug)]
enum Surveying {
    At(Instant),
    UnderWay { again: bool },
}

#[derive(Debug)]
struct Loading {
    began: Instant,
    /// Of the config when it was read.
    marks: Marks,
    /// What has a say in whether it can be loaded.
    depends: Vec<Dependency>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Job {
    Survey,
    Look(Subject),
}

/// A job that has ended.
enum Done {
    Survey(Surveyed),
    Component(HandlerName, Looked<Examined>),
    Config(Looked<Read>),
    Load(Result<Ready, Failure>),
}

impl Reloader {
    /// Looks at everything whenever `wanted` is notified, besides looking at what
    /// seems to have changed.
    pub(crate) fn new(
        registry: Arc<Registry>,
        workshop: Workshop,
        source: Source,
        meter: Arc<ServerMeter>,
        wanted: Arc<Notify>,
    ) -> Self {
        let mut reloader = Reloader {
            registry,
            workshop,
            source,
            meter,
            wanted,
            subjects: BTreeMap::new(),
            claimed: BTreeSet::new(),
            loading: None,
            interest: Interest::default(),
            surveying: Surveying::At(Instant::now()),
            watch: None,
            work: JoinSet::new(),
            running: HashMap::new(),
        };
        reloader.follow_site();
        reloader
    }

    /// Runs until it is dropped. Without file events it still polls.
    pub async fn run(self) {
        let registry = self.registry.clone();
        if AssertUnwindSafe(self.keep_current()).catch_unwind().await.is_err() {
            let trouble = "the reloader panicked; nothing is reloaded until a restart";
            registry.config.failed("rejected", trouble, Duration::ZERO);
            tracing::error!("{trouble}");
        }
    }

    async fn keep_current(mut self) {
        let mut events = match FolderWatch::new() {
            Ok((watch, events)) => {
                self.watch = Some(watch);
                events
            }
            Err(error) => {
                tracing::warn!(cause = format!("{error:#}"), "watching by polling only");
                mpsc::channel(1).1
            }
        };
        loop {
            self.start_due();
            let due = self.next_due();
            tokio::select! {
                Some(noticed) = events.recv() => self.notice(&noticed),
                () = self.wanted.notified() => self.look_at_all(),
                Some(ended) = self.work.join_next_with_id() => self.finish(ended),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    /// One state for the config and each handler of the site, keeping those that are
    /// known.
    fn follow_site(&mut self) {
        let site = self.registry.site().clone();
        let mut known = std::mem::take(&mut self.subjects);
        let mut follow = |subject: Subject, depends: Vec<Dependency>| {
            let watched = match known.remove(&subject) {
                Some(mut watched) => {
                    watched.depend_on(depends);
                    watched
                }
                None => Watched::new(depends),
            };
            self.subjects.insert(subject, watched);
        };
        follow(Subject::Config, config_depends(&self.source, &site.config));
        for (handler, generation) in site.handlers() {
            let depends = handler_depends(&generation.config).collect();
            follow(Subject::Handler(handler.name.clone()), depends);
        }
        self.survey_soon();
    }

    /// Something is to be watched that the last survey did not know.
    fn survey_soon(&mut self) {
        match &mut self.surveying {
            Surveying::At(at) => *at = Instant::now(),
            Surveying::UnderWay { again } => *again = true,
        }
    }

    fn notice(&mut self, noticed: &Noticed) {
        match noticed {
            Noticed::Anything => self.survey_soon(),
            Noticed::Paths(paths) => {
                for subject in paths.iter().flat_map(|path| self.interest.in_event(path)) {
                    if let Some(watched) = self.subjects.get_mut(subject) {
                        watched.touch();
                    }
                }
            }
        }
    }

    fn look_at_all(&mut self) {
        tracing::info!("reloading on request");
        for watched in self.subjects.values_mut() {
            watched.force(Urge::Person);
        }
    }

    /// When something is to be done that no event will tell of.
    fn next_due(&self) -> Option<Instant> {
        let settle = self.registry.limits.now().settle;
        let looks = self.subjects.iter().filter_map(|(subject, watched)| {
            watched.due(settle).filter(|_| !self.claimed.contains(subject))
        });
        let survey = match self.surveying {
            Surveying::At(at) => Some(at),
            Surveying::UnderWay { .. } => None,
        };
        looks.chain(survey).min()
    }

    fn start_due(&mut self) {
        let now = Instant::now();
        if matches!(self.surveying, Surveying::At(at) if at <= now) {
            self.start_survey();
        }
        let site = self.registry.site().clone();
        let settle = self.registry.limits.now().settle;
        for (subject, watched) in &mut self.subjects {
            let is_due = watched.due(settle).is_some_and(|due| due <= now);
            if !is_due || self.claimed.contains(subject) {
                continue;
            }
            let handle = match subject {
                Subject::Config => {
                    let read =
                        config::read(watched.start(), self.source.clone(), self.registry.clone());
                    self.work.spawn(async move { Done::Config(read.await) })
                }
                Subject::Handler(name) => {
                    let Some((handler, generation)) = site.find(name) else { continue };
                    let examine = component::examine(
                        watched.start(),
                        self.workshop.clone(),
                        handler.clone(),
                        generation.clone(),
                        site.config.clone(),
                    );
                    let name = name.clone();
                    self.work.spawn(async move { Done::Component(name, examine.await) })
                }
            };
            self.running.insert(handle.id(), Job::Look(subject.clone()));
        }
    }

    fn start_survey(&mut self) {
        let watch = self.watch.take();
        let subjects: Vec<_> = self
            .subjects
            .iter()
            .map(|(subject, watched)| (subject.clone(), watched.depends().to_vec()))
            .collect();
        let surveyed = SITE.run(move || survey(subjects, watch));
        let job = self.work.spawn(async move {
            let surveyed = surveyed.await;
            Done::Survey(surveyed.unwrap_or_else(|panicked| resume_unwind(panicked.into_panic())))
        });
        self.running.insert(job.id(), Job::Survey);
        self.surveying = Surveying::UnderWay { again: false };
    }
}

/// What a handler depends on, apart from the config.
fn handler_depends(config: &HandlerConfig) -> impl Iterator<Item = Dependency> {
    let files = config.files().map(|file| Dependency::File(file.to_owned()));
    let folders = config.grants.folders.iter();
    files.chain(folders.map(|folder| Dependency::Place(folder.host.clone())))
}

/// What the config depends on. That of one component is made up, and of nothing.
fn config_depends(source: &Source, config: &Config) -> Vec<Dependency> {
    let folders = config.static_folders().map(|folder| Dependency::Place(folder.to_owned()));
    match source {
        Source::File(file) => folders.chain([Dependency::File(file.clone())]).collect(),
        Source::Folder(folder) => vec![Dependency::Listing(folder.clone())],
        Source::Component(_) => Vec::new(),
    }
}
