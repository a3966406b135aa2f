//! The file while it is open, and how it comes to be: opened, made, and opened anew
//! after the disk has failed.

use super::super::error::StoreError;
use super::super::view::Usage;
use crate::limits::Size;
use crate::logging::Seldom;
use ::redb::backends::InMemoryBackend;
use ::redb::{Builder, Database as Open, Error, ReadableDatabase, TableDefinition, TableError};
use anyhow::{Context, Result, anyhow, bail};
use parking_lot::RwLock;
use std::fmt::Display;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// Values by the place of their view and their key.
pub(super) const DATA: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("data");
/// Bytes and keys of each handler.
pub(super) const USAGES: TableDefinition<'_, &str, (u64, u64)> = TableDefinition::new("usages");
/// Of each handler the schema that served last.
pub(super) const SCHEMAS: TableDefinition<'_, &str, u32> = TableDefinition::new("schemas");
const FORMAT: TableDefinition<'_, (), u32> = TableDefinition::new("squall");

/// How the tables are to be read. A file of another number is of another Squall.
const THIS_FORMAT: u32 = 1;

/// Where the database is.
#[derive(Debug)]
pub(in crate::store) enum Place {
    File(PathBuf),
    Memory,
    /// A disk that a test can make fail.
    #[cfg(test)]
    Disk(crate::store::tests::Disk),
}

#[derive(Debug)]
pub(super) struct Database {
    place: Place,
    cache: Size,
    /// `None` while it cannot be opened, and after the end.
    open: RwLock<Option<Open>>,
    troubles: Seldom<&'static str>,
}

impl From<(u64, u64)> for Usage {
    fn from((bytes, keys): (u64, u64)) -> Self {
        Usage { bytes, keys }
    }
}

impl Database {
    /// Opens it, and makes it if there is none. Blocks.
    pub(super) fn open(place: Place, cache: Size) -> Result<Self> {
        let opened = guarded(|| place.open(cache))?;
        Ok(Database { place, cache, open: RwLock::new(Some(opened)), troubles: Seldom::new() })
    }

    /// Begins something with the database. What has begun does not keep it from being
    /// closed.
    pub(super) fn with<T>(
        &self,
        begin: impl FnOnce(&Open) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match &*self.open.read() {
            Some(open) => begin(open),
            None => Err(Error::DatabaseClosed),
        }
    }

    /// Closes it and opens it again: redb does nothing any more with a file that has
    /// failed once. Takes as long as reading all of it.
    pub(super) fn reopen(&self) {
        let mut open = self.open.write();
        // Its lock would keep us out.
        let closed = open.take();
        let reopened = guarded(|| {
            drop(closed);
            self.place.open(self.cache)
        });
        match reopened {
            Ok(opened) => *open = Some(opened),
            Err(error) => self.report("opening", &error),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.read().is_some()
    }

    /// Tells the operator, who reads the same seldom.
    pub(super) fn report(&self, doing: &'static str, error: &dyn Display) {
        if let Some(left_out) = self.troubles.speak(doing) {
            tracing::error!(left_out, "{doing} the state failed: {error:#}");
        }
    }

    /// Closes it for good.
    pub(super) fn close(&self) {
        let closed = self.open.write().take().map(Open::close);
        if let Some(Err(error)) = closed {
            self.report("closing", &error);
        }
    }
}

impl Place {
    fn open(&self, cache: Size) -> Result<Open> {
        let mut builder = Open::builder();
        builder.set_cache_size(cache.to_usize());
        match self {
            Place::File(path) => open_file(&mut builder, path),
            Place::Memory => prepared(builder.create_with_backend(InMemoryBackend::new())?),
            #[cfg(test)]
            Place::Disk(disk) => prepared(builder.create_with_backend(disk.file())?),
        }
    }
}

fn open_file(builder: &mut Builder, path: &Path) -> Result<Open> {
    make(path).with_context(|| format!("cannot make the state's file `{}`", path.display()))?;
    let (named, told) = (path.display().to_string(), Once::new());
    // It calls again as it comes along.
    builder.set_repair_callback(move |_| {
        told.call_once(|| tracing::info!("reading all of `{named}`, which was not closed"));
    });
    let opened = guarded(|| prepared(builder.create(path).map_err(Error::from)?));
    opened.map_err(|error| match error.downcast::<Error>() {
        Ok(error) => why_not_opened(path, error),
        Err(other) => other.context(format!("the state's file `{}`", path.display())),
    })
}

/// A file that something else has written to may make redb panic.
pub(super) fn guarded<T, E: From<Error>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let done = catch_unwind(AssertUnwindSafe(work));
    done.unwrap_or_else(|_| Err(Error::Corrupted("it contradicts itself".to_owned()).into()))
}

/// Makes an empty file for nobody else to read, if there is none.
fn make(path: &Path) -> std::io::Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(_) => {}
        Err(_) => {
            let folder = path.parent().unwrap_or(Path::new(""));
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            return make(path);
        }
    }
    // What is flushed into the file is safe only if its name is.
    File::open(path.canonicalize()?.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn why_not_opened(path: &Path, error: Error) -> anyhow::Error {
    let path = path.display();
    match error {
        Error::DatabaseAlreadyOpen | Error::LockProtocolMismatch => anyhow!(
            "the state's file `{path}` is in use by another process; stop that, or give this server another `file` below `[server.state]`"
        ),
        Error::Corrupted(what) => anyhow!(
            "the state's file `{path}` is damaged ({what}); put a copy of it in its place, or move it away to begin without state"
        ),
        Error::Io(error) if error.kind() == ErrorKind::InvalidData => anyhow!(
            "`{path}` is not a state's file ({error}); put a copy of it in its place, or give this server another `file` below `[server.state]`"
        ),
        other => anyhow!("cannot open the state's file `{path}`: {other}"),
    }
}

/// With all tables, and of our format.
fn prepared(open: Open) -> Result<Open> {
    match format(&open)? {
        Some(THIS_FORMAT) => Ok(open),
        Some(other) => bail!(
            "it is of format {other}, and this Squall reads {THIS_FORMAT}; use the Squall that wrote it"
        ),
        None => {
            furnish(&open)?;
            Ok(open)
        }
    }
}

/// The format of a database; none of one that is empty.
fn format(open: &Open) -> Result<Option<u32>> {
    let read = open.begin_read().map_err(Error::from)?;
    let table = match read.open_table(FORMAT) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => {
            if read.list_tables().map_err(Error::from)?.next().is_some() {
                bail!(
                    "it holds something else; give this server another `file` below `[server.state]`"
                );
            }
            return Ok(None);
        }
        Err(error) => return Err(Error::from(error).into()),
    };
    let format = table.get(()).map_err(Error::from)?;
    Ok(format.map(|format| format.value()))
}

fn furnish(open: &Open) -> Result<(), Error> {
    let write = open.begin_write()?;
    write.open_table(DATA)?;
    write.open_table(USAGES)?;
    write.open_table(SCHEMAS)?;
    write.open_table(FORMAT)?.insert((), THIS_FORMAT)?;
    Ok(write.commit()?)
}

/// What a guest is told when the disk has failed a write.
pub(super) const UNWRITABLE: StoreError =
    StoreError::Unavailable("the store cannot be written to now");
