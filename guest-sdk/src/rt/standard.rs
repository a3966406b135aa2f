//! WASI 0.3's world for HTTP, `wasi:http/service`.

#[allow(
    unsafe_code,
    unreachable_pub,
    unused_qualifications,
    clippy::mem_forget,
    clippy::unwrap_used,
    reason = "generated, see the README: the canonical ABI is pointers and lengths"
)]
pub(crate) mod bindings;
mod incoming;
mod outbound;
mod outgoing;
mod request;
#[cfg(target_family = "wasm")]
pub(super) mod state;

pub(crate) use incoming::IncomingBody;
pub(crate) use outbound::send;
pub(crate) use request::RawRequest;

#[doc(hidden)]
pub use wasip3::exports::http::handler::Guest;
#[doc(hidden)]
pub use wasip3::http::service::export as export_service;
#[doc(hidden)]
pub use wasip3::http::types::{
    ErrorCode as GuestError, Request as GuestRequest, Response as GuestResponse,
};

use super::{executor, logger, only_in_a_component};
use crate::{Request, Response};
use log::{Level, LevelFilter};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::pin::pin;
use wasip3::clocks::monotonic_clock;

/// What the macro puts beside a handler.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_handler {
    ($handler:expr) => {
        // Elsewhere the exported names mean nothing, and some linkers refuse them.
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Handler;
            impl $crate::__rt::standard::Guest for Handler {
                async fn handle(
                    request: $crate::__rt::standard::GuestRequest,
                ) -> ::core::result::Result<
                    $crate::__rt::standard::GuestResponse,
                    $crate::__rt::standard::GuestError,
                > {
                    $crate::__rt::standard::serve(request, $handler).await
                }
            }
            $crate::__rt::standard::export_service!(Handler);
        };
        // But the types are checked everywhere, and the handler counts as used.
        #[cfg(not(target_family = "wasm"))]
        const _: () = {
            #[allow(dead_code)]
            async fn handle(
                request: $crate::__rt::standard::GuestRequest,
            ) -> ::core::result::Result<
                $crate::__rt::standard::GuestResponse,
                $crate::__rt::standard::GuestError,
            > {
                $crate::__rt::standard::serve(request, $handler).await
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
    logger::install();
    let handler = pin!(handler(Request::from_raw(RawRequest::new(request))));
    executor::run(pin!(async { outgoing::response(handler.await) })).await
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

/// Nobody says which levels are wanted on stderr, so what is meant for debugging is left
/// out. A handler may say otherwise, by `log::set_max_level`.
pub(super) const MOST_VERBOSE: LevelFilter = LevelFilter::Info;

pub(super) fn is_enabled(level: Level) -> bool {
    level <= log::max_level()
}

/// One line, written at once: `eprintln!` would write it in pieces, each of them a call to
/// the host, and lines of other requests between.
pub(super) fn write(level: Level, message: &str, fields: &[(String, String)]) {
    let mut line = format!("{level} {}", message.replace('\n', "\\n"));
    for (key, value) in fields {
        // A `String` takes whatever is written to it.
        _ = write!(line, " {key}={value:?}");
    }
    line.push('\n');
    // If the log does not take it there is nowhere to say so.
    _ = io::stderr().write_all(line.as_bytes());
}
