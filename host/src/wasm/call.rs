//! One request's call into a guest, shared by the side that waits for the answer
//! and the side that runs the guest.
//!
//! A call is running until the guest is done with it (finished) or nobody wants
//! its answer any more (abandoned: the client left, or a deadline passed). It may
//! fail once; a failure before the head becomes the answer, one after it breaks
//! the body.

mod asking;
mod interest;

use super::held::HeldBody;
use super::seat::Seat;
use crate::alarm::Deadline;
use crate::body::Body;
use crate::fault::Fault;
use crate::id::RequestId;
use crate::limits::{HandlerLimits, Size};
use asking::Asking;
use http::Response;
use interest::Interest;
use parking_lot::Mutex;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

pub(crate) struct Call {
    pub(crate) id: RequestId,
    pub(super) reads: Reads,
    interest: Interest,
    reply: Mutex<Reply>,
    fault: OnceLock<Fault>,
    /// The instance that is to run this call.
    seat: Mutex<Option<Arc<Seat>>>,
    /// How that instance counts this call; changes under its lock only.
    pub(super) membership: AtomicU8,
    /// What becomes of a body that nobody wants: so much of it is taken, for so long.
    pub(super) discard: Size,
    pub(super) post_return: Duration,
    /// Bytes that this request may still write to the log.
    pub(crate) log_budget: AtomicU64,
    /// Outbound requests that this request has begun.
    pub(crate) outbound_begun: AtomicU32,
    outbound_at_once: usize,
    outbound: OnceLock<Outbound>,
}

/// What of the answer goes to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    All,
    Head,
}

/// What a request that sends requests of its own needs.
struct Outbound {
    at_once: Arc<Semaphore>,
    /// Bodies of responses that the guest may still hold.
    held: Mutex<Vec<Weak<HeldBody>>>,
}

pub(crate) type Answer = Result<Response<Body>, Fault>;

enum Reply {
    Awaited(Option<Waker>),
    Here(Box<Answer>),
    Taken,
}

impl Call {
    pub(crate) fn new(id: RequestId, reads: Reads, limits: &HandlerLimits) -> Arc<Self> {
        let at_once = usize::try_from(limits.outbound_at_once).unwrap_or(usize::MAX);
        Arc::new(Call {
            id,
            reads,
            outbound_at_once: at_once.clamp(1, Semaphore::MAX_PERMITS),
            interest: Interest::default(),
            reply: Mutex::new(Reply::Awaited(None)),
            fault: OnceLock::new(),
            seat: Mutex::default(),
            membership: AtomicU8::new(0),
            discard: limits.discard,
            post_return: limits.post_return,
            log_budget: AtomicU64::new(limits.log_request.get()),
            outbound_begun: AtomicU32::new(0),
            outbound: OnceLock::new(),
        })
    }

    /// The guest's answer, or what went wrong before its head; nothing if neither is there
    /// at `deadline`.
    pub(crate) async fn answer_by(&self, deadline: Instant) -> Option<Answer> {
        let mut deadline = Deadline::at(deadline);
        poll_fn(|cx| match self.poll_answer(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => deadline.poll(cx).map(|()| None),
        })
        .await
    }

    fn poll_answer(&self, cx: &mut Context<'_>) -> Poll<Answer> {
        let mut reply = self.reply.lock();
        match std::mem::replace(&mut *reply, Reply::Taken) {
            Reply::Here(answer) => Poll::Ready(*answer),
            Reply::Awaited(_) | Reply::Taken => {
                *reply = Reply::Awaited(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }

    /// Hands over the guest's head, unless an answer was there already.
    pub(crate) fn respond(&self, response: Response<Body>) {
        self.reply(Ok(response));
    }

    /// Records the first failure. Before the head it is the answer; after it, the
    /// body finds it at its end.
    pub(crate) fn fail(&self, fault: Fault) {
        if self.fault.set(fault.clone()).is_ok() {
            self.reply(Err(fault));
        }
    }

    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.fault.get()
    }

    fn reply(&self, answer: Answer) {
        let mut reply = self.reply.lock();
        let Reply::Awaited(waker) = &mut *reply else { return };
        let waker = waker.take();
        *reply = Reply::Here(Box::new(answer));
        drop(reply);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes a seat in an instance.
    pub(crate) fn sit(&self, seat: &Arc<Seat>) {
        *self.seat.lock() = Some(seat.clone());
        seat.joined(self);
    }

    /// Leaves an instance that has not begun with it.
    pub(crate) fn stand_up(&self) {
        let seat = self.seat.lock().take();
        if let Some(seat) = seat {
            seat.left(self);
        }
    }

    pub(crate) fn is_seated(&self) -> bool {
        self.seat.lock().is_some()
    }

    fn seat(&self) -> Option<Arc<Seat>> {
        self.seat.lock().clone()
    }

    /// Nobody wants the answer any more: what the guest waits for on behalf of
    /// this call ends, unless it means to stop by itself, and an instance that works for
    /// nobody is dropped.
    pub(crate) fn abandon(&self) {
        // An answer that nobody took holds this call in its body.
        let unwanted = std::mem::replace(&mut *self.reply.lock(), Reply::Taken);
        drop(unwanted);
        if !self.interest.lose() {
            return;
        }
        if !self.interest.is_asked_for() {
            self.give_up();
        }
        if let Some(seat) = self.seat() {
            seat.abandoned(self);
        }
    }

    /// The guest is done with this call.
    pub(crate) fn finish(&self) {
        self.interest.finish();
        // Whoever holds this call must not hold the instance.
        self.stand_up();
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.interest.is_lost()
    }

    /// Waits until this request may have one more outbound request open.
    pub(crate) async fn outbound_permit(&self) -> OwnedSemaphorePermit {
        loop {
            // The semaphore is never closed.
            if let Ok(permit) = self.outbound().at_once.clone().acquire_owned().await {
                return permit;
            }
        }
    }

    /// Has `body` end with this call.
    pub(crate) fn hold(&self, body: &Arc<HeldBody>) {
        let mut held = self.outbound().held.lock();
        held.retain(|body| body.strong_count() > 0);
        held.push(Arc::downgrade(body));
        drop(held);
        if self.interest.is_given_up() {
            body.cut();
        }
    }

    fn outbound(&self) -> &Outbound {
        self.outbound.get_or_init(|| Outbound {
            at_once: Arc::new(Semaphore::new(self.outbound_at_once)),
            held: Mutex::default(),
        })
    }

    fn cut_held(&self) {
        let Some(outbound) = self.outbound.get() else { return };
        let held = std::mem::take(&mut *outbound.held.lock());
        for body in held.iter().filter_map(Weak::upgrade) {
            body.cut();
        }
    }

    /// Resolves when the call is abandoned, for a guest that means to stop by itself: until
    /// it has, or its time for that is over, what it waits for goes on.
    pub(crate) async fn until_gone(self: &Arc<Self>) {
        let mut asking = Asking::begin(self.clone());
        self.interest.until_lost().await;
        asking.told();
    }

    /// Resolves when what the call waits for is to end.
    pub(crate) async fn until_given_up(&self) {
        self.interest.until_given_up().await;
    }

    /// Resolves when the call is finished (true) or abandoned (false).
    pub(crate) async fn until_over(&self) -> bool {
        self.interest.until_over().await
    }

    fn give_up(&self) {
        self.interest.give_up();
        self.cut_held();
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The waiting side's hold on a call: dropping it abandons the call.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) call: Arc<Call>,
    released: bool,
}

impl Ticket {
    pub(crate) fn new(call: Arc<Call>) -> Self {
        Ticket { call, released: false }
    }

    /// From now on the response's body holds the call.
    pub(crate) fn release(mut self) {
        self.released = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.released {
            self.call.abandon();
        }
    }
}
