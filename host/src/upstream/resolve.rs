//! From a name to addresses. Judges nothing, remembers nothing.

use crate::offload::UPSTREAM;
use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Asked once per connection, never for an address or for `localhost`.
///
/// The system answers in a running server, a table in tests.
pub trait Resolve: Debug + Send + Sync {
    /// The addresses of `host` in the order in which to try them.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// `getaddrinfo`, so that `/etc/hosts`, search domains and NSS modules work as
/// the operator expects.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            // The port only fills the form.
            let host = host.to_owned();
            let found = UPSTREAM.run(move || (host.as_str(), 0).to_socket_addrs()).await??;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
