//! How many responses may have files open at once.

use crate::fault::{Fault, FaultKind};
use crate::limits::ServerLimits;
use crate::meter::ServerMeter;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The room for responses from static folders. Cheap to clone.
#[derive(Clone, Debug)]
pub struct OpenFiles {
    room: Arc<Semaphore>,
    wait: Duration,
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
    /// Room for as many as the limit `files_open` says; whoever comes later waits for as
    /// long as `files_wait` does.
    pub fn new(limits: &ServerLimits, meter: Arc<ServerMeter>) -> Self {
        let most =
            usize::try_from(limits.files_open).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        OpenFiles { room: Arc::new(Semaphore::new(most)), wait: limits.files_wait, meter }
    }

    /// First come, first served.
    pub async fn admit(&self) -> Result<OpenPermit, Fault> {
        let room = match self.room.clone().try_acquire_owned() {
            Ok(room) => room,
            Err(_) => match timeout(self.wait, self.room.clone().acquire_owned()).await {
                Ok(Ok(room)) => room,
                Ok(Err(_)) | Err(_) => return Err(Fault::plain(FaultKind::FilesOpen)),
            },
        };
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

    #[tokio::test(start_paused = true)]
    async fn there_is_room_for_so_many() {
        let meter = Arc::<ServerMeter>::default();
        let limits = ServerLimits { files_open: 2, ..ServerLimits::default() };
        let files = OpenFiles::new(&limits, meter.clone());
        let held = (files.admit().await.unwrap(), files.admit().await.unwrap());
        assert_eq!(files.admit().await.unwrap_err().kind, FaultKind::FilesOpen);
        assert_eq!(meter.files_open.get(), 2);
        drop(held.0);
        let again = files.admit().await;
        assert!(again.is_ok() && files.admit().await.is_err());
        drop((held.1, again));
        assert_eq!(meter.files_open.get(), 0);
    }
}
