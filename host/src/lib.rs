//! Squall: an async application server whose handlers are sandboxed WebAssembly
//! components.
//!
//! It routes requests to components, suspends a component whenever it waits, and
//! swaps it when its file changes without failing one request.
//!
//! Lowest layer first; a module uses only what stands above it:
//!
//! - words: [`limits`], [`id`], [`body`], [`headers`], [`fault`], [`meter`]
//! - facts: [`path`], [`route`], [`told`], [`policy`], [`config`]
//! - services: [`logging`], [`alarm`], [`offload`], [`signing`], [`files`], [`upstream`], [`store`]
//! - guests: [`wasm`]
//! - the site: [`site`]
//! - edges: [`server`], [`ops`]
//! - the face: [`app`], [`build`], and the binary's `cli`

pub mod limits;
pub mod id;
pub mod body;
pub mod headers;
pub mod fault;
pub mod meter;

pub mod path;
pub mod route;
pub mod told;
pub mod policy;
pub mod config;

pub mod logging;
pub mod alarm;
pub mod offload;
pub mod signing;
pub mod files;
pub mod upstream;
pub mod store;

pub mod wasm;

pub mod site;

pub mod server;
pub mod ops;

pub mod app;
pub mod build;
