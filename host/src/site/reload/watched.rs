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
    /// When to try again without a sign.
    retry: Option<Instant>,
    /// From the last try to the next.
    pause: Duration,
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
        let retry = self.refusal.as_ref().and_then(|refusal| refusal.retry);
        settled.into_iter().chain(retry).min()
    }

    pub(super) fn start(&mut self) -> Look {
        self.is_busy = true;
        self.signs = None;
        let retry = self.refusal.as_mut().map(|refusal| &mut refusal.retry);
        let is_retry =
            retry.is_some_and(|retry| retry.take_if(|at| *at <= Instant::now()).is_some());
        let is_forced = std::mem::take(&mut self.is_forced) || is_retry;
        let is_telling = |marks: &Vec<Mark>| marks.iter().all(|mark| mark.is_telling);
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
        let longest = LONGEST_RETRY.max(poll);
        let pause = before.as_ref().map_or(poll, |before| (before.pause * 2).min(longest));
        let retry = (failure.blame == Blame::Surroundings).then(|| Instant::now() + pause);
        self.refusal = Some(Refusal { reason, content: failure.content, retry, pause });
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const SETTLE: Duration = Duration::from_millis(50);
    const POLL: Duration = Duration::from_secs(5);

    /// One that has been looked at and found to be what serves.
    fn at_rest() -> Watched {
        let mut watched = Watched::new(Vec::new());
        watched.start();
        watched.succeed(Vec::new());
        assert_eq!(watched.due(SETTLE), None);
        watched
    }

    fn failure(reason: &str, blame: Blame) -> Failure {
        Failure { reason: reason.to_owned(), blame, content: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_of_signs_does_not_put_the_look_off_for_ever() {
        let mut watched = at_rest();
        let began = Instant::now();
        for _ in 0..100 {
            watched.touch();
            advance(SETTLE / 2).await;
        }
        assert_eq!(watched.due(SETTLE), Some(began + SETTLE * MAX_SETTLES));
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_ever_less_often_and_said_once() {
        let mut watched = at_rest();
        watched.touch();
        let (mut pauses, mut news) = (Vec::new(), Vec::new());
        for _ in 0..6 {
            watched.start();
            assert_eq!(watched.due(SETTLE), None, "not while it is looked at");
            let away = failure("it is away", Blame::Surroundings);
            news.push(watched.fail(Vec::new(), away, POLL));
            let pause = watched.due(SETTLE).unwrap() - Instant::now();
            advance(pause).await;
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
        assert_eq!(news.iter().filter(|news| **news == News::New).count(), 1);
        // A retry reads although nothing has changed, and only once for each pause.
        assert!(watched.start().known.is_none());
        watched.stop();
        assert_eq!(watched.due(SETTLE), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_bad_is_left_alone() {
        let mut watched = at_rest();
        watched.touch();
        watched.start();
        let bad = failure("it is bad", Blame::Content);
        assert_eq!(watched.fail(Vec::new(), bad, POLL), News::New);
        assert_eq!(watched.due(SETTLE), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_looks_unfinished_is_given_some_patience() {
        let mut watched = at_rest();
        watched.touch();
        let began = Instant::now();
        loop {
            advance(SETTLE).await;
            watched.start();
            let cut = failure("cut at some place", Blame::Unfinished);
            if watched.fail(Vec::new(), cut, POLL) == News::New {
                break;
            }
        }
        assert!(began.elapsed() >= PATIENCE && began.elapsed() < PATIENCE * 2);
        // Cut at another place, it is the same piece of news.
        watched.touch();
        watched.start();
        let cut = failure("cut at another place", Blame::Unfinished);
        assert_eq!(watched.fail(Vec::new(), cut, POLL), News::None);
    }

    #[test]
    fn a_mark_that_was_fresh_is_not_trusted_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "").unwrap();
        let look = |watched: &mut Watched| {
            let marks = watched.start().marks();
            let is_read = marks.is_some();
            if let Some(marks) = marks {
                watched.succeed(marks);
            } else {
                watched.stop();
            }
            is_read
        };
        let mut watched = Watched::new(vec![Dependency::File(path)]);
        assert!(look(&mut watched), "the first look");
        std::thread::sleep(Duration::from_millis(250));
        assert!(look(&mut watched), "the file was new when it was marked");
        assert!(!look(&mut watched));
    }
}
