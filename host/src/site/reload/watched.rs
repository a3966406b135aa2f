//! The state of one thing that is kept up to date, a handler or the config: whether
//! it may have changed, when it is looked at, and what was last said about it.

#[cfg(test)]
mod tests;

use super::super::refusal::Blame;
use super::depends::{Dependency, Marks};
use super::look::{Growth, Look, Looked};
use super::refused::{Failure, News, Refusal};
use std::time::Duration;
use tokio::time::Instant;

/// While files keep changing, they are looked at after this many settle times all
/// the same: a storm of saves must not keep the last good version from serving.
const MAX_SETTLES: u32 = 10;

/// A file that looks cut may be growing: it is judged again when it has not changed
/// for this long.
const PATIENCE: Duration = Duration::from_millis(600);

#[derive(Debug)]
pub(super) struct Watched {
    depends: Vec<Dependency>,
    /// Being looked at now, and why.
    looking: Option<Urge>,
    /// The first and the last sign of a change since the last look began.
    signs: Option<(Instant, Instant)>,
    /// Of the next look.
    urge: Urge,
    /// What the last look saw.
    seen: Option<Marks>,
    /// Of what looks unfinished, how it is and since when.
    growth: Option<(Marks, Instant)>,
    /// What was last refused, until something serves.
    refusal: Option<Refusal>,
}

/// What makes a look worth while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urge {
    /// Something that seems to have changed.
    Change,
    /// Nothing has to seem to have changed.
    Retry,
    /// Nor that, and a person waits for an answer.
    Person,
}

impl Watched {
    /// Something that was read before anybody watched it: it is looked at once.
    pub(super) fn new(depends: Vec<Dependency>) -> Self {
        let mut watched = Watched {
            depends,
            looking: None,
            signs: None,
            urge: Urge::Change,
            seen: None,
            growth: None,
            refusal: None,
        };
        watched.force(Urge::Retry);
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

    /// It is to be looked at whatever the signs.
    pub(super) fn force(&mut self, urge: Urge) {
        self.urge = self.urge.max(urge);
        self.touch();
    }

    /// What the poll has seen: a change that no event told of is a sign too.
    pub(super) fn polled(&mut self, marks: &Marks) {
        let is_known = self.seen.as_ref() == Some(marks);
        if self.looking.is_none() && self.signs.is_none() && !is_known {
            self.touch();
        }
    }

    /// When it is to be looked at; never while it is.
    pub(super) fn due(&self, settle: Duration) -> Option<Instant> {
        if self.looking.is_some() {
            return None;
        }
        let settled =
            self.signs.map(|(first, last)| (last + settle).min(first + settle * MAX_SETTLES));
        let retry = self.refusal.as_ref().and_then(|refusal| refusal.retry);
        let grown = self.growth.as_ref().map(|(_, since)| *since + PATIENCE);
        settled.into_iter().chain(retry).chain(grown).min()
    }

    pub(super) fn start(&mut self) -> Look {
        self.signs = None;
        let retry = self.refusal.as_mut().map(|refusal| &mut refusal.retry);
        let is_retry =
            retry.is_some_and(|retry| retry.take_if(|at| *at <= Instant::now()).is_some());
        let wanted = if is_retry { Urge::Retry } else { Urge::Change };
        let urge = std::mem::replace(&mut self.urge, Urge::Change).max(wanted);
        self.looking = Some(urge);
        let refused = self.refusal.as_ref().and_then(|refusal| refusal.content);
        Look {
            depends: self.depends.clone(),
            known: self.seen.clone().filter(|seen| urge == Urge::Change && seen.are_telling()),
            growth: self.growth.as_ref().map(|(marks, since)| {
                if since.elapsed() < PATIENCE { Growth::Recent } else { Growth::Old(marks.clone()) }
            }),
            refused: refused.filter(|_| urge != Urge::Person),
        }
    }

    /// What the look came to, if it came to a judgement.
    pub(super) fn judged<T>(&mut self, looked: Looked<T>) -> Option<T> {
        match looked {
            Looked::Nothing => self.stop(),
            Looked::Growing(marks) => self.grow(marks),
            Looked::Judged(judged) => return Some(judged),
        }
        None
    }

    /// The look is over without a result.
    pub(super) fn stop(&mut self) {
        self.looking = None;
        self.growth = None;
    }

    /// The look found what serves now. Returns whether something was wrong before.
    pub(super) fn succeed(&mut self, marks: Marks) -> bool {
        self.stop();
        self.seen = Some(marks);
        self.refusal.take().is_some()
    }

    /// The look found what was refused before.
    pub(super) fn stay_refused(&mut self, marks: Marks) {
        self.stop();
        self.seen = Some(marks);
    }

    /// What was wrong with it is past, whatever the next look sees.
    pub(super) fn forgive(&mut self) {
        self.growth = None;
        self.refusal = None;
    }

    /// The look found something that cannot serve.
    pub(super) fn fail(&mut self, marks: Marks, failure: Failure, poll: Duration) -> News {
        if failure.blame == Blame::Unfinished && !self.outlasts_patience(&marks) {
            self.grow(marks);
            // It may depend on more now than when the look began.
            self.touch();
            return News::None;
        }
        let urge = self.looking.unwrap_or(Urge::Change);
        self.stop();
        self.seen = Some(marks.clone());
        let (refusal, news) = Refusal::after(self.refusal.take(), marks, failure, urge, poll);
        self.refusal = Some(refusal);
        news
    }

    /// Whether it has looked unfinished in the same way for long enough to be taken
    /// for broken.
    fn outlasts_patience(&self, marks: &Marks) -> bool {
        let growth = self.growth.as_ref();
        growth.is_some_and(|(same, since)| same == marks && since.elapsed() >= PATIENCE)
    }

    /// It is not looked at in earnest before it has been still. Who waits for an answer
    /// goes on waiting.
    fn grow(&mut self, marks: Marks) {
        self.urge = self.urge.max(self.looking.take().unwrap_or(Urge::Change));
        if self.growth.as_ref().is_none_or(|(before, _)| *before != marks) {
            self.growth = Some((marks, Instant::now()));
        }
    }
}
