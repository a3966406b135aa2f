//! What follows from a job that has ended: a swap, a line in the log, another job.

use super::super::handler::{Generation, Handler};
use super::super::read::ReadError;
use super::super::refusal::{Blame, LoadError, Problem};
use super::super::registry::Site;
use super::component::{Examined, Outcome};
use super::config::{self, Draft, LeftOut, Plan, Read, Ready};
use super::depends::{Dependency, Marks};
use super::look::Looked;
use super::refused::{Failure, News};
use super::survey::Surveyed;
use super::watched::Urge;
use super::{Done, Job, Loading, Reloader, Subject, Surveying, config_depends};
use crate::id::HandlerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinError};
use tokio::time::Instant;

impl Reloader {
    pub(super) fn finish(&mut self, ended: Result<(Id, Done), JoinError>) {
        match ended {
            Ok((id, done)) => {
                self.running.remove(&id);
                match done {
                    Done::Survey(surveyed) => self.finish_survey(surveyed),
                    Done::Component(name, looked) => self.finish_component(&name, looked),
                    Done::Config(looked) => self.finish_read(looked),
                    Done::Load(result) => self.finish_load(result),
                }
            }
            Err(error) => self.finish_panicked(&error),
        }
    }

    fn finish_survey(&mut self, surveyed: Surveyed) {
        let again = matches!(self.surveying, Surveying::UnderWay { again: true });
        let pause = if again { Duration::ZERO } else { self.poll() };
        self.surveying = Surveying::At(Instant::now() + pause);
        self.watch = surveyed.watch;
        self.interest = surveyed.interest;
        for (subject, marks) in surveyed.marks {
            let watched = self.subjects.get_mut(&subject);
            if let Some(watched) = watched.filter(|watched| marks.are_of(watched.depends())) {
                watched.polled(&marks);
            }
        }
    }

    fn finish_component(&mut self, name: &HandlerName, looked: Looked<Examined>) {
        let (site, poll) = (self.registry.site().clone(), self.poll());
        let watched = self.subjects.get_mut(&Subject::Handler(name.clone()));
        let (Some(watched), Some((handler, current))) = (watched, site.find(name)) else { return };
        let Some(Examined { marks, took, outcome }) = watched.judged(looked) else { return };
        match outcome {
            // A new config came between.
            Outcome::New(generation) if generation.config != current.config => {
                watched.stop();
                watched.force(Urge::Retry);
            }
            Outcome::New(generation) => {
                watched.succeed(marks);
                self.swap(handler, current, generation, took);
            }
            Outcome::Unchanged => {
                watched.succeed(marks);
                handler.meter.reloads.count("unchanged");
                if handler.reloads.recovered() {
                    tracing::info!(handler = %name, generation = %current.number, "the file is again the one that serves");
                }
            }
            Outcome::StillRefused => {
                watched.stay_refused(marks);
                tracing::info!(handler = %name, "the file is still the one that was refused");
            }
            Outcome::Refused { error, content } => {
                let (reason, blame) = (error.to_string(), error.blame());
                let content = content.filter(|_| blame == Blame::Content);
                let failure = Failure { reason, blame, content };
                if watched.fail(marks, failure, poll) == News::New {
                    refuse(handler, current, &error, took);
                }
            }
        }
        // A link may lead elsewhere now.
        self.survey_soon();
    }

    fn swap(
        &self,
        handler: &Handler,
        current: &Generation,
        generation: Arc<Generation>,
        took: Duration,
    ) {
        let number = generation.number;
        self.registry.swap_generation(generation);
        handler.reloads.succeeded(Some(number), took);
        handler.meter.reloads.count("ok");
        tracing::info!(
            handler = %handler.name,
            generation = %number,
            replaces = %current.number,
            took_ms = took.as_millis(),
            "swapped"
        );
    }

    fn finish_read(&mut self, looked: Looked<Read>) {
        let Some(watched) = self.subjects.get_mut(&Subject::Config) else { return };
        let Some(Read { marks, plan }) = watched.judged(looked) else { return };
        match plan {
            Ok(Plan::Nothing) => {
                watched.succeed(marks);
                self.meter.config_reloads.count("unchanged");
                if self.registry.config.recovered() {
                    tracing::info!("the config is again the one that is served");
                }
                self.follow_site();
            }
            Ok(Plan::Load(draft)) => self.start_load(marks, draft),
            Err(failure) => self.refuse_config(marks, failure, Duration::ZERO, Rest::Old),
        }
    }

    fn start_load(&mut self, marks: Marks, draft: Draft) {
        self.claimed = draft.handlers().cloned().map(Subject::Handler).collect();
        self.loading = Some(Loading { began: Instant::now(), marks, depends: draft.depends() });
        let load = config::load(draft, self.workshop.clone());
        let id = self.work.spawn(async move { Done::Load(load.await) }).id();
        self.running.insert(id, Job::Look(Subject::Config));
    }

    fn finish_load(&mut self, result: Result<Ready, Failure>) {
        self.claimed.clear();
        let Some(Loading { began, marks, depends }) = self.loading.take() else { return };
        let took = began.elapsed();
        let ready = result.and_then(|ready| match ready.site(&self.registry.site()) {
            Ok(site) => Ok((ready, site)),
            Err(error) => {
                let Problem { text: reason, blame } = Problem::around(format!("{error:#}"));
                Err(Failure { reason, blame, content: None })
            }
        });
        let (ready, site) = match ready {
            Ok(ready) => ready,
            Err(failure) => {
                self.depend_also_on(depends);
                return self.refuse_config(marks, failure, took, Rest::Old);
            }
        };
        if ready.left_out.is_none() || ready.is_news() {
            self.swap_site(&ready, site, took);
        }
        match ready.left_out {
            None => {
                if let Some(watched) = self.subjects.get_mut(&Subject::Config) {
                    watched.succeed(marks);
                }
            }
            Some(LeftOut { failure, depends }) => {
                self.depend_also_on(depends);
                self.refuse_config(marks, failure, took, Rest::New);
            }
        }
    }

    fn swap_site(&mut self, ready: &Ready, site: Site, took: Duration) {
        self.registry.swap_site(site, ready.limits.clone());
        match ready.left_out {
            None => self.registry.config.succeeded(None, took),
            Some(_) => self.registry.config.succeeded_in_part(took),
        }
        self.meter.config_reloads.count("ok");
        tracing::info!("config reloaded: {}", ready.summary);
        let awaiting = self.registry.limits.awaiting_restart(&ready.config.limits);
        if !awaiting.is_empty() {
            tracing::warn!("limits that change only with a restart: {}", awaiting.join(", "));
        }
        for (name, (handler, generation)) in &ready.loaded.generations {
            handler.reloads.succeeded(Some(generation.number), took);
            if let Some(watched) = self.subjects.get_mut(&Subject::Handler(name.clone())) {
                watched.forgive();
            }
        }
        self.follow_site();
    }

    /// What was refused may become good by a change of any of these.
    fn depend_also_on(&mut self, depends: Vec<Dependency>) {
        let served = config_depends(&self.source, &self.registry.site().config);
        if let Some(watched) = self.subjects.get_mut(&Subject::Config) {
            watched.depend_on(served.into_iter().chain(depends).collect());
        }
    }

    fn refuse_config(&mut self, marks: Marks, failure: Failure, took: Duration, rest: Rest) {
        let (reason, poll) = (failure.reason.clone(), self.poll());
        let watched = self.subjects.get_mut(&Subject::Config);
        let news = watched.map(|watched| watched.fail(marks, failure, poll));
        if news == Some(News::New) {
            self.meter.config_reloads.count("rejected");
            self.registry.config.failed("rejected", &reason, took);
            match rest {
                Rest::Old => tracing::error!("config refused, the old one stays: {reason}"),
                Rest::New => tracing::error!(
                    "refused, the other components of the folder are served: {reason}"
                ),
            }
        }
        self.survey_soon();
    }

    /// A panic in a job is a bug, and must not be the last of its subject.
    fn finish_panicked(&mut self, error: &JoinError) {
        tracing::error!(cause = %error, "a reload panicked");
        match self.running.remove(&error.id()) {
            Some(Job::Survey) => self.surveying = Surveying::At(Instant::now() + self.poll()),
            Some(Job::Look(subject)) => {
                if subject == Subject::Config {
                    self.claimed.clear();
                    self.loading = None;
                }
                if let Some(watched) = self.subjects.get_mut(&subject) {
                    watched.stop();
                }
            }
            None => {}
        }
    }

    fn poll(&self) -> Duration {
        self.registry.limits.now().poll
    }
}

/// What is served when something was refused.
#[derive(Clone, Copy, Debug)]
enum Rest {
    /// What was served before.
    Old,
    /// All but that.
    New,
}

fn refuse(handler: &Handler, current: &Generation, error: &LoadError, took: Duration) {
    let is_missing = matches!(error, LoadError::File(ReadError::Missing));
    let result = if is_missing { "missing" } else { "rejected" };
    handler.meter.reloads.count(result);
    handler.reloads.failed(result, &error.to_string(), took);
    tracing::error!(
        handler = %handler.name,
        generation = %current.number,
        "reload {result}, generation {} keeps serving: {}",
        current.number,
        Problem::of(&handler.name, &current.config, error).text
    );
}
