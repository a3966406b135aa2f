//! What was refused last: whether another refusal is news, and when to try again.

use super::super::refusal::Blame;
use super::depends::Marks;
use super::watched::Urge;
use crate::wasm::ContentHash;
use std::time::Duration;
use tokio::time::Instant;

/// The longest time between two tries of what was refused for a reason that may pass
/// without a sign. The first follows after one poll, and each doubles the time.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

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

/// The last refusal. It is reported once, unless somebody has acted since.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What tells it from another one.
    reason: String,
    /// How all was when it was reported.
    reported: Marks,
    /// The content that is known to be bad, whatever lies around it.
    pub(super) content: Option<ContentHash>,
    /// When to try again without a sign.
    pub(super) retry: Option<Instant>,
    /// From the last try to the next. Another reason does not shorten it: what fails
    /// in turn for two reasons is as much away as what fails for one.
    pause: Duration,
}

impl Refusal {
    /// The refusal that follows `before`.
    pub(super) fn after(
        before: Option<Refusal>,
        marks: Marks,
        failure: Failure,
        urge: Urge,
        poll: Duration,
    ) -> (Self, News) {
        let is_unfinished = failure.blame == Blame::Unfinished;
        // A growing file is cut elsewhere each time.
        let reason = if is_unfinished { "unfinished".to_owned() } else { failure.reason };
        let mut pause = before.as_ref().map_or(Duration::ZERO, |before| before.pause);
        let retry = (failure.blame == Blame::Surroundings).then(|| {
            pause = (pause * 2).clamp(poll, LONGEST_RETRY.max(poll));
            Instant::now() + pause
        });
        let is_said = |before: &Refusal| {
            let is_edit = !is_unfinished && marks.show_an_edit_since(&before.reported);
            before.reason == reason && urge != Urge::Person && !is_edit
        };
        let (reported, news) = match before.filter(is_said) {
            Some(before) => (before.reported.or(marks), News::None),
            None => (marks, News::New),
        };
        (Refusal { reason, reported, content: failure.content, retry, pause }, news)
    }
}
