//! Outbound requests of one handler: judge, resolve once, connect to exactly
//! the address that was judged, send, and give the response back as it comes.
//!
//! Each phase has a deadline and each connection a permit, so a peer can make
//! a request fail but cannot hold anything for long. Connections are pooled per
//! handler and never shared between handlers, because their grants differ; only
//! their number is one for all.
//!
//! This module must not know guests, routes or config files. It counts what is
//! open and nothing else, and does not log: its errors carry a label and a text
//! for the caller, which is the import of outbound HTTP in `wasm`.

mod client;
mod connect;
mod connection;
mod download;
mod error;
mod lease;
mod lookup;
mod outgoing;
mod permit;
mod pool;
mod race;
mod resolve;
mod socket;
#[cfg(test)]
mod tests;
mod tls;
mod total;
mod upload;

pub use client::{Options, Upstream};
pub use error::UpstreamError;
pub use permit::{Full, Permit};
pub use resolve::{BoxFuture, Resolve, SystemResolver};
pub use tls::{ExtraRoots, Tls, TlsError, Trust};
pub use total::OpenConnections;
