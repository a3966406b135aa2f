//! Runs futures beside a handler, also after it has answered.
//!
//! wit-bindgen has an executor of its own for this (`async-spawn`), but with it
//! each request pays for a `FuturesUnordered`, several `Arc`s and abort handles,
//! also those that spawn nothing: 7,000 of the 91,000 instructions that a small
//! answer costs with it. Here a future is polled when its own waker is called. wit-bindgen calls wakers while it delivers an event to
//! the component's task, which is also what keeps that task alive until the
//! spawned futures are through.
//!
//! A waker never polls on top of another poll: while a handler or a spawned
//! future runs, whoever is woken waits in a queue.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Wake, Waker};

/// Polls `handler` to its end, and after each poll those that it has woken.
///
/// Pinned by the caller: a future that is handed over by value stays twice in the one that
/// it is handed to, once as it came and once where it is polled.
pub(super) async fn run<T>(mut handler: Pin<&mut impl Future<Output = T>>) -> T {
    let request = EXECUTOR.with(Executor::next_request);
    poll_fn(|cx| {
        // Nothing can run here yet: no poll happens inside another.
        let poll = {
            let _running = Running::enter();
            EXECUTOR.with(|executor| executor.request.set(request));
            handler.as_mut().poll(cx)
        };
        EXECUTOR.with(Executor::drain);
        poll
    })
    .await
}

/// Starts `future`. It is polled first when the handler pauses or has answered.
pub(crate) fn spawn(future: impl Future<Output = ()> + 'static) -> Id {
    EXECUTOR.with(|executor| executor.spawn(Box::pin(future)))
}

/// Drops the future, if it has not come to its end.
pub(crate) fn cancel(id: Id) {
    // Dropped outside of the borrow: a destructor may spawn or cancel.
    drop(EXECUTOR.with(|executor| executor.tasks.borrow_mut().remove(id)));
}

/// Drops all futures that the handler which is being polled has spawned, and those that
/// they have.
#[cfg(any(test, not(feature = "wasi-http")))]
pub(crate) fn cancel_request() {
    drop(EXECUTOR.with(|executor| {
        let request = executor.request.get();
        executor.tasks.borrow_mut().remove_all(request)
    }));
}

/// Names a spawned future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    place: usize,
    /// Tells it from those that had the same place before.
    number: u64,
}

thread_local! {
    static EXECUTOR: Executor = const { Executor::new() };
}

struct Executor {
    tasks: RefCell<Tasks>,
    woken: RefCell<VecDeque<Id>>,
    running: Cell<bool>,
    /// Whose handler or spawned future is being polled.
    request: Cell<u64>,
    requests: Cell<u64>,
}

struct Tasks {
    places: Vec<Option<Task>>,
    free: Vec<usize>,
    spawned: u64,
}

struct Task {
    /// `None` while it is being polled.
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    waker: Arc<TaskWaker>,
    request: u64,
}

/// Names the future instead of owning it, because wakers are `Send` and the
/// futures need not be.
struct TaskWaker {
    id: Id,
    queued: AtomicBool,
}

impl Executor {
    const fn new() -> Self {
        let tasks = Tasks { places: Vec::new(), free: Vec::new(), spawned: 0 };
        Self {
            tasks: RefCell::new(tasks),
            woken: RefCell::new(VecDeque::new()),
            running: Cell::new(false),
            request: Cell::new(0),
            requests: Cell::new(0),
        }
    }

    fn next_request(&self) -> u64 {
        self.requests.set(self.requests.get() + 1);
        self.requests.get()
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()>>>) -> Id {
        let id = self.tasks.borrow_mut().insert(future, self.request.get());
        self.woken.borrow_mut().push_back(id);
        id
    }

    /// Polls whoever is woken, until nobody is.
    fn drain(&self) {
        if self.running.get() || self.woken.borrow().is_empty() {
            return;
        }
        let _running = Running::enter();
        loop {
            let Some(id) = self.woken.borrow_mut().pop_front() else {
                return;
            };
            self.poll(id);
        }
    }

    fn poll(&self, id: Id) {
        let Some((mut future, waker, request)) = self.tasks.borrow_mut().get(id).and_then(|task| {
            task.waker.queued.store(false, Relaxed);
            Some((task.future.take()?, task.waker.clone(), task.request))
        }) else {
            return;
        };
        self.request.set(request);
        let waker = Waker::from(waker);
        let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
        let mut tasks = self.tasks.borrow_mut();
        if poll.is_ready() {
            tasks.remove(id);
        } else if let Some(task) = tasks.get(id) {
            task.future = Some(future);
            return;
        }
        // It is through, or has cancelled itself. Its destructor may spawn.
        drop(tasks);
        drop(future);
    }
}

impl Tasks {
    fn insert(&mut self, future: Pin<Box<dyn Future<Output = ()>>>, request: u64) -> Id {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        self.spawned += 1;
        let id = Id { place, number: self.spawned };
        self.places[place] = Some(Task {
            future: Some(future),
            waker: Arc::new(TaskWaker { id, queued: AtomicBool::new(true) }),
            request,
        });
        id
    }

    fn get(&mut self, id: Id) -> Option<&mut Task> {
        let task = self.places.get_mut(id.place)?.as_mut();
        task.filter(|task| task.waker.id == id)
    }

    fn remove(&mut self, id: Id) -> Option<Task> {
        self.get(id)?;
        self.free.push(id.place);
        self.places[id.place].take()
    }

    #[cfg(any(test, not(feature = "wasi-http")))]
    fn remove_all(&mut self, request: u64) -> Vec<Task> {
        let tasks = self.places.iter().flatten().filter(|task| task.request == request);
        let ids: Vec<Id> = tasks.map(|task| task.waker.id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Relaxed) {
            EXECUTOR.with(|executor| {
                executor.woken.borrow_mut().push_back(self.id);
                executor.drain();
            });
        }
    }
}

/// Held while a future is being polled.
struct Running;

impl Running {
    fn enter() -> Self {
        EXECUTOR.with(|executor| executor.running.set(true));
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        EXECUTOR.with(|executor| executor.running.set(false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_channel::oneshot;
    use futures_executor::block_on;
    use std::pin::pin;
    use std::rc::Rc;
    use std::task::Poll;

    fn serve<T>(handler: impl Future<Output = T>) -> T {
        block_on(run(pin!(handler)))
    }

    fn trace() -> (Rc<RefCell<Vec<&'static str>>>, impl Fn(&'static str) + Clone) {
        let trace = Rc::new(RefCell::new(Vec::new()));
        let push = {
            let trace = Rc::clone(&trace);
            move |word| trace.borrow_mut().push(word)
        };
        (trace, push)
    }

    #[test]
    fn a_spawned_future_starts_when_the_handler_pauses() {
        let (trace, push) = trace();
        serve(async {
            let (sender, receiver) = oneshot::channel();
            let spawned = push.clone();
            spawn(async move {
                spawned("spawned");
                let _ = sender.send(());
            });
            push("before");
            receiver.await.unwrap();
            push("after");
        });
        assert_eq!(*trace.borrow(), ["before", "spawned", "after"]);
    }

    #[test]
    fn a_spawned_future_goes_on_after_the_handler() {
        let (trace, push) = trace();
        let (sender, receiver) = oneshot::channel();
        serve(async {
            spawn(async move {
                receiver.await.unwrap();
                push("woken later");
            });
        });
        assert!(trace.borrow().is_empty());
        sender.send(()).unwrap();
        assert_eq!(*trace.borrow(), ["woken later"]);
    }

    #[test]
    fn a_waker_never_polls_on_top_of_another_poll() {
        let (trace, push) = trace();
        let (sender, receiver) = oneshot::channel();
        serve(async {
            let second = push.clone();
            spawn(async move {
                receiver.await.unwrap();
                second("woken");
            });
            spawn(async move {
                push("wakes");
                sender.send(()).unwrap();
                push("has woken");
            });
        });
        assert_eq!(*trace.borrow(), ["wakes", "has woken", "woken"]);
    }

    #[test]
    fn a_cancelled_future_is_dropped() {
        let (sender, mut receiver) = oneshot::channel::<()>();
        serve(async {
            let id = spawn(async move {
                let _sender = sender;
                std::future::pending::<()>().await;
            });
            std::future::ready(()).await;
            cancel(id);
        });
        assert!(receiver.try_recv().is_err());
    }

    #[test]
    fn a_request_that_is_given_up_takes_along_what_it_has_spawned() {
        let (first, mut first_lost) = oneshot::channel::<()>();
        let (nested, mut nested_lost) = oneshot::channel::<()>();
        let (other, mut other_lost) = oneshot::channel::<()>();
        let hold = |sender| async move {
            let _sender: oneshot::Sender<()> = sender;
            std::future::pending::<()>().await;
        };
        serve(async {
            spawn(hold(other));
        });
        serve(async {
            spawn(async move {
                spawn(hold(nested));
                hold(first).await;
            });
            let mut polled = false;
            poll_fn(|cx| {
                cx.waker().wake_by_ref();
                if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            cancel_request();
        });
        assert!(first_lost.try_recv().is_err() && nested_lost.try_recv().is_err());
        assert_eq!(other_lost.try_recv(), Ok(None), "another request's goes on");
    }

    #[test]
    fn a_future_may_cancel_itself() {
        serve(async {
            let id = Rc::new(Cell::new(None));
            let own = Rc::clone(&id);
            id.set(Some(spawn(async move {
                cancel(own.get().unwrap());
                std::future::pending::<()>().await;
            })));
        });
        EXECUTOR
            .with(|executor| assert!(executor.tasks.borrow().places.iter().all(Option::is_none)));
    }
}
