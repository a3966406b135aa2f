//! How many responses may have files open at once.

use crate::fault::{Fault, FaultKind};
use crate::limits::{LiveLimits, Place, Room};
use crate::meter::ServerMeter;
use std::sync::Arc;
use tokio::time::timeout;

/// The room for responses from static folders. Cheap to clone.
#[derive(Clone, Debug)]
pub struct OpenFiles {
    room: Room,
    limits: LiveLimits,
    meter: Arc<ServerMeter>,
}

/// The right to open what one path names, and to occupy a blocking thread meanwhile;
/// lives as long as the files are open.
#[derive(Debug)]
pub struct OpenPermit {
    _place: Place,
    meter: Arc<ServerMeter>,
}

impl OpenFiles {
    /// Room for as many as the limit `files_open` says; whoever comes later waits for as
    /// long as `files_wait` does.
    pub fn new(limits: &LiveLimits, meter: Arc<ServerMeter>) -> Self {
        OpenFiles { room: Room::of(limits, |now| now.files_open), limits: limits.clone(), meter }
    }

    /// First come, first served.
    pub async fn admit(&self) -> Result<OpenPermit, Fault> {
        let place = match self.room.try_take() {
            Some(place) => place,
            None => timeout(self.limits.now().files_wait, self.room.take())
                .await
                .map_err(|_elapsed| Fault::plain(FaultKind::FilesOpen))?,
        };
        self.meter.files_open.add(1);
        Ok(OpenPermit { _place: place, meter: self.meter.clone() })
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
    use crate::limits::ServerLimits;

    #[tokio::test(start_paused = true)]
    async fn there_is_room_for_so_many() {
        let meter = Arc::<ServerMeter>::default();
        let limits = ServerLimits { files_open: 2, ..ServerLimits::default() };
        let limits = LiveLimits::new(&limits, 1_000).unwrap();
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
