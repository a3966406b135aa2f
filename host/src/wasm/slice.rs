//! Runs a guest slice by slice: from one moment at which it waits to the next.
//!
//! wasmtime's event loop asks to be polled again within one burst of work (the
//! guest yields between two of its own tasks, for example). Going back through
//! the scheduler for each of these would cost a task switch and, worse, would send
//! a head before the body that follows it microseconds later. So a slice goes on
//! while the guest wakes itself, up to a bound.

use super::pool::{Instance, Rest};
use super::response;
use super::seat::Seat;
use crate::config::Isolation;
use futures_util::FutureExt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tokio::time::{Sleep, sleep};

/// How an instance came to its end.
#[derive(Debug)]
pub(super) enum End {
    /// The guest ran out of work, or failed.
    Done(wasmtime::Result<()>),
    /// Nobody wants what it works on.
    Abandoned,
    /// It was told to end now.
    Cut,
    /// It had answered all its requests and would not stop.
    PostReturn,
}

/// Rounds of one slice before others on this thread get their turn.
const ROUNDS: u32 = 8;

/// Drives `work`, which runs the guest in a store that it borrows, until it ends
/// or nobody wants it any more.
///
/// Deadlines and the end of interest are looked at here, outside wasmtime's event
/// loop, because a guest that computes keeps that loop from looking
/// (wasmtime#11869, #11870).
pub(super) async fn drive(
    work: impl Future<Output = wasmtime::Result<()>>,
    instance: &Instance,
) -> End {
    let mut work = pin!(work);
    let seat = &*instance.seat;
    let watch = Arc::new(SliceWaker { state: AtomicU8::new(RESTING), seat: instance.seat.clone() });
    let waker = Waker::from(watch.clone());
    let mut post_return: Option<Pin<Box<Sleep>>> = None;
    poll_fn(move |cx| {
        seat.waker().register(cx.waker());
        for round in 1..=ROUNDS {
            seat.begin_slice(instance.pool.ticks.now());
            let expected = seat.has_mail().then(|| seat.looks());
            watch.state.store(RUNNING, Ordering::SeqCst);
            let polled = work.as_mut().poll(&mut Context::from_waker(&waker));
            let woken = watch.state.swap(RESTING, Ordering::SeqCst) == WOKEN;
            if !woken || polled.is_ready() || round == ROUNDS {
                // By now small bodies are complete and go out in one write.
                for (call, head) in seat.take_posted() {
                    response::deliver(&call, head);
                }
            }
            if let Poll::Ready(result) = polled {
                return Poll::Ready(End::Done(result));
            }
            if seat.is_cut() {
                return Poll::Ready(End::Cut);
            }
            if seat.is_abandoned() {
                return Poll::Ready(End::Abandoned);
            }
            seat.set_blocked(expected == Some(seat.looks()));
            let rest = instance.rest(can_take(instance));
            if rest == Rest::Wait && !woken {
                return match outstays(instance, &mut post_return, cx) {
                    true => Poll::Ready(End::PostReturn),
                    false => Poll::Pending,
                };
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// Whether the instance would take another request now.
fn can_take(instance: &Instance) -> bool {
    let (seat, limits) = (&instance.seat, &instance.pool.blueprint.limits);
    let preempted = seat.take_preempted();
    let concurrency = instance.pool.concurrency();
    !preempted
        && !seat.is_blocked()
        && seat.is_ready()
        && instance.pool.isolation == Isolation::Shared
        && seat.taken() < limits.instance_requests
        && (seat.live() as u64) < concurrency
}

/// Whether an instance that gets no more requests has gone on for too long after
/// its last one.
fn outstays(
    instance: &Instance,
    timer: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
) -> bool {
    if instance.seat.live() > 0 || !instance.gets_no_more() {
        *timer = None;
        return false;
    }
    let timer =
        timer.get_or_insert_with(|| Box::pin(sleep(instance.pool.blueprint.limits.post_return)));
    timer.poll_unpin(cx).is_ready()
}

/// Tells a wake-up during the slice, which the slice itself takes care of, from
/// one while the guest waits.
struct SliceWaker {
    state: AtomicU8,
    seat: Arc<Seat>,
}

const RESTING: u8 = 0;
const RUNNING: u8 = 1;
const WOKEN: u8 = 2;

impl Wake for SliceWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let was = self.state.compare_exchange(RUNNING, WOKEN, Ordering::SeqCst, Ordering::SeqCst);
        if was == Err(RESTING) {
            self.seat.waker().wake();
        }
    }
}
