//! What the library is told about a file, and through that its entity tag.

use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999, after which HTTP has no date.
const LAST_SECOND: i64 = 253_402_300_799;

#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    is_folder: bool,
    length: u64,
    stamp: SystemTime,
}

impl Facts {
    pub(super) const FOLDER: Facts = Facts { is_folder: true, length: 0, stamp: UNIX_EPOCH };

    pub(super) fn of_file(metadata: &Metadata) -> Facts {
        Facts { is_folder: false, length: metadata.len(), stamp: stamp(metadata) }
    }
}

impl tower_http::services::fs::Metadata for Facts {
    fn is_dir(&self) -> bool {
        self.is_folder
    }

    fn modified(&self) -> io::Result<SystemTime> {
        Ok(self.stamp)
    }

    fn len(&self) -> u64 {
        self.length
    }
}

/// The modification time with its fraction of a second replaced.
///
/// The library makes the entity tag of the time's seconds, its nanoseconds and
/// the length. That takes two files of one length and time for one, and such
/// files are common: a compressor copies its source's time to the variant, and a
/// reproducible build gives each file of each release the same time. A strong
/// tag must tell them apart (RFC 9110 section 8.8.1). So the nanoseconds, which
/// nothing but the tag uses, become a digest of the whole time, the inode (a
/// replaced file is another) and the time of the last change of any kind (which
/// nobody can set back).
///
/// The price: two machines with the same files have different tags.
///
/// The seconds are kept to what a date of HTTP can say, because the library
/// panics on a file from before 1970 or after 9999.
fn stamp(metadata: &Metadata) -> SystemTime {
    let seconds = metadata.mtime().clamp(0, LAST_SECOND).cast_unsigned();
    let mut digest = DefaultHasher::new();
    metadata.mtime().hash(&mut digest);
    metadata.mtime_nsec().hash(&mut digest);
    metadata.ctime().hash(&mut digest);
    metadata.ctime_nsec().hash(&mut digest);
    metadata.ino().hash(&mut digest);
    let nanoseconds = Duration::from_nanos(digest.finish() % 1_000_000_000);
    UNIX_EPOCH + Duration::from_secs(seconds) + nanoseconds
}
