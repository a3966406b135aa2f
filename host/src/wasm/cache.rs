//! Keeps compiled components on disk, so that a restart need not compile.
//!
//! Compiled code is native code: whoever can write to the cache can run anything
//! as this user. So the folder must belong to this user alone, each file too, and
//! each entry carries the hash of its content: what was cut, flipped or made by
//! another version is a miss, never an error. Entries are read whole; a mapped
//! file could change under our feet.

use crate::limits::Size;
use anyhow::{Context, Result, anyhow, ensure};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use wasmtime::Engine;
use wasmtime::component::Component;

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
    capacity: Size,
}

/// An entry: its content's SHA-256, then the content.
const HASH_SIZE: usize = 32;

impl Cache {
    /// Opens or makes `folder`, and refuses one that others could write to.
    pub(crate) fn open(folder: &Path, capacity: Size) -> Result<Self> {
        let describe = || format!("cannot use compile cache `{}`", folder.display());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(describe)?;
        let found = fs::symlink_metadata(folder).with_context(describe)?;
        let path = folder.display();
        ensure!(found.is_dir(), "compile cache `{path}` is not a folder of its own");
        ensure!(found.uid() == our_uid(), "compile cache `{path}` belongs to another user");
        ensure!(
            found.mode() & 0o077 == 0,
            "compile cache `{path}` is open to others (mode {:o}); run `chmod 700` on it",
            found.mode() & 0o777
        );
        Ok(Cache { folder: folder.to_owned(), capacity })
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

    /// Removes the entries that were unused longest until `more` bytes fit.
    fn make_room(&self, more: u64) -> Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let found = entry.metadata()?;
            entries.push((found.modified()?, found.len(), entry.path()));
        }
        entries.sort();
        let mut total = more + entries.iter().map(|(_, len, _)| len).sum::<u64>();
        for (_, len, path) in entries {
            if total <= self.capacity.get() {
                break;
            }
            fs::remove_file(path)?;
            total -= len;
        }
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

/// Tells apart engines whose code is not exchangeable.
fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// The content of an entry, if the file is ours and its hash is right.
fn read_sound(path: &Path) -> Option<Vec<u8>> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .ok()?;
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
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    let written = file
        .write_all(&Sha256::digest(payload))
        .and_then(|()| file.write_all(payload))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    Ok(written?)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn component(engine: &Engine) -> (ContentHash, Component) {
        let bytes = wat::parse_str("(component (core module))").unwrap();
        (ContentHash::of(&bytes), Component::new(engine, &bytes).unwrap())
    }

    fn setup() -> (tempfile::TempDir, Cache, Engine, ContentHash, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(&dir.path().join("c"), Size::mib(10)).unwrap();
        let engine = Engine::default();
        let (hash, compiled) = component(&engine);
        assert!(cache.get(&engine, hash).is_none());
        cache.put(&engine, hash, &compiled);
        let path = cache.path(&engine, hash);
        (dir, cache, engine, hash, path)
    }

    #[test]
    fn a_sound_entry_is_a_hit() {
        let (_dir, cache, engine, hash, _) = setup();
        assert!(cache.get(&engine, hash).is_some());
    }

    /// Row O20: every flipped byte, every cut, is a miss.
    #[test]
    fn damage_is_a_miss() {
        let (_dir, cache, engine, hash, path) = setup();
        let good = fs::read(&path).unwrap();
        for at in [0, HASH_SIZE, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert!(cache.get(&engine, hash).is_none(), "byte {at}");
        }
        for len in [0, 10, HASH_SIZE, good.len() - 1] {
            fs::write(&path, &good[..len]).unwrap();
            assert!(cache.get(&engine, hash).is_none(), "length {len}");
        }
        fs::write(&path, &good).unwrap();
        assert!(cache.get(&engine, hash).is_some());
    }

    #[test]
    fn a_file_that_others_may_write_or_a_link_is_a_miss() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, cache, engine, hash, path) = setup();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(cache.get(&engine, hash).is_none());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let aside = dir.path().join("aside");
        fs::rename(&path, &aside).unwrap();
        std::os::unix::fs::symlink(&aside, &path).unwrap();
        assert!(cache.get(&engine, hash).is_none());
    }

    #[test]
    fn a_folder_that_is_not_ours_alone_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        let error = Cache::open(&open, Size::mib(1)).unwrap_err().to_string();
        assert!(error.contains("chmod 700"), "{error}");
        let link = dir.path().join("link");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink(&open, &link).unwrap();
        assert!(Cache::open(&link, Size::mib(1)).is_err());
    }

    #[test]
    fn the_oldest_entries_go_first() {
        let (_dir, mut cache, engine, hash, path) = setup();
        let old = cache.folder.join("old.squall");
        fs::write(&old, vec![0; 1000]).unwrap();
        File::open(&old).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        cache.capacity = Size::bytes(fs::metadata(&path).unwrap().len() + 999);
        cache.make_room(0).unwrap();
        assert!(!old.exists());
        assert!(cache.get(&engine, hash).is_some());
    }
}
