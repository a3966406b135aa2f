//! `wasi:sockets/ip-name-lookup`, both versions, with the lookups of `upstream` in
//! place of WASI's own, which bound neither their number nor their time.

use super::super::super::data::Data;
use super::super::super::engine::Concurrency;
use super::{Interfaces, View, view};
use crate::upstream::UpstreamError;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use wasmtime::component::{Accessor, Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup as lookup02;
use wasmtime_wasi::p2::bindings::sockets::network::{
    self as network02, ErrorCode as Code02, IpAddress as Ip02, Network,
};
use wasmtime_wasi::p2::{DynPollable, IoError, Pollable, SocketError, subscribe};
use wasmtime_wasi::p3::bindings::sockets::ip_name_lookup as lookup03;
use wasmtime_wasi::p3::bindings::sockets::types::IpAddress as Ip03;
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};

pub(super) fn add_to_linker(
    linker: &mut Linker<Data>,
    concurrency: Concurrency,
) -> wasmtime::Result<()> {
    lookup02::add_to_linker::<_, Interfaces>(linker, view)?;
    if concurrency == Concurrency::Many {
        lookup03::add_to_linker::<_, Interfaces>(linker, view)?;
    }
    Ok(())
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

/// The name of the resource for the linker. What is in the table is an [`Answer`]:
/// nobody but this module looks at it.
type Stream = lookup02::ResolveAddressStream;

/// One lookup of a 0.2 guest, which polls for its addresses one by one.
enum Answer {
    /// In a task of its own, so that it ends in time even if nobody polls.
    Pending(AbortOnDropJoinHandle<Result<Vec<IpAddr>, UpstreamError>>),
    Ready(Result<std::vec::IntoIter<IpAddr>, Code02>),
}

impl Answer {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<&mut Result<std::vec::IntoIter<IpAddr>, Code02>> {
        if let Answer::Pending(task) = self {
            let Poll::Ready(found) = Pin::new(task).poll(cx) else { return Poll::Pending };
            *self = Answer::Ready(found.map(Vec::into_iter).map_err(|error| code02(&error)));
        }
        match self {
            Answer::Pending(_) => Poll::Pending,
            Answer::Ready(found) => Poll::Ready(found),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Answer {
    async fn ready(&mut self) {
        poll_fn(|cx| self.poll(cx).map(drop)).await;
    }
}

impl lookup02::Host for View<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> Result<Resource<Stream>, SocketError> {
        // The resource is the right to ask: it must be there.
        self.wasi.table.get(&network)?;
        let host = self.sockets.check_host(&name).map_err(|_denied| Code02::AccessDenied)?;
        let answer = Answer::Pending(spawn(self.sockets.clone().resolve(host)));
        let answer = self.wasi.table.push(answer)?;
        Ok(Resource::new_own(answer.rep()))
    }
}

impl lookup02::HostResolveAddressStream for View<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<Stream>,
    ) -> Result<Option<Ip02>, SocketError> {
        let answer = self.wasi.table.get_mut(&Resource::<Answer>::new_borrow(stream.rep()))?;
        match answer.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Err(Code02::WouldBlock.into()),
            Poll::Ready(Ok(addresses)) => Ok(addresses.next().map(Ip02::from)),
            Poll::Ready(Err(code)) => Err((*code).into()),
        }
    }

    fn subscribe(&mut self, stream: Resource<Stream>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.wasi.table, Resource::<Answer>::new_borrow(stream.rep()))
    }

    fn drop(&mut self, stream: Resource<Stream>) -> wasmtime::Result<()> {
        self.wasi.table.delete(Resource::<Answer>::new_own(stream.rep()))?;
        Ok(())
    }
}

impl lookup03::Host for View<'_> {}

impl lookup03::HostWithStore<Data> for Interfaces {
    async fn resolve_addresses(
        accessor: &Accessor<Data, Self>,
        name: String,
    ) -> wasmtime::Result<Result<Vec<Ip03>, lookup03::ErrorCode>> {
        let sockets = accessor.with(|mut access| access.get().sockets);
        let Ok(host) = sockets.check_host(&name) else {
            return Ok(Err(lookup03::ErrorCode::AccessDenied));
        };
        let found = sockets.resolve(host).await;
        Ok(found
            .map(|addresses| addresses.into_iter().map(Ip03::from).collect())
            .map_err(|error| code03(&error)))
    }
}

fn code02(error: &UpstreamError) -> Code02 {
    match error {
        UpstreamError::DnsTimeout { .. } => Code02::TemporaryResolverFailure,
        _ => Code02::NameUnresolvable,
    }
}

fn code03(error: &UpstreamError) -> lookup03::ErrorCode {
    match error {
        UpstreamError::DnsTimeout { .. } => lookup03::ErrorCode::TemporaryResolverFailure,
        _ => lookup03::ErrorCode::NameUnresolvable,
    }
}
