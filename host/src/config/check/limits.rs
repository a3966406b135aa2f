//! Limits that would make every request fail are an operator's slip, not a wish.

use super::{Problem, Problems};
use crate::limits::{HandlerLimits, ServerLimits};
use std::collections::BTreeMap;

/// Those that mean something at zero.
const SERVER_ZERO: [&str; 9] = [
    "connections",
    "files_open",
    "files_wait",
    "outbound_open",
    "h2_resets",
    "drain",
    "settle",
    "compile_notice",
    "cache_size",
];
const HANDLER_ZERO: [&str; 15] = [
    "queue",
    "queue_time",
    "instance_idle",
    "post_return",
    "discard",
    "body_size",
    "table_elements",
    "tables",
    "random",
    "drain",
    "outbound_at_once",
    "outbound_requests",
    "outbound_connections",
    "outbound_idle",
    "log_request",
];

/// The limits that are wrong, and why.
#[derive(Debug)]
pub(super) struct Wrong(BTreeMap<&'static str, String>);

pub(super) fn of_server(limits: &ServerLimits) -> Wrong {
    let mut wrong = Wrong::zeros(limits.zeros(), &SERVER_ZERO);
    if limits.head_size.get() < 8 << 10 {
        wrong.add("head_size", || {
            "`head_size` is below `8 KiB`, the smallest that HTTP/1 can be read with".to_owned()
        });
    }
    wrong
}

pub(super) fn of_handler(server: &ServerLimits, handler: &HandlerLimits) -> Wrong {
    let mut wrong = Wrong::zeros(handler.zeros(), &HANDLER_ZERO);
    if handler.memory > server.memory_ceiling {
        wrong.add("memory", || {
            format!(
                "`memory` is {}, above the server's `memory_ceiling` of {}",
                handler.memory, server.memory_ceiling
            )
        });
    }
    wrong
}

impl Wrong {
    fn zeros(zeros: Vec<&'static str>, allowed: &[&str]) -> Self {
        let wrong = zeros.into_iter().filter(|name| !allowed.contains(name));
        Wrong(
            wrong
                .map(|name| (name, format!("`{name}` is 0, so nothing could be served")))
                .collect(),
        )
    }

    fn add(&mut self, name: &'static str, text: impl FnOnce() -> String) {
        self.0.entry(name).or_insert_with(text);
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }
}

/// Seen from the table that sets the limits.
impl From<Wrong> for Problems {
    fn from(wrong: Wrong) -> Self {
        wrong.0.into_iter().map(|(name, text)| Problem::new(text).below(name)).collect()
    }
}
