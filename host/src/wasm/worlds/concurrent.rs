//! What the worlds have in common whose instances serve several requests at once, each
//! a task of the component model's async ABI.

use super::super::call::Call;
use super::super::data::Data;
use super::super::pool::{Instance, Job};
use super::super::seat::Seat;
use crate::body::Body;
use crate::told::Told;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::Request;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use wasmtime::component::{
    Accessor, ComponentNamedList, Lift, Lower, TypedFunc, TypedFuncCallConcurrent,
};
use wasmtime::{AsContextMut, Store, StoreContextMut};

/// The function that a world exports for requests.
pub(super) trait Handle: Copy + Send {
    type Params: ComponentNamedList + Lower + Send + Sync + 'static;
    type Return: ComponentNamedList + Lift + Send + Sync + 'static;

    fn func(self) -> TypedFunc<Self::Params, Self::Return>;

    /// A request, as the guest takes it.
    fn params(
        store: &mut StoreContextMut<'_, Data>,
        request: Request<Body>,
        told: Told,
    ) -> wasmtime::Result<Self::Params>;

    /// Posts the guest's answer, or says why there is none.
    fn answered(
        store: &mut StoreContextMut<'_, Data>,
        returned: Self::Return,
        call: Arc<Call>,
    ) -> wasmtime::Result<()>;
}

/// Serves the requests of `instance` with `handle` until there will be no more.
pub(super) async fn serve<H: Handle>(
    store: &mut Store<Data>,
    handle: H,
    instance: &Instance,
) -> wasmtime::Result<()> {
    let seat = &instance.seat;
    seat.set_ready(true);
    store
        .run_concurrent(async |accessor| {
            // Not tasks of wasmtime's: those can be aborted, which costs two more
            // allocations and a lock for each request, and nobody aborts them.
            let mut answers = FuturesUnordered::new();
            poll_fn(|cx| {
                // wasmtime polls this at each turn of its event loop.
                let has_mail = seat.take_mail();
                while has_mail && let Some(job) = seat.next_job() {
                    answers.push(answer(begin(job, accessor, handle, seat)?, accessor));
                }
                while let Poll::Ready(Some(answered)) = answers.poll_next_unpin(cx) {
                    answered?;
                }
                if has_mail { poll_end(instance, accessor, cx) } else { Poll::Pending }
            })
            .await
        })
        .await?
}

/// Ready once the instance has no work left and will get none.
fn poll_end(
    instance: &Instance,
    accessor: &Accessor<Data>,
    cx: &mut Context<'_>,
) -> Poll<wasmtime::Result<()>> {
    let seat = &instance.seat;
    if seat.live() > 0 || !instance.gets_no_more() {
        return Poll::Pending;
    }
    match accessor.poll_no_interesting_tasks(cx) {
        Poll::Ready(()) => Poll::Ready(Ok(())),
        Poll::Pending => {
            // Look again when that changes.
            seat.expect_mail();
            Poll::Pending
        }
    }
}

/// A guest's task for one request.
struct Task<H: Handle> {
    started: TypedFuncCallConcurrent<Data, H::Params, H::Return>,
    handle: H,
    call: Arc<Call>,
}

fn begin<H: Handle>(
    job: Box<Job>,
    accessor: &Accessor<Data>,
    handle: H,
    seat: &Seat,
) -> wasmtime::Result<Task<H>> {
    let Job { request, told, call } = *job;
    let started = accessor.with(|mut access| {
        let mut store = access.as_context_mut();
        let params = H::params(&mut store, request, told)?;
        handle.func().start_call_concurrent(store, params)
    });
    match started {
        Ok(started) => {
            seat.begin(Some(started.task()), &call);
            Ok(Task { started, handle, call })
        }
        Err(error) => {
            seat.begin(None, &call);
            seat.set_culprit(Some(call));
            Err(error)
        }
    }
}

/// Waits for the guest's answer.
async fn answer<H: Handle>(task: Task<H>, accessor: &Accessor<Data>) -> wasmtime::Result<()> {
    let Task { started, handle, call } = task;
    let returned = handle.func().finish_call_concurrent(accessor, started).await?;
    accessor.with(|mut access| H::answered(&mut access.as_context_mut(), returned, call))
}
