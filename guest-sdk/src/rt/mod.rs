//! The world behind the public face: for now `wasi:http` 0.3.
//!
//! Only this module names `wasip3` and `wit_bindgen`. What the rest of the crate
//! uses of it is small, so that another world can stand here: a request and a
//! body that are read, a response and a body that are written, sending a request
//! out, a clock, config values, and a place to run futures.
//!
//! Nothing here is part of the public face, though the macro must see some of it.

#[allow(
    unsafe_code,
    unreachable_pub,
    unused_qualifications,
    clippy::unwrap_used,
    reason = "generated, see the README: the canonical ABI is pointers and lengths"
)]
mod bindings;
mod executor;
mod incoming;
mod outbound;
mod outgoing;
mod request;
#[cfg(feature = "cookies")]
pub(crate) mod signing;

pub(crate) use executor::{Id as TaskId, cancel, spawn};
pub(crate) use incoming::IncomingBody;
pub(crate) use outbound::send;
pub(crate) use request::{HOST_PREFIX, RawRequest};

use crate::{IntoResponse, Request, Response};
use bindings::wasi::config::store;
use std::fmt::Arguments;
use std::io::{self, Write};
use wasip3::clocks::monotonic_clock;
use wasip3::http::types::{self, ErrorCode};

#[doc(hidden)]
pub use crate::__export_handler as export_handler;
#[doc(hidden)]
pub use wasip3::exports::http::handler::Guest;
#[doc(hidden)]
pub use wasip3::http::service::export as export_service;
#[doc(hidden)]
pub use wasip3::http::types::{
    ErrorCode as GuestError, Request as GuestRequest, Response as GuestResponse,
};

/// What the macro puts beside a handler.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_handler {
    ($handler:expr) => {
        // Elsewhere the exported names mean nothing, and some linkers refuse them.
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Handler;
            impl $crate::__rt::Guest for Handler {
                async fn handle(
                    request: $crate::__rt::GuestRequest,
                ) -> ::core::result::Result<$crate::__rt::GuestResponse, $crate::__rt::GuestError>
                {
                    $crate::__rt::serve(request, $handler).await
                }
            }
            $crate::__rt::export_service!(Handler);
        };
        // But the types are checked everywhere, and the handler counts as used.
        #[cfg(not(target_family = "wasm"))]
        const _: () = {
            #[allow(dead_code)]
            async fn handle(
                request: $crate::__rt::GuestRequest,
            ) -> ::core::result::Result<$crate::__rt::GuestResponse, $crate::__rt::GuestError> {
                $crate::__rt::serve(request, $handler).await
            }
        };
    };
}

/// One request's way through the handler.
#[doc(hidden)]
pub async fn serve(
    request: types::Request,
    handler: impl AsyncFnOnce(Request) -> Response,
) -> Result<types::Response, ErrorCode> {
    executor::run(async {
        let request = Request::from_raw(RawRequest::new(request));
        outgoing::response(handler(request).await)
    })
    .await
}

/// Takes what the handler makes.
#[doc(hidden)]
pub fn respond<T: IntoResponse>(answer: T) -> Response {
    answer.into_response()
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

/// The value of a config key, or why it cannot be told.
pub(crate) fn config(key: &str) -> Result<Option<String>, String> {
    only_in_a_component();
    store::get(key).map_err(|error| match error {
        store::Error::Upstream(reason) | store::Error::Io(reason) => reason,
    })
}

/// One line for the server's log, written at once: `eprintln!` would write it in
/// pieces, each of them a call to the host, and lines of other requests between.
pub(crate) fn log(line: Arguments<'_>) {
    // If the log does not take it there is nowhere to say so.
    _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Says it better than the `unreachable!` of the imports' stand-ins, which abort.
#[track_caller]
fn only_in_a_component() {
    if !cfg!(target_family = "wasm") {
        panic!("this works only inside a component that a server runs");
    }
}
