//! A body beside the length that its head declares (RFC 9112, section 6.2).

use crate::fault::{Fault, FaultKind};
use bytes::Bytes;
use http_body::Frame;

pub(super) struct Length {
    declared: Option<u64>,
    given: u64,
}

impl Length {
    pub(super) fn declared(declared: Option<u64>) -> Self {
        Length { declared, given: 0 }
    }

    /// Counts a frame. Trailers are the end of the data.
    pub(super) fn take(&mut self, frame: &Frame<Bytes>) -> Result<(), Fault> {
        let Some(data) = frame.data_ref() else { return self.end() };
        self.given += data.len() as u64;
        match self.declared {
            Some(declared) if self.given > declared => Err(wrong(declared, "more")),
            _ => Ok(()),
        }
    }

    pub(super) fn end(&self) -> Result<(), Fault> {
        match self.declared {
            Some(declared) if self.given != declared => Err(wrong(declared, self.given)),
            _ => Ok(()),
        }
    }

    /// Whether the client has all that it will look for.
    pub(super) fn is_reached(&self) -> bool {
        self.declared == Some(self.given)
    }
}

fn wrong(declared: u64, sent: impl std::fmt::Display) -> Fault {
    Fault::new(FaultKind::Framing, format!("the handler declared {declared} bytes and sent {sent}"))
}
