//! The state of one thing that is kept up to date, a handler or the config: whether
//! it may have changed, when it is looked at, and what was last said about it.

use super::super::refusal::Blame;
use super::depends::{Dependency, Mark};
use crate::wasm::ContentHash;
use std::time::Duration;
use tokio::time::Instant;

/// While files keep changing, they are looked at after this many settle times all
/// the same: a storm of saves must not keep the last good version from serving.
const MAX_SETTLES: u32 = 10;

/// A file that looks cut may be growing: it is judged when it has not changed for
/// this long.
const PATIENCE: Duration = Duration::from_millis(600);

/// The longest time between two tries of what was refused for a reason that may pass
/// without a sign. The first follows after one poll, and each doubles the time.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Watched {
    depends: Vec<Dependency>,
    /// Being looked at now.
    is_busy: bool,
    /// The first and the last sign of a change since the last look began.
    signs: Option<(Instant, Instant)>,
    /// Read it although nothing seems to have changed.
    is_forced: bool,
    /// What the last look saw.
    seen: Option<Vec<Mark>>,
    /// Since when it looks unfinished in the same way.
    unfinished: Option<(Vec<Mark>, Instant)>,
    refusal: Option<Refusal>,
}

/// The last refusal, which is reported once.
#[derive(Debug)]
struct Refusal {
    /// What tells it from another one.
    reason: String,
    /// The content that is known to be bad, whatever lies around it.
    content: Option<ContentHash>,
    /// When to try again without a sign, and how long that took.
    retry: Option<(Instant, Duration)>,
}

/// A look at something: where, and what needs no second judgement.
#[derive(Debug)]
pub(super) struct Look {
    depends: Vec<Dependency>,
    known: Option<Vec<Mark>>,
    pub(super) refused: Option<ContentHash>,
}

/// What a look has found to be wrong.
pub(super) struct Failure {
    pub(super) reason: String,
    pub(super) blame: Blame,
    pub(super) content: Option<ContentHash>,
}

/// Whether a failure is worth a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    New,
    /// Said before, or perhaps about to pass.
    None,
}

impl Watched {
    /// Something that was read before anybody watched it: it is looked at once.
    pub(super) fn new(depends: Vec<Dependency>) -> Self {
        let mut watched = Watched {
            depends,
            is_busy: false,
            signs: None,
            is_forced: false,
            seen: None,
            unfinished: None,
            refusal: None,
        };
        watched.force();
        watched
    }

    pub(super) fn depends(&self) -> &[Dependency] {
        &self.depends
    }

    pub(super) fn depend_on(&mut self, depends: Vec<Dependency>) {
        self.depends = depends;
    }

    /// A sign that it may have changed.
    pub(super) fn touch(&mut self) {
        let now = Instant::now();
        let first = self.signs.map_or(now, |(first, _)| first);
        self.signs = Some((first, now));
    }

    pub(super) fn force(&mut self) {
        self.is_forced = true;
        self.touch();
    }

    /// What the poll has seen: a change that no event told of is a sign too.
    pub(super) fn polled(&mut self, marks: &[Mark]) {
        let is_known = self.seen.as_deref() == Some(marks);
        if !self.is_busy && self.signs.is_none() && !is_known {
            self.touch();
        }
    }

    /// When it is to be looked at; never while it is.
    pub(super) fn due(&self, settle: Duration) -> Option<Instant> {
        if self.is_busy {
            return None;
        }
        let settled =
            self.signs.map(|(first, last)| (last + settle).min(first + settle * MAX_SETTLES));
        let retry = self.refusal.as_ref().and_then(|refusal| refusal.retry).map(|(at, _)| at);
        settled.into_iter().chain(retry).min()
    }

    pub(super) fn start(&mut self) -> Look {
        self.is_busy = true;
        self.signs = None;
        let retry = self.refusal.as_mut().and_then(|refusal| refusal.retry.as_mut());
        let is_retry = retry.is_some_and(|(at, _)| *at <= Instant::now());
        let is_forced = std::mem::take(&mut self.is_forced) || is_retry;
        let is_telling = |marks: &Vec<Mark>| marks.iter().all(|mark| mark.is_telling());
        Look {
            depends: self.depends.clone(),
            known: self.seen.clone().filter(|marks| !is_forced && is_telling(marks)),
            refused: self.refusal.as_ref().and_then(|refusal| refusal.content),
        }
    }

    /// The look found nothing to judge.
    pub(super) fn stop(&mut self) {
        self.is_busy = false;
    }

    /// The look found what serves now. Returns whether something was wrong before.
    pub(super) fn succeed(&mut self, marks: Vec<Mark>) -> bool {
        self.is_busy = false;
        self.seen = Some(marks);
        self.unfinished = None;
        self.refusal.take().is_some()
    }

    /// The look found what was refused before.
    pub(super) fn stay_refused(&mut self, marks: Vec<Mark>) {
        self.is_busy = false;
        self.seen = Some(marks);
    }

    /// What was wrong with it is past, whatever the next look sees.
    pub(super) fn forgive(&mut self) {
        self.unfinished = None;
        self.refusal = None;
    }

    /// The look found something that cannot serve.
    pub(super) fn fail(&mut self, marks: Vec<Mark>, failure: Failure, poll: Duration) -> News {
        self.is_busy = false;
        if failure.blame == Blame::Unfinished && !self.outlasts_patience(&marks) {
            self.force();
            return News::None;
        }
        self.seen = Some(marks);
        let reason = match failure.blame {
            // A growing file is cut elsewhere each time.
            Blame::Unfinished => "unfinished".to_owned(),
            _ => failure.reason,
        };
        let before = self.refusal.take().filter(|before| before.reason == reason);
        let waited = before.as_ref().and_then(|before| before.retry).map(|(_, waited)| waited);
        let wait = waited.map_or(poll, |waited| (waited * 2).min(LONGEST_RETRY.max(poll)));
        let retry = (failure.blame == Blame::Surroundings).then(|| (Instant::now() + wait, wait));
        self.refusal = Some(Refusal { reason, content: failure.content, retry });
        if before.is_some() { News::None } else { News::New }
    }

    /// Whether it has looked unfinished in the same way for long enough to be taken
    /// for broken.
    fn outlasts_patience(&mut self, marks: &[Mark]) -> bool {
        match &self.unfinished {
            Some((same, since)) if same == marks => since.elapsed() >= PATIENCE,
            _ => {
                self.unfinished = Some((marks.to_vec(), Instant::now()));
                false
            }
        }
    }
}

impl Look {
    /// How all of it is now, or `None` if that is how it was. Blocks. To be called
    /// before reading: a change that comes later is then seen as one.
    pub(super) fn marks(&self) -> Option<Vec<Mark>> {
        let marks: Vec<Mark> = self.depends.iter().map(Dependency::mark).collect();
        (self.known.as_ref() != Some(&marks)).then_some(marks)
    }
}
