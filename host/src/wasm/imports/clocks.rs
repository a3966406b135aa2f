//! `wasi:clocks/monotonic-clock@0.3`: timers that end with the call they are for.
//!
//! A shared instance cannot be dropped when one of its requests loses its client,
//! and wasmtime 48 cannot cancel a guest's task (wasmtime#11833). So the timer that
//! the task waits for ends at once. Timers that it starts afterwards take their
//! time, or a loop that waits between two tries would spin.

use super::super::call::Call;
use super::super::data::{Data, current_call};
use super::super::engine::Concurrency;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use wasmtime::AsContextMut;
use wasmtime::component::{Accessor, HasData, Linker};
use wasmtime_wasi::clocks::{WasiClocksCtxView, WasiClocksView};
use wasmtime_wasi::p3::bindings::clocks::monotonic_clock::{self, Host, HostWithStore, Mark};

pub(super) fn add_to_linker(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    monotonic_clock::add_to_linker::<_, Clocks>(linker, Data::clocks)
}

struct Clocks;

impl HasData for Clocks {
    type Data<'a> = WasiClocksCtxView<'a>;
}

impl HostWithStore<Data> for Clocks {
    async fn wait_until(accessor: &Accessor<Data, Self>, when: Mark) -> wasmtime::Result<()> {
        let (now, call) = accessor.with(|mut access| {
            let now = Host::now(&mut access.get());
            (now, current_call(&mut access.as_context_mut(), Concurrency::Many))
        });
        wait(Duration::from_nanos(when.saturating_sub(now?)), call).await;
        Ok(())
    }

    async fn wait_for(accessor: &Accessor<Data, Self>, nanos: u64) -> wasmtime::Result<()> {
        let call = accessor
            .with(|mut access| current_call(&mut access.as_context_mut(), Concurrency::Many));
        wait(Duration::from_nanos(nanos), call).await;
        Ok(())
    }
}

async fn wait(duration: Duration, call: Option<Arc<Call>>) {
    if duration.is_zero() {
        return;
    }
    match call.filter(|call| !call.is_abandoned()) {
        None => sleep(duration).await,
        Some(call) => {
            tokio::select! {
                () = sleep(duration) => {}
                () = call.until_given_up() => {}
            }
        }
    }
}
