//! `wasi:sockets`: TCP to granted hosts, and nothing else. A name is resolved only
//! if it is granted, and an address is connected to only if it is granted itself or
//! was the answer to such a name.

use super::super::data::{Blueprint, Data};
use super::super::engine::Concurrency;
use crate::id::{GenerationNumber, HandlerName};
use crate::meter::HandlerMeter;
use crate::policy::{Denied, TcpGrants};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::component::{Accessor, HasData, Linker, Resource};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup as lookup02;
use wasmtime_wasi::p2::bindings::sockets::network::{
    self as network02, ErrorCode as Code02, IpAddress as Ip02, Network,
};
use wasmtime_wasi::p2::{IoError, SocketError};
use wasmtime_wasi::p3::bindings::sockets::ip_name_lookup as lookup03;
use wasmtime_wasi::p3::bindings::sockets::types::IpAddress as Ip03;
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSockets, WasiSocketsCtxView, WasiSocketsView};

/// The sockets of one instance.
#[derive(Clone)]
pub(crate) struct Sockets(Arc<Inner>);

struct Inner {
    grants: Arc<TcpGrants>,
    handler: HandlerName,
    generation: GenerationNumber,
    meter: Arc<HandlerMeter>,
    /// Names that are being resolved, by the stream of their answers.
    asked: Mutex<HashMap<u32, String>>,
    /// Addresses that were the answer to a granted name, with that name.
    answered: Mutex<HashMap<IpAddr, HashSet<String>>>,
}

impl Sockets {
    pub(crate) fn new(blueprint: &Blueprint) -> Self {
        Sockets(Arc::new(Inner {
            grants: blueprint.tcp.clone(),
            handler: blueprint.handler.clone(),
            generation: blueprint.generation,
            meter: blueprint.meter.clone(),
            asked: Mutex::default(),
            answered: Mutex::default(),
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
        wasi.allow_tcp(true).allow_ip_name_lookup(true).socket_addr_check(
            move |address, purpose| {
                let allowed = sockets.allows(address, purpose);
                Box::pin(std::future::ready(allowed))
            },
        );
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
        let literal = match ip {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("[{v6}]"),
        };
        let names = inner.answered.lock().unwrap_or_else(PoisonError::into_inner).get(&ip).cloned();
        let mut denied = None;
        for name in names.into_iter().flatten().chain([literal]) {
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

    /// Whether `name` may be resolved.
    fn allows_name(&self, name: &str) -> bool {
        match self.0.grants.check_host(name) {
            Ok(()) => true,
            Err(denied) => {
                self.report(&denied);
                false
            }
        }
    }

    fn note_answer(&self, name: &str, address: IpAddr) {
        let mut answered = self.0.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.entry(address.to_canonical()).or_default().insert(name.to_owned());
    }

    fn report(&self, denied: &Denied) {
        let inner = &*self.0;
        inner.meter.outbound_denied.count(denied.reason());
        tracing::warn!(
            handler = %inner.handler,
            generation = %inner.generation,
            reason = denied.reason(),
            "connection denied: {denied}"
        );
    }
}

/// Puts our check before the resolution of names.
pub(super) fn add_to_linker(
    linker: &mut Linker<Data>,
    concurrency: Concurrency,
) -> wasmtime::Result<()> {
    lookup02::add_to_linker::<_, Lookup>(linker, view)?;
    if concurrency == Concurrency::Many {
        lookup03::add_to_linker::<_, Lookup>(linker, view)?;
    }
    Ok(())
}

struct Lookup;

impl HasData for Lookup {
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

impl network02::Host for View<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<Code02> {
        network02::Host::convert_error_code(&mut self.wasi, error)
    }

    fn network_error_code(&mut self, error: Resource<IoError>) -> wasmtime::Result<Option<Code02>> {
        network02::Host::network_error_code(&mut self.wasi, error)
    }
}

impl network02::HostNetwork for View<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        network02::HostNetwork::drop(&mut self.wasi, network)
    }
}

type Answers = lookup02::ResolveAddressStream;

impl lookup02::Host for View<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> Result<Resource<Answers>, SocketError> {
        if !self.sockets.allows_name(&name) {
            return Err(Code02::AccessDenied.into());
        }
        let answers = lookup02::Host::resolve_addresses(&mut self.wasi, network, name.clone())?;
        let mut asked = self.sockets.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(answers.rep(), name);
        Ok(answers)
    }
}

impl lookup02::HostResolveAddressStream for View<'_> {
    fn resolve_next_address(
        &mut self,
        answers: Resource<Answers>,
    ) -> Result<Option<Ip02>, SocketError> {
        let stream = answers.rep();
        let answer =
            lookup02::HostResolveAddressStream::resolve_next_address(&mut self.wasi, answers)?;
        let asked = self.sockets.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(answer), Some(name)) = (answer, asked.get(&stream)) {
            self.sockets.note_answer(name, ip(answer));
        }
        Ok(answer)
    }

    fn subscribe(&mut self, answers: Resource<Answers>) -> wasmtime::Result<Resource<DynPollable>> {
        lookup02::HostResolveAddressStream::subscribe(&mut self.wasi, answers)
    }

    fn drop(&mut self, answers: Resource<Answers>) -> wasmtime::Result<()> {
        self.sockets.0.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(&answers.rep());
        lookup02::HostResolveAddressStream::drop(&mut self.wasi, answers)
    }
}

fn ip(address: Ip02) -> IpAddr {
    match address {
        Ip02::Ipv4((a, b, c, d)) => [a, b, c, d].into(),
        Ip02::Ipv6((a, b, c, d, e, f, g, h)) => [a, b, c, d, e, f, g, h].into(),
    }
}

impl lookup03::Host for View<'_> {}

impl lookup03::HostWithStore<Data> for Lookup {
    async fn resolve_addresses(
        accessor: &Accessor<Data, Self>,
        name: String,
    ) -> wasmtime::Result<Result<Vec<Ip03>, lookup03::ErrorCode>> {
        let sockets = accessor.with(|mut access| access.get().sockets);
        if !sockets.allows_name(&name) {
            return Ok(Err(lookup03::ErrorCode::AccessDenied));
        }
        let inner = accessor.with_getter::<WasiSockets>(Data::sockets);
        let answers =
            <WasiSockets as lookup03::HostWithStore<Data>>::resolve_addresses(&inner, name.clone())
                .await?;
        for answer in answers.iter().flatten() {
            sockets.note_answer(&name, (*answer).into());
        }
        Ok(answers)
    }
}
