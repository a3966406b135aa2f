//! What the host offers to guests: WASI 0.2 and 0.3, with our own in place of a few
//! functions, state, and the interfaces of the native world.
//!
//! Everything is linked for every component; what a handler may reach is decided
//! when it calls, by its grants.

mod clocks;
mod keyvalue;
mod log;
mod outbound;
mod reporter;
mod responses;
mod sockets;
mod table;
mod web;

pub(super) use log::GuestLog;
pub(super) use outbound::Outbound;
pub(crate) use reporter::Reporter;
pub(super) use responses::Unreturned;
pub(super) use sockets::Sockets;
pub(super) use table::is_known;
pub use table::{Import, ImportStatus};

use super::data::Data;
use super::engine::Concurrency;
use wasmtime::Engine;
use wasmtime::component::Linker;
use wasmtime_wasi_config::WasiConfig;
use wasmtime_wasi_http::{p2 as http02, p3 as http03};

/// Links all imports for components that run on `engine`.
pub(super) fn linker(engine: &Engine, concurrency: Concurrency) -> wasmtime::Result<Linker<Data>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    http02::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_config::add_to_linker(&mut linker, |data: &mut Data| {
        WasiConfig::new(&data.values)
    })?;
    if concurrency == Concurrency::Many {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        http03::add_to_linker(&mut linker)?;
    }
    keyvalue::add_to_linker(&mut linker)?;
    linker.allow_shadowing(true);
    sockets::add_to_linker(&mut linker, concurrency)?;
    if concurrency == Concurrency::Many {
        clocks::add_to_linker(&mut linker)?;
        log::add_to_linker(&mut linker)?;
        outbound::add_to_linker(&mut linker)?;
        responses::add_to_linker(&mut linker)?;
        web::add_to_linker(&mut linker)?;
    }
    Ok(linker)
}
