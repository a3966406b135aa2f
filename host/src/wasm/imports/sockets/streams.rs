//! `send` and `receive` of a 0.3 `tcp-socket`: their streams keep the descriptor open
//! after the socket is dropped, so they keep its permit.
//!
//! What tells of a stream's end is the future beside it. It is listened to before it is
//! passed on to the guest, which need not listen. So the permit is back when the instance
//! next waits for something.

use super::super::super::data::Data;
use crate::upstream::Permit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use wasmtime::component::{Access, FutureConsumer, FutureReader, Linker, Resource};
use wasmtime::component::{Source, StreamReader};
use wasmtime::error::Context as _;
use wasmtime::{AsContextMut, StoreContextMut};
use wasmtime_wasi::p3::bindings::sockets::types::{ErrorCode, HostTcpSocketWithStore, TcpSocket};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};

type Ended = Result<(), ErrorCode>;

pub(super) fn add_to_linker(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    type Send = (Resource<TcpSocket>, StreamReader<u8>);
    type Receive = (Resource<TcpSocket>,);
    let mut types = linker.instance("wasi:sockets/types@0.3.0")?;
    types.func_wrap("[method]tcp-socket.send", |mut store, (socket, data): Send| {
        let permit = store.data().sockets.permit_of(&socket);
        let ended =
            <WasiSockets as HostTcpSocketWithStore<Data>>::send(access(&mut store), socket, data)?;
        Ok((keep(store, permit, ended)?,))
    })?;
    types.func_wrap("[method]tcp-socket.receive", |mut store, (socket,): Receive| {
        let permit = store.data().sockets.permit_of(&socket);
        let received =
            <WasiSockets as HostTcpSocketWithStore<Data>>::receive(access(&mut store), socket)?;
        let (data, ended) = received;
        Ok(((data, keep(store, permit, ended)?),))
    })
}

fn access<'a>(store: &'a mut StoreContextMut<'_, Data>) -> Access<'a, Data, WasiSockets> {
    Access::new(store.as_context_mut(), |data| data.sockets())
}

/// Keeps `permit` until `ended` says so.
fn keep(
    mut store: StoreContextMut<'_, Data>,
    permit: Option<Arc<Permit>>,
    ended: FutureReader<Ended>,
) -> wasmtime::Result<FutureReader<Ended>> {
    let (guest, told) = oneshot::channel();
    ended.pipe(&mut store, Kept { permit, guest: Some(guest) })?;
    FutureReader::new(&mut store, told)
}

/// What a stream keeps until its end.
struct Kept {
    permit: Option<Arc<Permit>>,
    /// Whom to tell then.
    guest: Option<oneshot::Sender<Ended>>,
}

impl FutureConsumer<Data> for Kept {
    type Item = Ended;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut store: StoreContextMut<'_, Data>,
        mut source: Source<'_, Ended>,
        _: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut read = None;
        source.read(&mut store, &mut read)?;
        let ended = read.context("a future was written without a value")?;
        self.permit = None;
        if let Some(guest) = self.guest.take() {
            // It may have dropped its end.
            let _ = guest.send(ended);
        }
        Poll::Ready(Ok(()))
    }
}
