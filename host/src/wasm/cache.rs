//! Keeps compiled components on disk, so that a restart need not compile.
//!
//! Compiled code is native code: whoever can write to the cache can run anything
//! as this user. So the folder must belong to this user alone, each file too, and
//! each entry carries the hash of its content: what was cut, flipped or made by
//! another version is a miss, never an error. Entries are read whole; a mapped
//! file could change under our feet.

use crate::limits::LiveLimits;
use anyhow::{Context, Result, anyhow, ensure};
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use wasmtime::Engine;
use wasmtime::component::Component;

#[cfg(test)]
mod tests;

/// The SHA-256 of a component's file.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    pub fn of(bytes: &[u8]) -> Self {
        ContentHash(Sha256::digest(bytes).into())
    }
}

impl std::fmt::Display for ContentHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    limits: LiveLimits,
}

/// An entry: its content's SHA-256, then the content.
const HASH_SIZE: usize = 32;

impl Cache {
    /// Opens or makes `folder`, and refuses one that others could write to.
    pub(crate) fn open(folder: &Path, limits: &LiveLimits) -> Result<Self> {
        let describe = || format!("cannot use compile cache `{}`", folder.display());
        make_folder(folder).with_context(describe)?;
        let found = fs::symlink_metadata(folder).with_context(describe)?;
        let path = folder.display();
        ensure!(found.is_dir(), "compile cache `{path}` is not a folder of its own");
        ensure!(found.uid() == our_uid(), "compile cache `{path}` belongs to another user");
        ensure!(
            found.mode() & 0o077 == 0,
            "compile cache `{path}` is open to others (mode {:o}); run `chmod 700` on it",
            found.mode() & 0o777
        );
        Ok(Cache { folder: folder.to_owned(), limits: limits.clone() })
    }

    /// The compiled form of the file with this hash, if a sound one is kept.
    pub(crate) fn get(&self, engine: &Engine, hash: ContentHash) -> Option<Component> {
        let path = self.path(engine, hash);
        let payload = read_sound(&path)?;
        match deserialize(engine, &payload) {
            Ok(component) => {
                // Marks the entry as used; if that fails it only goes earlier.
                let _ = File::open(&path).and_then(|f| f.set_modified(SystemTime::now()));
                Some(component)
            }
            Err(error) => {
                tracing::debug!(path = %path.display(), cause = %error, "compile cache entry is of no use");
                None
            }
        }
    }

    /// Keeps `component`. Failing to is no error: the next start compiles again.
    pub(crate) fn put(&self, engine: &Engine, hash: ContentHash, component: &Component) {
        let path = self.path(engine, hash);
        let kept = component.serialize().map_err(|e| anyhow!("{e:#}")).and_then(|payload| {
            // It may have been deleted since: people clear caches.
            make_folder(&self.folder)?;
            self.make_room(payload.len() as u64)?;
            write_whole(&path, &payload)
        });
        if let Err(error) = kept {
            tracing::warn!(path = %path.display(), cause = %error, "cannot keep a compiled component in the cache");
        }
    }

    fn path(&self, engine: &Engine, hash: ContentHash) -> PathBuf {
        self.folder.join(format!("{hash}-{:016x}.squall", fingerprint(engine)))
    }

    /// Removes the entries that were unused longest until `more` bytes fit, and what
    /// writers that were killed have left. The folder may hold other things, which
    /// are nobody's business here.
    fn make_room(&self, more: u64) -> Result<()> {
        let capacity = self.limits.now().cache_size.get();
        ensure!(more <= capacity, "it is larger than `cache_size`");
        let mut entries = Vec::new();
        for found in fs::read_dir(&self.folder)?.flatten() {
            let Some(kind) = kind_of(&found.file_name()) else { continue };
            let path = found.path();
            let Ok(found) = found.metadata() else { continue };
            let Ok(modified) = found.modified() else { continue };
            match kind {
                _ if !found.is_file() => {}
                Kind::Entry => entries.push((modified, found.len(), path)),
                // Failing to remove it costs some space.
                Kind::Temporary if is_stale(modified) => drop(fs::remove_file(path)),
                Kind::Temporary => {}
            }
        }
        entries.sort();
        let mut total = more + entries.iter().map(|(_, len, _)| len).sum::<u64>();
        for (_, len, path) in entries {
            if total <= capacity {
                break;
            }
            if fs::remove_file(path).is_ok() {
                total -= len;
            }
        }
        ensure!(total <= capacity, "old entries cannot be removed");
        Ok(())
    }
}

/// Where the cache is unless told otherwise: the user's cache folder.
pub(crate) fn default_folder() -> Option<PathBuf> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base =
        absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    base.map(|base| base.join("squall").join("components"))
}

/// Makes `folder` for this user alone, if it is not there.
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Tells apart engines whose code is not exchangeable.
fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// What a file is that the cache has written.
enum Kind {
    Entry,
    Temporary,
}

/// Only names of exactly the form that `path` and `write_whole` give.
fn kind_of(name: &OsStr) -> Option<Kind> {
    let (stem, end) = name.to_str()?.split_once('.')?;
    let (hash, fingerprint) = stem.split_once('-')?;
    let hex = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !hex(hash, 2 * HASH_SIZE) || !hex(fingerprint, 16) {
        return None;
    }
    let (process, count) = match end {
        "squall" => return Some(Kind::Entry),
        _ => end.strip_suffix(".tmp")?.split_once('-')?,
    };
    (number(process) && number(count)).then_some(Kind::Temporary)
}

/// A component is written within seconds.
fn is_stale(modified: SystemTime) -> bool {
    const STALE: Duration = Duration::from_secs(60 * 60);
    modified.elapsed().is_ok_and(|age| age > STALE)
}

/// The content of an entry, if the file is ours and its hash is right.
fn read_sound(path: &Path) -> Option<Vec<u8>> {
    // Opening a FIFO would wait for a writer.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut file =
        OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path).ok()?;
    let found = file.metadata().ok()?;
    let ours = found.is_file() && found.uid() == our_uid() && found.mode() & 0o022 == 0;
    if !ours {
        return None;
    }
    let mut hash = [0; HASH_SIZE];
    file.read_exact(&mut hash).ok()?;
    let mut payload = Vec::with_capacity(usize::try_from(found.len()).ok()?);
    file.read_to_end(&mut payload).ok()?;
    (Sha256::digest(&payload)[..] == hash).then_some(payload)
}

fn write_whole(path: &Path, payload: &[u8]) -> Result<()> {
    let (temporary, mut file) = create_temporary(path)?;
    let written = file
        .write_all(&Sha256::digest(payload))
        .and_then(|()| file.write_all(payload))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    Ok(written?)
}

/// A file of its own for each write: handlers with the same component are compiled
/// at the same time. A process with our id may have been killed and left its own.
fn create_temporary(path: &Path) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{}-{count}.tmp", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (temporary, file)),
        }
    }
}

fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The only unsafe code of the host.
#[expect(unsafe_code, reason = "wasmtime cannot check native code; see SAFETY")]
fn deserialize(engine: &Engine, payload: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `payload` must be what `Component::serialize` wrote. It was read
    // from a file that belongs to this user, that nobody else may write, in a
    // folder with the same properties (`open`), and its SHA-256 is the one that
    // `write_whole` put before it. The engine's version and settings are part of
    // the file's name, and wasmtime checks them again. The bytes are a private
    // copy, so they cannot change while they are used.
    unsafe { Component::deserialize(engine, payload) }
}
