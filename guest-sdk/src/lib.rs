//! Write handlers for the Squall server: an async function in, a WebAssembly
//! component out.
//!
//! # In five minutes
//!
//! A plugin is a library crate of type `cdylib`:
//!
//! ```toml
//! [package]
//! name = "hello"
//! version = "0.1.0"
//! edition = "2024"
//!
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! squall-sdk = { path = "../squall/guest-sdk" } # where Squall is checked out
//!
//! [profile.release]
//! lto = true
//! codegen-units = 1
//! panic = "abort"
//! strip = "debuginfo" # the names stay, so that a backtrace tells something
//! ```
//!
//! with one function in it that stands under [`#[handler]`](handler):
//!
//! ```
//! use squall_sdk::{handler, Request};
//!
//! #[handler]
//! async fn hello(request: Request) -> String {
//!     format!("You asked for {}\n", request.uri().path())
//! }
//! ```
//!
//! `cargo build --release --target wasm32-wasip2` makes a component of it, and
//! `squall.toml` says at which path it answers. While the server runs, building it
//! anew swaps it.
//!
//! ## What comes in
//!
//! [`Request`] has the method, the URI and the headers, as types of the [`http`]
//! crate. Beyond that it knows [`query`](Request::query) parameters, the parts of
//! the path that the route names ([`capture`](Request::capture)), and reads its
//! body as [`json`](Request::json), [`form`](Request::form) or
//! [`text`](Request::text).
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use squall_sdk::{handler, Json, Request, Result};
//!
//! #[derive(Deserialize)]
//! struct Numbers { a: i64, b: i64 }
//!
//! #[derive(Serialize)]
//! struct Sum { sum: i64 }
//!
//! #[handler]
//! async fn add(request: Request) -> Result<Json<Sum>> {
//!     let Numbers { a, b } = request.json().await?;
//!     Ok(Json(Sum { sum: a + b }))
//! }
//! ```
//!
//! ## What goes out
//!
//! A handler returns anything that is [`IntoResponse`]: a text, [`Json`], a
//! status, both, or a whole [`Response`]. If it can fail it returns a [`Result`],
//! whose [`Error`] keeps apart what the client and what the log reads:
//!
//! ```
//! use squall_sdk::{handler, Error, Method, Request, Result, StatusCode};
//!
//! #[handler]
//! async fn stories(request: Request) -> Result<(StatusCode, String)> {
//!     match *request.method() {
//!         Method::GET => Ok((StatusCode::OK, "all stories".to_owned())),
//!         Method::POST => {
//!             let story = request.text().await?; // not UTF-8, or too large: 400, 413
//!             if story.is_empty() {
//!                 return Err(Error::bad_request("a story has at least one letter"));
//!             }
//!             let id: u64 = "7".parse()?; // anything else: 500, and the log says why
//!             Ok((StatusCode::CREATED, format!("story {id}")))
//!         }
//!         _ => Err(Error::new(StatusCode::METHOD_NOT_ALLOWED, "GET or POST")),
//!     }
//! }
//! ```
//!
//! ## Waiting
//!
//! Whatever is awaited suspends this request only. [`fetch`](mod@fetch) asks other
//! servers, [`time`] waits, and [`spawn`] goes on after the answer. To do several
//! things at once use the `futures` crates: nothing here needs an executor of its
//! own, and one that blocks, such as tokio's, has no place in a component.
//!
//! ```
//! use futures_util::future::try_join;
//! use squall_sdk::{config, fetch, handler, ResponseExt, Result};
//!
//! #[handler]
//! async fn front() -> Result<String> {
//!     let news = fetch::get(config::required("news")?).send();
//!     let weather = fetch::get(config::required("weather")?).send();
//!     let (news, weather) = try_join(news, weather).await?;
//!     Ok(news.text().await? + &weather.text().await?)
//! }
//! ```
//!
//! ## State
//!
//! [`state`] keeps values by key for longer than an instance lives, in buckets that the
//! operator grants with `key_value = ["default"]`. What several requests may change at
//! once is changed by a function, which is asked again if somebody was quicker:
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use squall_sdk::state::Bucket;
//! use squall_sdk::{Error, Json, Path, Result, handler};
//!
//! #[derive(Deserialize, Serialize)]
//! struct Poll { question: String, yes: u64 }
//!
//! const POLLS: Bucket = Bucket::named("default");
//!
//! #[handler]
//! async fn vote(Path(id): Path<String>) -> Result<Json<Poll>> {
//!     let counted = |poll: Option<Poll>| {
//!         let mut poll = poll.ok_or_else(|| Error::not_found("there is no such poll"))?;
//!         poll.yes += 1;
//!         Ok(poll)
//!     };
//!     Ok(Json(POLLS.update_json(&id, counted).await?))
//! }
//! ```
//!
//! ## Large things
//!
//! Bodies are streams in both directions, see [`Body`]. What is passed on unread,
//! like the request's body here, does not even enter the component:
//!
//! ```
//! use squall_sdk::{handler, Request, Response};
//!
//! #[handler]
//! async fn echo(request: Request) -> Response {
//!     Response::new(request.into_body())
//! }
//! ```
//!
//! ## Log
//!
//! Lines for the server's log are written with the crate [`log`], which libraries use too.
//! Each has a level, and values by name; the server adds the handler and the request.
//!
//! ```
//! use squall_sdk::{handler, log};
//!
//! #[handler]
//! async fn login(name: String) -> String {
//!     log::info!(user = name; "signed in");
//!     format!("Hello {name}")
//! }
//! ```
//!
//! Which levels are written is the operator's choice (`SQUALL_LOG`), and what is not costs
//! next to nothing. With the feature `wasi-http` they are lines on stderr, of level `info`
//! and above. In tests they go where the test has them go.
//!
//! ## Tests
//!
//! A handler remains a function. With any small executor a test calls it, without
//! WebAssembly. [State](state#tests) and signed cookies work there too; what else only a
//! server has, such as the time or other servers, does not.
//!
//! ```
//! use squall_sdk::{handler, Request};
//!
//! #[handler]
//! async fn hello(request: Request) -> String {
//!     format!("Hello {}", request.capture("name").unwrap_or_default())
//! }
//!
//! let request = Request::from(http::Request::new("")).with_capture("name", "Ada");
//! assert_eq!(futures_executor::block_on(hello(request)), "Hello Ada");
//! ```
//!
//! ## Other hosts
//!
//! With the feature `wasi-http` the same source becomes a standard component of
//! `wasi:http` 0.3, which Squall serves too. A plugin passes the switch on:
//!
//! ```toml
//! [features]
//! wasi-http = ["squall-sdk/wasi-http"]
//! ```
//!
//! and wasmtime 48, for one, serves what comes out:
//!
//! ```text
//! cargo build --release --target wasm32-wasip2 --features wasi-http
//! wasmtime serve -S cli,config -S config-var=greeting=Hello target/wasm32-wasip2/release/hello.wasm
//! ```
//!
//! All works there but what only Squall knows or keeps. There are no captures and
//! no request id. Signed cookies need a key of Squall's, so a component that has
//! them does not load. Nobody else takes away a client's own headers that begin
//! with `squall-`, and a component believes them: have the proxy before such a host
//! remove them if the handler asks for [`Request::client_address`] and the like.
//!
//! ## What a component must not do
//!
//! One instance serves many requests, also at the same time, and is replaced
//! whenever the server likes. So a `static` is a cache at best, and futures of two
//! requests must not wait for each other: that ends the instance. What requests
//! share belongs in [`state`]. What is printed to stdout and stderr goes to the
//! server's log, and a panic there too; it ends the instance and the requests in it.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by it"))]

mod body;
pub mod config;
#[cfg(feature = "cookies")]
mod cookies;
mod error;
mod etag;
pub mod extract;
pub mod fetch;
#[cfg(feature = "multipart")]
pub mod multipart;
mod redirect;
mod request;
mod response;
mod rt;
mod service;
pub mod state;
mod task;
pub mod time;

pub use body::{Body, BodyClosed, BodyError, BodyErrorKind, BodySender};
pub use bytes::Bytes;
#[cfg(feature = "cookies")]
pub use cookie;
#[cfg(feature = "cookies")]
pub use cookies::Cookies;
pub use error::{BoxError, Error, Result};
pub use etag::{ETag, Preconditions};
pub use extract::{
    ClientAddress, Form, FromRequest, FromRequestParts, Path, Query, Rejection, RejectionKind,
};
pub use fetch::fetch;
pub use http::{self, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
pub use log;
#[cfg(feature = "multipart")]
pub use multipart::Multipart;
pub use redirect::Redirect;
pub use request::Request;
pub use response::{Html, IntoResponse, IntoResponseParts, Json, Response, ResponseExt};
pub use task::{Cancelled, Task, spawn};

/// Makes an async function the handler of this component: the one function that
/// the server calls for a request.
///
/// It takes a [`Request`] (or an [`http::Request<Body>`](http::Request), or
/// nothing), and returns anything that is [`IntoResponse`].
///
/// ```
/// use squall_sdk::handler;
///
/// #[handler]
/// async fn hello() -> &'static str {
///     "Hello, World!\n"
/// }
/// ```
///
/// A component has one handler. One that serves several paths looks at
/// [`Request::subpath`] or at what the route captured.
///
/// ```compile_fail
/// # use squall_sdk::handler;
/// #[handler]
/// async fn one() {}
///
/// #[handler]
/// async fn two() {}
/// ```
pub use squall_sdk_macros::handler;

/// Says which [`state`] this component understands: its schema, a number from 0 to
/// 4294967295. Without it the number is 0.
///
/// State of one schema is never seen by a component of another. A version that keeps
/// things in another way has another number: the server then refuses it, or has it begin
/// with nothing, as the operator has chosen (`schema_change`); and a way back finds what
/// there was before.
///
/// ```
/// squall_sdk::schema!(1);
/// ```
///
/// It stands in the crate of the handler, once.
///
/// ```compile_fail
/// squall_sdk::schema!(1);
/// squall_sdk::schema!(2);
/// ```
pub use squall_sdk_macros::schema;

/// What the macro needs. It may change at any time.
#[doc(hidden)]
pub mod __rt {
    pub use crate::extract::{argument, last_argument};
    #[cfg(not(feature = "wasi-http"))]
    pub use crate::rt::native;
    #[cfg(feature = "wasi-http")]
    pub use crate::rt::standard;
    pub use crate::rt::{export_handler, respond};
    pub use crate::service::App;
}
