//! Deadlines of what a task waits for, kept by a timer that the task has anyway.
//!
//! A timer of its own is set and removed for each wait, with a lock each time: some 900
//! instructions for a request that is answered at once, where all of it takes 35,000. So a
//! connection asks what it polls until when to poll it again, and moves its one timer only
//! when that would come too late.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};

thread_local! {
    /// Of the task that is being polled, if it keeps alarms.
    static KEEPER: Cell<Option<Keeper>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
struct Keeper {
    earliest: Option<Instant>,
}

/// Polls, and tells until when to poll again at the latest. The caller sees to that, also
/// if it polls before and is then told nothing.
pub fn keep<T>(poll: impl FnOnce() -> T) -> (T, Option<Instant>) {
    let _outer = Outer(KEEPER.replace(Some(Keeper { earliest: None })));
    let polled = poll();
    (polled, KEEPER.get().and_then(|keeper| keeper.earliest))
}

/// Comes back also if what is polled panics.
struct Outer(Option<Keeper>);

impl Drop for Outer {
    fn drop(&mut self) {
        KEEPER.set(self.0);
    }
}

/// Asks the task to poll again at `at` at the latest. False if it keeps no alarms.
fn ask(at: Instant) -> bool {
    let Some(Keeper { earliest }) = KEEPER.get() else { return false };
    let earliest = Some(earliest.map_or(at, |other| other.min(at)));
    KEEPER.set(Some(Keeper { earliest }));
    true
}

/// A time that is waited for.
#[derive(Debug)]
pub struct Deadline {
    at: Instant,
    alarm: Alarm,
}

#[derive(Debug)]
enum Alarm {
    Unset,
    /// By the task.
    Kept,
    Own(Pin<Box<Sleep>>),
}

impl Deadline {
    pub fn at(at: Instant) -> Self {
        Deadline { at, alarm: Alarm::Unset }
    }

    /// Ready once the time has come.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.alarm {
            Alarm::Own(timer) => return timer.as_mut().poll(cx),
            Alarm::Kept if Instant::now() >= self.at => return Poll::Ready(()),
            // If it has come already the task is told, and polls again.
            Alarm::Kept | Alarm::Unset => {}
        }
        if ask(self.at) {
            self.alarm = Alarm::Kept;
            return Poll::Pending;
        }
        let mut timer = Box::pin(sleep_until(self.at));
        let polled = timer.as_mut().poll(cx);
        self.alarm = Alarm::Own(timer);
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::future::poll_fn;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    #[tokio::test]
    async fn a_task_that_keeps_no_alarms_is_woken_by_a_timer() {
        let at = soon();
        let mut deadline = Deadline::at(at);
        poll_fn(|cx| deadline.poll(cx)).await;
        assert!(Instant::now() >= at);
    }

    #[tokio::test]
    async fn a_task_that_keeps_alarms_is_told_the_earliest() {
        let at = soon();
        let mut deadlines =
            [at + Duration::from_secs(5), at, at + Duration::from_secs(1)].map(Deadline::at);
        let mut poll = || {
            let waiting = poll_fn(|cx| {
                let ready: Vec<bool> =
                    deadlines.iter_mut().map(|deadline| deadline.poll(cx).is_ready()).collect();
                Poll::Ready(ready)
            });
            keep(|| waiting.now_or_never().unwrap())
        };
        assert_eq!(poll(), (vec![false, false, false], Some(at)));
        sleep_until(at).await;
        let (ready, next) = poll();
        assert_eq!(ready, [false, true, false]);
        assert_eq!(next, Some(at + Duration::from_secs(1)));
        assert!(!ask(at), "outside of it nobody keeps any");
    }

    #[tokio::test]
    async fn a_panic_does_not_leave_a_keeper_behind() {
        let panicked = std::panic::catch_unwind(|| keep(|| panic!("on purpose")));
        assert!(panicked.is_err());
        assert!(!ask(soon()));
    }
}
