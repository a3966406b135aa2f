//! Clients: listening, connections, and the way of a request from its head to the
//! site and of a response back.
//!
//! Everything here assumes that whoever is at the other end is a stranger.

mod authority;
mod client;
mod clock;
mod connection;
mod errand;
mod exchange;
mod fixed;
mod gather;
mod incoming;
mod listen;
mod outgoing;
mod reader;
mod request;
mod service;
mod socket;
mod stream;

pub use listen::{Listener, bind, serve};

use crate::files::OpenFiles;
use crate::logging::access::AccessLog;
use crate::meter::ServerMeter;
use crate::policy::Ranges;
use crate::site::Registry;
use std::sync::Arc;

/// What all connections share.
#[derive(Debug)]
pub struct Server {
    pub registry: Arc<Registry>,
    pub meter: Arc<ServerMeter>,
    pub access: AccessLog,
    pub files: OpenFiles,
    /// Peers whose `x-forwarded-for` is believed.
    pub trusted_proxies: Ranges,
}

/// How far a server is on its way to stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Serving,
    /// No new connections; those that are open answer what has begun.
    Draining,
    /// Everything ends now.
    Cut,
}
