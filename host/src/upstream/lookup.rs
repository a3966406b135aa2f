//! Lookups of one handler: the same name once at a time, few names at once.
//!
//! `getaddrinfo` occupies one of the blocking threads of `UPSTREAM` until it returns,
//! which no caller can hasten: a name server that never answers costs ten
//! seconds and more. So a lookup runs in a task of its own and keeps its slot
//! until it has really ended, even if every request has stopped waiting. A
//! handler that asks for slow names blocks itself and nobody else.

use super::resolve::Resolve;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Names looked up at once by one handler; there are 512 threads for those of all
/// handlers.
const LOOKUPS: usize = 16;

/// One failure goes to many waiters, and `io::Error` cannot be cloned.
pub(super) type Answer = Result<Arc<[IpAddr]>, Arc<io::Error>>;

#[derive(Debug)]
pub(super) struct Lookups {
    resolver: Arc<dyn Resolve>,
    slots: Arc<Semaphore>,
    running: Arc<Mutex<Running>>,
}

type Running = HashMap<Arc<str>, watch::Receiver<Option<Answer>>>;

impl Lookups {
    pub(super) fn new(resolver: Arc<dyn Resolve>) -> Self {
        let slots = Arc::new(Semaphore::new(LOOKUPS));
        Lookups { resolver, slots, running: Arc::default() }
    }

    /// The addresses of `host`, from a lookup that is under way or a new one.
    /// Without a deadline: that is the caller's.
    pub(super) async fn lookup(&self, host: &str) -> Answer {
        let under_way = self.running.lock().get(host).cloned();
        let mut answer = match under_way {
            Some(answer) => answer,
            None => match self.slots.clone().acquire_owned().await {
                Ok(slot) => self.join_or_start(host, slot),
                Err(_closed) => return Err(gone()),
            },
        };
        let answer = answer.wait_for(Option::is_some).await;
        answer.ok().and_then(|answer| answer.clone()).unwrap_or_else(|| Err(gone()))
    }

    fn join_or_start(
        &self,
        host: &str,
        slot: OwnedSemaphorePermit,
    ) -> watch::Receiver<Option<Answer>> {
        let mut running = self.running.lock();
        // Another may have started it while this one waited for a slot.
        if let Some(answer) = running.get(host) {
            return answer.clone();
        }
        let (sender, receiver) = watch::channel(None);
        let host: Arc<str> = host.into();
        running.insert(host.clone(), receiver.clone());
        let ended = Ended { host: host.clone(), running: self.running.clone() };
        let resolver = self.resolver.clone();
        tokio::spawn(async move {
            let found = resolver.resolve(&host).await;
            drop((slot, ended));
            sender.send_replace(Some(found.map(Arc::from).map_err(Arc::new)));
        });
        receiver
    }
}

/// Forgets a lookup when its task ends, also by a panic.
struct Ended {
    host: Arc<str>,
    running: Arc<Mutex<Running>>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.running.lock().remove(&self.host);
    }
}

fn gone() -> Arc<io::Error> {
    Arc::new(io::Error::other("the lookup was given up"))
}
