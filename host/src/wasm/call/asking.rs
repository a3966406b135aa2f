//! A guest that asks whether its client has left, and the time that it has to stop.

use super::Call;
use std::sync::Arc;
use tokio::time::timeout;

/// A guest that waits to be told that its call is abandoned.
pub(super) struct Asking {
    call: Arc<Call>,
    told: bool,
}

impl Asking {
    pub(super) fn begin(call: Arc<Call>) -> Self {
        call.interest.ask();
        Asking { call, told: false }
    }

    /// Gives the guest its time.
    pub(super) fn told(&mut self) {
        self.told = true;
        if self.call.interest.begin_to_end() {
            let call = self.call.clone();
            tokio::spawn(async move {
                let _ = timeout(call.post_return, call.interest.until_finished()).await;
                call.give_up();
            });
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let interest = &self.call.interest;
        if interest.ask_no_more() && !self.told && interest.is_lost() {
            self.call.give_up();
        }
    }
}
