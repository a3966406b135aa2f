//! Reads files that anybody may be changing, or replacing by something that is no
//! file. Everything here blocks, but only on the disk.

use crate::limits::Size;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("there is no such file")]
    Missing,
    #[error("cannot read the file: {0}")]
    Unreadable(io::Error),
    #[error("it is not a regular file")]
    NotAFile,
    #[error("the file has {size} bytes, more than {limit}")]
    TooLarge { size: u64, limit: AtMost },
}

/// A size, and what to call it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtMost {
    pub(super) size: Size,
    pub(super) name: &'static str,
}

impl fmt::Display for AtMost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} allows ({})", self.name, self.size)
    }
}

/// Reads the file of a component of at most `size`.
pub(crate) fn read_component(path: &Path, size: Size) -> Result<Vec<u8>, ReadError> {
    read_whole(path, AtMost { size, name: "`component_size`" })
}

/// Reads a whole file: never waits for a FIFO, never takes more than `limit`, never
/// maps what could be cut under our feet.
pub(super) fn read_whole(path: &Path, limit: AtMost) -> Result<Vec<u8>, ReadError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => ReadError::Missing,
            _ => ReadError::Unreadable(e),
        })?;
    let found = file.metadata().map_err(ReadError::Unreadable)?;
    if !found.is_file() {
        return Err(ReadError::NotAFile);
    }
    if found.len() > limit.size.get() {
        return Err(ReadError::TooLarge { size: found.len(), limit });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
    file.take(limit.size.get() + 1).read_to_end(&mut bytes).map_err(ReadError::Unreadable)?;
    let size = bytes.len() as u64;
    if size > limit.size.get() {
        return Err(ReadError::TooLarge { size, limit });
    }
    Ok(bytes)
}
