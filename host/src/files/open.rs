//! How many responses may have files open at once.

use crate::fault::{Fault, FaultKind};
use crate::meter::ServerMeter;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The room for responses from static folders. Cheap to clone.
#[derive(Clone, Debug)]
pub struct OpenFiles {
    room: Arc<Semaphore>,
    meter: Arc<ServerMeter>,
}

/// The right to open what one path names, and to occupy a blocking thread meanwhile;
/// lives as long as the files are open.
#[derive(Debug)]
pub struct OpenPermit {
    _room: OwnedSemaphorePermit,
    meter: Arc<ServerMeter>,
}

impl OpenFiles {
    /// Room for as many as the limit `files_open` says.
    pub fn new(most: u64, meter: Arc<ServerMeter>) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        OpenFiles { room: Arc::new(Semaphore::new(most)), meter }
    }

    /// Nobody waits: whoever holds files may do so for as long as its client reads.
    pub fn admit(&self) -> Result<OpenPermit, Fault> {
        let room = self.room.clone().try_acquire_owned();
        let room = room.map_err(|_| Fault::plain(FaultKind::FilesOpen))?;
        self.meter.files_open.add(1);
        Ok(OpenPermit { _room: room, meter: self.meter.clone() })
    }
}

impl Drop for OpenPermit {
    fn drop(&mut self) {
        self.meter.files_open.sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many() {
        let meter = Arc::<ServerMeter>::default();
        let files = OpenFiles::new(2, meter.clone());
        let held = (files.admit().unwrap(), files.admit().unwrap());
        assert_eq!(files.admit().unwrap_err().kind, FaultKind::FilesOpen);
        assert_eq!(meter.files_open.get(), 2);
        drop(held.0);
        let again = files.admit();
        assert!(again.is_ok() && files.admit().is_err());
        drop((held.1, again));
        assert_eq!(meter.files_open.get(), 0);
    }
}
