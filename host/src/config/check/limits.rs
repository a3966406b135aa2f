//! Limits that would make every request fail are an operator's slip, not a wish.

use super::{Checked, Problem};
use crate::limits::{HandlerLimits, ServerLimits};

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

pub(super) fn of_server(limits: &ServerLimits) -> Checked<()> {
    no_zero(limits.zeros(), &SERVER_ZERO)?;
    if limits.head_size.get() < 8 << 10 {
        return Err(Problem::new(
            "`head_size` is below `8 KiB`, the smallest that HTTP/1 can be read with",
        )
        .below("head_size"));
    }
    Ok(())
}

pub(super) fn of_handler(server: &ServerLimits, handler: &HandlerLimits) -> Checked<()> {
    no_zero(handler.zeros(), &HANDLER_ZERO)?;
    if handler.memory > server.memory_ceiling {
        let problem = format!(
            "`memory` is {}, above the server's `memory_ceiling` of {}",
            handler.memory, server.memory_ceiling
        );
        return Err(Problem::new(problem).below("memory"));
    }
    Ok(())
}

fn no_zero(zeros: Vec<&'static str>, allowed: &[&str]) -> Checked<()> {
    match zeros.into_iter().find(|name| !allowed.contains(name)) {
        Some(name) => {
            Err(Problem::new(format!("`{name}` is 0, so nothing could be served")).below(name))
        }
        None => Ok(()),
    }
}
