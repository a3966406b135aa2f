//! The world behind the public face: Squall's own, `squall:web`, or with the feature
//! `wasi-http` that of WASI 0.3.
//!
//! Only this module names `wit_bindgen` and `wasip3`. What the rest of the crate uses
//! of a world is small, and both offer it: a request and a body that are read, a
//! response and a body that are written, sending a request out, a clock, config values,
//! signatures, values by key, lines for the log, and a place to run futures.
//!
//! Nothing here is part of the public face, though the macro must see some of it.

mod executor;
mod logger;
#[cfg(feature = "cookies")]
pub(crate) mod signing;
pub(crate) mod state;
#[cfg(not(feature = "wasi-http"))]
#[doc(hidden)]
pub mod native;
#[cfg(feature = "wasi-http")]
#[doc(hidden)]
pub mod standard;

#[cfg(not(feature = "wasi-http"))]
use native as world;
#[cfg(feature = "wasi-http")]
use standard as world;

pub(crate) use executor::{Id as TaskId, cancel, spawn};
pub(crate) use world::{IncomingBody, RawRequest, now, send, sleep};

use crate::{IntoResponse, Response};
use log::Level;
use std::fmt::Arguments;
use world::bindings::wasi::config::store;

#[doc(hidden)]
pub use crate::__export_handler as export_handler;

/// Takes what the handler makes.
#[doc(hidden)]
pub fn respond<T: IntoResponse>(answer: T) -> Response {
    answer.into_response()
}

/// The value of a config key, or why it cannot be told.
pub(crate) fn config(key: &str) -> Result<Option<String>, String> {
    only_in_a_component();
    store::get(key).map_err(|error| match error {
        store::Error::Upstream(reason) | store::Error::Io(reason) => reason,
    })
}

/// One line for the server's log, of what the client is not told.
pub(crate) fn log(line: Arguments<'_>) {
    world::write(Level::Error, &line.to_string(), &[]);
}

/// Says it better than the `unreachable!` of the imports' stand-ins, which abort.
#[track_caller]
fn only_in_a_component() {
    if !cfg!(target_family = "wasm") {
        panic!("this works only inside a component that a server runs");
    }
}

/// What is asked of a body's stream at once. The host hands over what it has, so this
/// bounds a chunk: large enough that a big upload needs few calls, small enough that
/// many requests in one instance do not add up.
const CHUNK: usize = 64 * 1024;

/// A chunk that is kept should not keep the whole buffer that it was read into.
fn exact(mut chunk: Vec<u8>) -> bytes::Bytes {
    if chunk.len() < chunk.capacity() / 2 {
        chunk.shrink_to_fit();
    }
    chunk.into()
}

/// A HEAD request is not looked at: the server itself leaves that body out.
fn has_body(status: http::StatusCode) -> bool {
    !status.is_informational()
        && status != http::StatusCode::NO_CONTENT
        && status != http::StatusCode::NOT_MODIFIED
}

/// Where «no body» is told by a length of 0 (RFC 9110, 8.6).
fn expects_body(method: &http::Method) -> bool {
    [http::Method::POST, http::Method::PUT, http::Method::PATCH].contains(method)
}

/// The names of trailers, which HTTP/1 wants said before the body.
fn trailer_names(trailers: &http::HeaderMap) -> Option<http::HeaderValue> {
    let names: Vec<_> = trailers.keys().map(http::HeaderName::as_str).collect();
    http::HeaderValue::try_from(names.join(", ")).ok()
}
