//! Squall's own world, `squall:web`.

#[allow(
    unsafe_code,
    unreachable_pub,
    unused_qualifications,
    clippy::mem_forget,
    clippy::unwrap_used,
    missing_debug_implementations,
    missing_docs,
    reason = "generated, see the README: the canonical ABI is pointers and lengths"
)]
#[doc(hidden)]
pub mod bindings;
mod fields;
mod gone;
mod incoming;
mod outbound;
mod outgoing;
mod panics;
mod request;
#[cfg(target_family = "wasm")]
pub(super) mod state;

pub(crate) use incoming::IncomingBody;
pub(crate) use outbound::send;
pub(crate) use request::RawRequest;

#[doc(hidden)]
pub use bindings::exports::squall::web::handler::{
    Error as GuestError, Guest, Request as GuestRequest,
};
#[doc(hidden)]
pub use bindings::squall::web::types::Response as GuestResponse;

use super::{executor, logger, only_in_a_component};
use crate::{Request, Response};
use bindings::squall::web::log as host_log;
use bindings::wasi::clocks::monotonic_clock;
use log::{Level, LevelFilter};
use std::pin::pin;

/// What the macro puts beside a handler.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_handler {
    ($handler:expr) => {
        // Elsewhere the exported names mean nothing, and some linkers refuse them.
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Handler;
            impl $crate::__rt::native::Guest for Handler {
                async fn handle(
                    request: $crate::__rt::native::GuestRequest,
                ) -> ::core::result::Result<
                    $crate::__rt::native::GuestResponse,
                    $crate::__rt::native::GuestError,
                > {
                    $crate::__rt::native::serve(request, $handler).await
                }
            }
            $crate::__rt::native::bindings::export_web!(
                Handler with_types_in $crate::__rt::native::bindings
            );
        };
        // But the types are checked everywhere, and the handler counts as used.
        #[cfg(not(target_family = "wasm"))]
        const _: () = {
            #[allow(dead_code)]
            async fn handle(
                request: $crate::__rt::native::GuestRequest,
            ) -> ::core::result::Result<
                $crate::__rt::native::GuestResponse,
                $crate::__rt::native::GuestError,
            > {
                $crate::__rt::native::serve(request, $handler).await
            }
        };
    };
}

/// One request's way through the handler.
#[doc(hidden)]
pub async fn serve(
    request: GuestRequest,
    handler: impl AsyncFnOnce(Request) -> Response,
) -> Result<GuestResponse, GuestError> {
    panics::tell();
    logger::install();
    let request = Request::from_raw(RawRequest::new(request));
    // What is left of a response is spawned, and must be begun in the same turn.
    let handler = pin!(handler(request));
    executor::run(pin!(async { gone::unless_gone(handler).await.map(outgoing::response) })).await
}

/// Nanoseconds of a clock that never goes back.
pub(crate) fn now() -> u64 {
    only_in_a_component();
    monotonic_clock::now()
}

pub(crate) async fn sleep(nanoseconds: u64) {
    only_in_a_component();
    monotonic_clock::wait_for(nanoseconds).await;
}

/// The host decides which levels it writes.
pub(super) const MOST_VERBOSE: LevelFilter = LevelFilter::Trace;

pub(super) fn is_enabled(level: Level) -> bool {
    host_log::is_enabled(host_level(level))
}

pub(super) fn write(level: Level, message: &str, fields: &[(String, String)]) {
    if cfg!(target_family = "wasm") {
        host_log::write(host_level(level), message, fields);
    }
}

fn host_level(level: Level) -> host_log::Level {
    match level {
        Level::Error => host_log::Level::Error,
        Level::Warn => host_log::Level::Warn,
        Level::Info => host_log::Level::Info,
        Level::Debug => host_log::Level::Debug,
        Level::Trace => host_log::Level::Trace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IntoResponse;
    use bindings::squall::web::types::{Body, Fields};
    use std::future::pending;

    /// Thousands may wait, each in the memory of its instance.
    #[test]
    fn a_handler_that_waits_has_its_future_in_memory_once() {
        let head = Fields { text: Vec::new(), lengths: Vec::new() };
        let request = GuestRequest { head, body: Body::Empty };
        let serving = serve(request, async |_| {
            let large = [1u8; 4000];
            pending::<()>().await;
            large.to_vec().into_response()
        });
        let size = size_of_val(&serving);
        assert!(size < 5000, "{size}");
    }
}
