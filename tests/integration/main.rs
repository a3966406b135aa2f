//! All integration tests, in one binary so that they link once. Each starts a real
//! `squall` on a port of its own and talks to it over real sockets.
//!
//! The names of rows (`g1`, `c7`, `o3`, ...) are those of the fault matrix.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "read when a test fails")]

mod support;

mod abandoned;
mod admin;
mod answers;
mod anywhere;
mod build;
mod clients;
mod command_line;
mod configs;
mod deadlines;
mod documents;
mod folders;
mod forwarded;
mod framing;
mod grants;
mod guests;
mod http;
mod hung_files;
mod languages;
mod limits;
mod limits_outbound;
mod limits_live;
mod logs;
mod native;
mod native_bodies;
mod native_gone;
mod native_logs;
mod patience;
mod pool;
mod refusals;
mod reload;
mod sdk;
mod shutdown;
mod signing;
mod sockets;
mod slots;
mod slow_readers;
mod start;
mod state;
mod state_file;
#[cfg(feature = "redis")]
mod state_redis;
mod state_schema;
mod state_sdk;
mod statics;
mod streams;
mod structure;
mod surroundings;
mod swaps;
mod worlds;
