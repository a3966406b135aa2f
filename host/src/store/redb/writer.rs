//! The one thread that writes: it takes all that wait, makes one transaction of them,
//! commits once, and then answers all.

use super::super::error::StoreError;
use super::batch::{Batch, Changed, Outcome};
use super::database::{Database, UNWRITABLE, guarded};
use crate::config::Durability;
use crate::limits::LiveLimits;
use crate::meter::ServerMeter;
use ::redb::{Durability as Commit, Error};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// The way to the thread. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    orders: Sender<Order>,
    /// Bytes that writes may hold while they wait.
    room: Arc<Semaphore>,
    size: u32,
    meter: Arc<ServerMeter>,
}

enum Order {
    Write(Box<dyn Write>),
    /// Dropped when it is done.
    Close(oneshot::Sender<()>),
}

/// What a write costs besides its bytes: so many at most wait, however small they are.
const OVERHEAD: usize = 256;

/// After the disk has failed, writes are refused for some time: each failure costs
/// reading the whole file.
const PAUSE: Duration = Duration::from_secs(1);

impl Writer {
    pub(super) fn start(
        database: Arc<Database>,
        durability: Durability,
        limits: &LiveLimits,
        meter: &Arc<ServerMeter>,
    ) -> std::io::Result<Self> {
        let (orders, receiver) = channel();
        let size = u32::try_from(limits.now().state_queue.get()).unwrap_or(u32::MAX);
        let size = size.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        let thread = Thread {
            database,
            orders: receiver,
            durability,
            limits: limits.clone(),
            meter: meter.clone(),
            unflushed: None,
            refuses_until: None,
        };
        std::thread::Builder::new().name("squall-state".into()).spawn(move || thread.run())?;
        let room = Arc::new(Semaphore::new(size as usize));
        Ok(Writer { orders, room, size, meter: meter.clone() })
    }

    /// Waits for room, and for the commit.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        cost: usize,
        write: impl FnOnce(&mut Batch<'_>) -> Outcome<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        // What is larger than the whole has it for itself.
        let cost = u32::try_from(cost + OVERHEAD).unwrap_or(u32::MAX).min(self.size);
        // The semaphore is never closed.
        let permit = self.room.clone().acquire_many_owned(cost).await.map_err(|_| STOPPED)?;
        let held = Held::new(permit, self.meter.clone(), cost);
        let (reply, answer) = oneshot::channel();
        let pending = Pending { write: Some(write), done: None, reply, _held: held };
        self.orders.send(Order::Write(Box::new(pending))).map_err(|_| STOPPED)?;
        answer.await.unwrap_or(Err(STOPPED))
    }

    /// Does what was asked before, and closes the database.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.orders.send(Order::Close(done)).is_ok() {
            let _ = closed.await;
        }
    }
}

const STOPPED: StoreError = StoreError::Unavailable("the server stops");

/// The bytes that a write holds.
struct Held {
    _permit: OwnedSemaphorePermit,
    meter: Arc<ServerMeter>,
    cost: u64,
}

impl Held {
    fn new(permit: OwnedSemaphorePermit, meter: Arc<ServerMeter>, cost: u32) -> Self {
        meter.state_queue.add(cost.into());
        Held { _permit: permit, meter, cost: cost.into() }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.meter.state_queue.sub(self.cost);
    }
}

/// One write, whatever its answer is.
trait Write: Send {
    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<(), Error>;

    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Pending<T, W> {
    write: Option<W>,
    done: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
    _held: Held,
}

impl<T: Send, W: FnOnce(&mut Batch<'_>) -> Outcome<T> + Send> Write for Pending<T, W> {
    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<(), Error> {
        // Nobody wants one that was given up before it began.
        if let Some(write) = self.write.take().filter(|_| !self.reply.is_closed()) {
            self.done = Some(write(batch)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Pending { done, reply, _held: held, .. } = *self;
        // Before anybody asks how much waits.
        drop(held);
        let _ = reply.send(committed.and_then(|()| done.unwrap_or(Err(UNWRITABLE))));
    }
}

struct Thread {
    database: Arc<Database>,
    orders: Receiver<Order>,
    durability: Durability,
    limits: LiveLimits,
    meter: Arc<ServerMeter>,
    /// Since when something is committed that a crash would lose.
    unflushed: Option<Instant>,
    refuses_until: Option<Instant>,
}

impl Thread {
    fn run(mut self) {
        // Dropped after the database.
        let mut close = None;
        while close.is_none()
            && let Some(first) = self.next()
        {
            let mut writes = Vec::new();
            for order in [first].into_iter().chain(self.orders.try_iter()) {
                match order {
                    Order::Write(write) => writes.push(write),
                    Order::Close(done) => {
                        close = Some(done);
                        break;
                    }
                }
            }
            if !writes.is_empty() {
                self.take(writes);
            }
        }
        // Makes durable what is not.
        self.database.close();
    }

    /// What comes next; none once nobody can ask for anything.
    fn next(&mut self) -> Option<Order> {
        while let Some(due) = self.due() {
            match self.orders.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(order) => return Some(order),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.take(Vec::new()),
            }
        }
        self.orders.recv().ok()
    }

    /// When there is something to do that nobody asks for: a flush, or another try to
    /// open the database.
    fn due(&self) -> Option<Instant> {
        let flush = self.unflushed.map(|since| since + self.limits.now().state_flush);
        let open = (!self.database.is_open()).then(|| Instant::now() + PAUSE);
        flush.or(open)
    }

    fn take(&mut self, mut writes: Vec<Box<dyn Write>>) {
        let answer_all = |writes: Vec<Box<dyn Write>>, answer: Result<(), StoreError>| {
            writes.into_iter().for_each(|write| write.answer(answer.clone()));
        };
        if self.refuses_until.is_some_and(|until| Instant::now() < until) {
            self.unflushed = None;
            return answer_all(writes, Err(UNWRITABLE));
        }
        if !self.database.is_open() {
            self.database.reopen();
        }
        let error = match guarded(|| self.commit(&mut writes)) {
            Ok(()) => return answer_all(writes, Ok(())),
            Err(error) => error,
        };
        self.database.report("writing", &error);
        self.refuses_until = Some(Instant::now() + PAUSE);
        self.unflushed = None;
        // Without waiting for what comes next.
        answer_all(writes, Err(UNWRITABLE));
        self.database.reopen();
    }

    fn commit(&mut self, writes: &mut [Box<dyn Write>]) -> Result<(), Error> {
        let mut transaction = self.database.with(|open| Ok(open.begin_write()?))?;
        let mut batch = Batch::new(&transaction)?;
        for write in writes {
            write.apply(&mut batch)?;
        }
        let changed = batch.finish()?;
        let flushes = self.flushes();
        match (&changed, self.unflushed) {
            (Changed::Nothing, None) => return Ok(transaction.abort()?),
            (Changed::Nothing, Some(_)) if !flushes => return Ok(transaction.abort()?),
            _ => {}
        }
        transaction.set_durability(if flushes { Commit::Immediate } else { Commit::None })?;
        transaction.commit()?;
        if flushes {
            self.unflushed = None;
            self.meter.state_flushes.add(1);
        } else {
            self.unflushed.get_or_insert_with(Instant::now);
        }
        if let Changed::Usages(usages) = changed {
            usages.into_iter().for_each(|(owner, usage)| usage.show(&owner.meter));
        }
        Ok(())
    }

    fn flushes(&self) -> bool {
        match self.durability {
            Durability::Flushed => true,
            Durability::Relaxed => {
                let within = self.limits.now().state_flush;
                self.unflushed.is_some_and(|since| since.elapsed() >= within)
            }
        }
    }
}
