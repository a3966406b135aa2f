//! The `tcp-socket` of both versions: none is created without a permit, and dropping it
//! gives the permit back.

use super::super::super::data::Data;
use super::super::super::engine::Concurrency;
use super::permits::Refusal;
use super::{Interfaces, View, view};
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::p2::SocketError;
use wasmtime_wasi::p2::bindings::sockets::network::{
    ErrorCode as Code02, IpAddressFamily as Family02,
};
use wasmtime_wasi::p2::bindings::sockets::tcp::{HostTcpSocket as Host02, TcpSocket as Socket02};
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket as create02;
use wasmtime_wasi::p3::bindings::sockets::types::{
    ErrorCode as Code03, Host as _, HostTcpSocket as Host03, IpAddressFamily as Family03,
    TcpSocket as Socket03,
};

pub(super) fn add_to_linker(
    linker: &mut Linker<Data>,
    concurrency: Concurrency,
) -> wasmtime::Result<()> {
    create02::add_to_linker::<_, Interfaces>(linker, view)?;
    let mut tcp = linker.instance("wasi:sockets/tcp@0.2.12")?;
    tcp.resource("tcp-socket", ResourceType::host::<Socket02>(), |mut store, rep| {
        let mut view = view(store.data_mut());
        Host02::drop(&mut view.wasi, Resource::new_own(rep))?;
        view.sockets.closed(rep);
        Ok(())
    })?;
    if concurrency == Concurrency::Single {
        return Ok(());
    }
    let mut types = linker.instance("wasi:sockets/types@0.3.0")?;
    types.func_wrap("[static]tcp-socket.create", |mut store, (family,): (Family03,)| {
        Ok((create(view(store.data_mut()), family)?,))
    })?;
    types.resource("tcp-socket", ResourceType::host::<Socket03>(), |mut store, rep| {
        let mut view = view(store.data_mut());
        Host03::drop(&mut view.wasi, Resource::new_own(rep))?;
        view.sockets.closed(rep);
        Ok(())
    })
}

impl create02::Host for View<'_> {
    fn create_tcp_socket(&mut self, family: Family02) -> Result<Resource<Socket02>, SocketError> {
        let permit = self.sockets.admit().map_err(|refusal| match refusal {
            Refusal::NothingGranted => Code02::AccessDenied,
            Refusal::NoRoom => Code02::NewSocketLimit,
        })?;
        let socket = create02::Host::create_tcp_socket(&mut self.wasi, family)?;
        self.sockets.opened(&socket, permit);
        Ok(socket)
    }
}

fn create(
    mut view: View<'_>,
    family: Family03,
) -> wasmtime::Result<Result<Resource<Socket03>, Code03>> {
    let permit = match view.sockets.admit() {
        Ok(permit) => permit,
        Err(Refusal::NothingGranted) => return Ok(Err(Code03::AccessDenied)),
        // There is no code for it any more, so it goes by the name that it had.
        Err(Refusal::NoRoom) => return Ok(Err(Code03::Other(Some("new-socket-limit".into())))),
    };
    match Host03::create(&mut view.wasi, family) {
        Ok(socket) => {
            view.sockets.opened(&socket, permit);
            Ok(Ok(socket))
        }
        Err(error) => view.wasi.convert_error_code(error).map(Err),
    }
}
