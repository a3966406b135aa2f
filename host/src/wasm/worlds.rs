//! One file per world that a component can export, and what all have in common:
//! a store, a drive, an end.

mod concurrent;
mod http02;
mod http03;
mod web;

pub(in crate::wasm) use http03::wasi_error;

use super::component::Entry;
use super::data::{Data, current_call};
use super::engine::Concurrency;
use super::pool::{Instance, Pool, Unbegun};
use super::seat::{Blame, Seat};
use super::slice::End;
use super::trap;
use crate::fault::{Fault, FaultKind};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use wasmtime::{AsContextMut, Engine, Store};

/// Runs an instance from its start to its end. It finds its requests in its seat.
pub(super) async fn run(instance: &Instance) {
    match &instance.pool.component.entry {
        Entry::Http02(pre) => http02::run(instance, pre).await,
        Entry::Http03(pre) => http03::run(instance, pre).await,
        Entry::Web(pre) => web::run(instance, pre).await,
    }
}

/// Makes an instance, without a request.
pub(super) async fn try_instance(pool: &Pool) -> Result<(), Fault> {
    let seat = Arc::new(Seat::default());
    let store = |engine: &Engine, concurrency| {
        pool.blueprint.store(engine, concurrency, 0, &seat, &pool.ticks)
    };
    // By each world's own bindings, which also look whether the export has its type.
    let (mut store, made) = match &pool.component.entry {
        Entry::Http02(pre) => {
            let mut store = store(pre.engine(), Concurrency::Single);
            let made = timed(pre.instantiate_async(&mut store), pool, &seat).await.map(drop);
            (store, made)
        }
        Entry::Http03(pre) => {
            let mut store = store(pre.engine(), Concurrency::Many);
            let made = timed(pre.instantiate_async(&mut store), pool, &seat).await.map(drop);
            (store, made)
        }
        Entry::Web(pre) => {
            let mut store = store(pre.engine(), Concurrency::Many);
            let made = timed(pre.instantiate_async(&mut store), pool, &seat).await.map(drop);
            (store, made)
        }
    };
    made.map_err(|error| trap::classify(&error, store.data_mut()))
}

/// Has the clock of guests count from when `work` is let run.
async fn timed<T>(work: impl Future<Output = T>, pool: &Pool, seat: &Seat) -> T {
    let mut work = pin!(work);
    poll_fn(|cx| {
        seat.begin_slice(pool.ticks.now());
        work.as_mut().poll(cx)
    })
    .await
}

/// Says what became of the instance's calls. Only after this its store may be
/// dropped: a body that finds its source gone looks for the reason.
fn conclude(instance: &Instance, store: &mut Store<Data>, concurrency: Concurrency, end: End) {
    let seat = &instance.seat;
    // One that never got as far as to take a request would not at its next start either.
    let started = seat.has_started();
    let unbegun = match &end {
        End::Cut => Unbegun::Fail,
        End::Done(Err(_)) if !started => Unbegun::Fail,
        End::Done(_) | End::Abandoned | End::PostReturn => Unbegun::GoElsewhere,
    };
    instance.close(unbegun);
    match end {
        End::Done(Ok(())) | End::Abandoned => {}
        End::Done(Err(error)) => {
            let fault = trap::classify(&error, store.data());
            let culprit = seat.take_culprit();
            let culprit =
                culprit.or_else(|| current_call(&mut store.as_context_mut(), concurrency));
            let blame = match (culprit, concurrency) {
                (Some(culprit), _) => Blame::One(culprit),
                (None, Concurrency::Many) if started => Blame::Nobody,
                (None, _) => Blame::All,
            };
            if seat.fail_all(&blame, &fault) == 0 {
                instance.failed_alone(&fault);
            }
        }
        End::Cut => {
            seat.fail_all(&Blame::All, &instance.pool.cut_fault());
        }
        End::PostReturn => instance.count(FaultKind::PostReturn),
    }
}
