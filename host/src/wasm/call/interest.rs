//! Whether anybody wants what a call comes to.
//!
//! When nobody does any more, what the guest waits for on the call's behalf ends. A guest
//! that has asked to be told is told first, so that it can drop its work instead of going
//! on with what has ended: it is given time for that.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use tokio::sync::Notify;

#[derive(Default)]
pub(super) struct Interest {
    stage: AtomicU8,
    changed: Notify,
    /// Imports in which the guest waits to be told.
    askings: AtomicU32,
    /// Somebody sees to it that the call is given up in time.
    ending: AtomicBool,
}

/// How far a call is, each stage later than those before.
struct Stage;

impl Stage {
    const WANTED: u8 = 0;
    /// Nobody wants it, and the guest may stop by itself.
    const LOST: u8 = 1;
    /// Nothing more is waited for on its behalf.
    const GIVEN_UP: u8 = 2;
    /// The guest is done with it.
    const FINISHED: u8 = 3;
}

impl Interest {
    /// Nobody wants it any more. False if that was known, or comes too late.
    pub(super) fn lose(&self) -> bool {
        self.advance(Stage::WANTED, Stage::LOST)
    }

    /// The guest has had its time.
    pub(super) fn give_up(&self) {
        self.advance(Stage::LOST, Stage::GIVEN_UP);
    }

    pub(super) fn finish(&self) {
        if self.stage.swap(Stage::FINISHED, Ordering::AcqRel) != Stage::FINISHED {
            self.changed.notify_waiters();
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self.stage(), Stage::LOST | Stage::GIVEN_UP)
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.stage() == Stage::GIVEN_UP
    }

    /// Resolves once the guest is done (true), or nobody wants it (false).
    pub(super) async fn until_over(&self) -> bool {
        self.until(Stage::LOST).await == Stage::FINISHED
    }

    pub(super) async fn until_finished(&self) {
        self.until(Stage::FINISHED).await;
    }

    /// Resolves once nobody wants it, unless the guest is done with it first.
    pub(super) async fn until_lost(&self) {
        if self.until(Stage::LOST).await == Stage::FINISHED {
            pending::<()>().await;
        }
    }

    /// Resolves once it is given up, unless the guest is done with it first.
    pub(super) async fn until_given_up(&self) {
        if self.until(Stage::GIVEN_UP).await == Stage::FINISHED {
            pending::<()>().await;
        }
    }

    /// The guest asks to be told, until the answer is dropped.
    pub(super) fn ask(&self) {
        self.askings.fetch_add(1, Ordering::AcqRel);
    }

    /// True of the last one.
    pub(super) fn ask_no_more(&self) -> bool {
        self.askings.fetch_sub(1, Ordering::AcqRel) == 1
    }

    pub(super) fn is_asked_for(&self) -> bool {
        self.askings.load(Ordering::Acquire) > 0
    }

    /// True once.
    pub(super) fn begin_to_end(&self) -> bool {
        !self.ending.swap(true, Ordering::AcqRel)
    }

    fn stage(&self) -> u8 {
        self.stage.load(Ordering::Acquire)
    }

    fn advance(&self, from: u8, to: u8) -> bool {
        let was = self.stage.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
        if was.is_ok() {
            self.changed.notify_waiters();
        }
        was.is_ok()
    }

    /// The stage that it is in, once that is `stage` or a later one.
    async fn until(&self, stage: u8) -> u8 {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let now = self.stage();
            if now >= stage {
                return now;
            }
            changed.await;
        }
    }
}
