//! The permits of one instance's sockets.

use super::Sockets;
use crate::upstream::Permit;
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use wasmtime::component::Resource;

/// By the number that a socket has among the resources of its instance. What else keeps
/// the socket's descriptor open shares its permit.
#[derive(Default)]
pub(super) struct Permits(Mutex<HashMap<u32, Arc<Permit>>>);

/// Why there is no socket.
pub(super) enum Refusal {
    NothingGranted,
    NoRoom,
}

impl Sockets {
    /// The permit for one socket more.
    pub(super) fn admit(&self) -> Result<Permit, Refusal> {
        if self.0.grants.is_empty() {
            return Err(Refusal::NothingGranted);
        }
        self.0.upstream.reserve().map_err(|full| {
            self.0.reporter.full(full);
            Refusal::NoRoom
        })
    }

    pub(super) fn opened<T: 'static>(&self, socket: &Resource<T>, permit: Permit) {
        self.permits().insert(socket.rep(), Arc::new(permit));
    }

    pub(super) fn permit_of<T: 'static>(&self, socket: &Resource<T>) -> Option<Arc<Permit>> {
        self.permits().get(&socket.rep()).cloned()
    }

    pub(super) fn closed(&self, rep: u32) {
        self.permits().remove(&rep);
    }

    fn permits(&self) -> MutexGuard<'_, HashMap<u32, Arc<Permit>>> {
        self.0.permits.0.lock()
    }
}
