//! `wasi:sockets`: TCP to granted hosts, and nothing else. A name is resolved only
//! if it is granted, and an address is connected to only if it is granted itself or
//! was the answer to such a name. Sockets are connections like those of outbound
//! requests, and count among them.

mod answers;
mod create;
mod lookup;
mod permits;
mod streams;
#[cfg(test)]
mod tests;

use super::super::data::{Blueprint, Data};
use super::super::engine::Concurrency;
use super::reporter::Reporter;
use crate::policy::{Denied, Host, TcpGrants};
use crate::upstream::{Upstream, UpstreamError};
use answers::Answers;
use parking_lot::Mutex;
use permits::Permits;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{HasData, Linker};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsCtxView, WasiSocketsView};

/// Puts our own in place of what WASI bounds neither in number nor in time.
pub(super) fn add_to_linker(
    linker: &mut Linker<Data>,
    concurrency: Concurrency,
) -> wasmtime::Result<()> {
    lookup::add_to_linker(linker, concurrency)?;
    create::add_to_linker(linker, concurrency)?;
    if concurrency == Concurrency::Many {
        streams::add_to_linker(linker)?;
    }
    Ok(())
}

/// The sockets of one instance.
#[derive(Clone)]
pub(crate) struct Sockets(Arc<Inner>);

struct Inner {
    grants: Arc<TcpGrants>,
    reporter: Arc<Reporter>,
    /// Its lookups are those of the handler's outbound requests too.
    upstream: Arc<Upstream>,
    /// For one lookup.
    within: Duration,
    answers: Mutex<Answers>,
    permits: Permits,
}

impl Sockets {
    pub(crate) fn new(blueprint: &Blueprint) -> Self {
        Sockets(Arc::new(Inner {
            grants: blueprint.tcp.clone(),
            reporter: blueprint.reporter.clone(),
            upstream: blueprint.upstream.clone(),
            within: blueprint.limits.outbound_connect,
            answers: Mutex::default(),
            permits: Permits::default(),
        }))
    }

    /// Opens as much of `wasi` as the grants need.
    pub(crate) fn grant(&self, wasi: &mut WasiCtxBuilder) {
        wasi.allow_udp(false);
        if self.0.grants.is_empty() {
            wasi.allow_tcp(false);
            return;
        }
        let sockets = self.clone();
        wasi.allow_tcp(true).socket_addr_check(move |address, purpose| {
            let allowed = sockets.allows(address, purpose);
            Box::pin(std::future::ready(allowed))
        });
    }

    fn allows(&self, address: SocketAddr, purpose: SocketAddrUse) -> bool {
        match purpose {
            // What the system does before a connection: any address, any port.
            SocketAddrUse::TcpBind => address.ip().is_unspecified() && address.port() == 0,
            SocketAddrUse::TcpConnect => self.allows_connection(address),
            _ => false,
        }
    }

    fn allows_connection(&self, address: SocketAddr) -> bool {
        let inner = &*self.0;
        let ip = address.ip().to_canonical();
        let literal = Host::Address(ip).to_string();
        let names = inner.answers.lock().names_of(ip);
        let mut denied = None;
        for name in names.into_iter().chain([literal]) {
            let named = inner.grants.check_name(&name, address.port());
            match named.and_then(|named| inner.grants.check_address(&named, ip)) {
                Ok(()) => return true,
                Err(error) => denied = Some(error),
            }
        }
        if let Some(denied) = denied {
            self.report(&denied);
        }
        false
    }

    /// The host that `name` is, if it may be resolved.
    fn check_host(&self, name: &str) -> Result<Host, Denied> {
        self.0.grants.check_host(name).inspect_err(|denied| self.report(denied))
    }

    /// The addresses of a host that may be resolved. Waits no longer than an
    /// outbound request would, and in the same queue.
    async fn resolve(self, host: Host) -> Result<Vec<IpAddr>, UpstreamError> {
        let Inner { reporter, within, .. } = &*self.0;
        let found = self.0.upstream.lookup(&host, *within).await.inspect_err(|error| {
            let (handler, generation) = (&reporter.handler, reporter.generation);
            tracing::debug!(%handler, %generation, phase = error.phase(), "lookup failed: {error}");
        })?;
        let found: Vec<IpAddr> = found.iter().map(IpAddr::to_canonical).collect();
        let mut answers = self.0.answers.lock();
        answers.note(&host, &found);
        Ok(found)
    }

    fn report(&self, denied: &Denied) {
        self.0.reporter.denied("connection", denied, None);
    }
}

/// Implements the interfaces of both versions.
struct Interfaces;

impl HasData for Interfaces {
    type Data<'a> = View<'a>;
}

struct View<'a> {
    wasi: WasiSocketsCtxView<'a>,
    sockets: Sockets,
}

fn view(data: &mut Data) -> View<'_> {
    let sockets = data.sockets.clone();
    View { wasi: data.sockets(), sockets }
}
