//! Lines that a guest gives a level and named values.

use super::lines::Line;
use super::{GuestLog, LIMIT_REACHED, Share};
use crate::wasm::call::Call;
use std::sync::Arc;
use tracing::Level;

/// Runs a macro of tracing's with a level that is known only now.
macro_rules! at_level {
    ($level:expr, |$known:ident| $body:expr) => {
        match $level {
            Level::TRACE => {
                const $known: Level = Level::TRACE;
                $body
            }
            Level::DEBUG => {
                const $known: Level = Level::DEBUG;
                $body
            }
            Level::INFO => {
                const $known: Level = Level::INFO;
                $body
            }
            Level::WARN => {
                const $known: Level = Level::WARN;
                $body
            }
            Level::ERROR => {
                const $known: Level = Level::ERROR;
                $body
            }
        }
    };
}

impl GuestLog {
    /// Whether lines of this level are written at all.
    pub(in crate::wasm) fn is_enabled(&self, level: Level) -> bool {
        at_level!(level, |LEVEL| tracing::enabled!(target: "squall::guest", LEVEL))
    }

    /// Writes one line, whatever is in it, if it is wanted and the request has not written
    /// its share.
    pub(in crate::wasm) fn write_line(
        &self,
        level: Level,
        message: &str,
        values: &[(String, String)],
        call: Option<&Arc<Call>>,
    ) {
        if !self.is_enabled(level) {
            return;
        }
        let scope = &*self.0;
        let message = Line::of(message.as_bytes(), scope.line_limit);
        let values: Vec<String> =
            values.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        let values = Line::of(values.join(" ").as_bytes(), scope.line_limit);
        let (text, values) = match self.share(message.cost() + values.cost(), call) {
            Share::Left => (message.text(), values.text()),
            Share::Reached => (LIMIT_REACHED.to_owned(), String::new()),
            Share::Over => return,
        };
        let request = call.map(|call| tracing::field::display(call.id));
        let values = (!values.is_empty()).then_some(values.as_str());
        at_level!(level, |LEVEL| tracing::event!(
            target: "squall::guest",
            LEVEL,
            handler = %scope.handler,
            generation = %scope.generation,
            request,
            values,
            "{text}"
        ));
    }
}
