//! `squall:web`: the imports of the native world.

mod client;
mod key_value;
mod log;
mod outbound;
mod signing;

use super::super::call::Call;
use super::super::data::{Data, current_call};
use super::super::engine::Concurrency;
use super::super::web;
use std::sync::Arc;
use wasmtime::AsContextMut;
use wasmtime::component::{Accessor, HasData, Linker};

pub(super) fn add_to_linker(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    web::client::add_to_linker::<_, Web>(linker, |data| data)?;
    web::outbound::add_to_linker::<_, Web>(linker, |data| data)?;
    web::log::add_to_linker::<_, Web>(linker, |data| data)?;
    web::signing::add_to_linker::<_, Web>(linker, |data| data)?;
    web::key_value::add_to_linker::<_, Web>(linker, |data| data)
}

struct Web;

impl HasData for Web {
    type Data<'a> = &'a mut Data;
}

/// The call that an import is called for.
fn caller(accessor: &Accessor<Data, Web>) -> Option<Arc<Call>> {
    accessor.with(|mut access| current_call(&mut access.as_context_mut(), Concurrency::Many))
}
