//! What a handler or a config depends on in the file system, and how a change of it
//! shows without reading it. Everything here blocks.

use super::super::watch::folders_of;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Something in the file system that has a say in what serves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dependency {
    /// What a file contains.
    File(PathBuf),
    /// Which files there are in a folder.
    Listing(PathBuf),
    /// Which folder has this name.
    Place(PathBuf),
}

/// How several of them are at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Marks(BTreeMap<Dependency, Mark>);

/// What `stat` tells of a dependency.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// `None` of one that is not there.
    facts: Option<Facts>,
    /// Whether the next change is sure to give another mark.
    is_telling: bool,
}

impl PartialEq for Mark {
    fn eq(&self, other: &Self) -> bool {
        self.facts == other.facts
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Facts {
    device: u64,
    inode: u64,
    /// A number of an inode may be given again.
    created: Option<SystemTime>,
    /// Nothing of this matters of a place.
    content: Option<Content>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Content {
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A file that changed this short a time ago may change again within one step of the
/// file system's clock (10 ms at most on Linux, and some on a network), which
/// nothing in its mark would show.
const FRESH: Duration = Duration::from_millis(100);

impl Marks {
    pub(super) fn of(depends: &[Dependency]) -> Self {
        Marks(depends.iter().map(|one| (one.clone(), one.mark())).collect())
    }

    pub(super) fn are_of(&self, depends: &[Dependency]) -> bool {
        depends.iter().all(|one| self.0.contains_key(one))
            && self.0.keys().all(|one| depends.contains(one))
    }

    /// Whether the next change is sure to give other marks.
    pub(super) fn are_telling(&self) -> bool {
        self.0.values().all(|mark| mark.is_telling)
    }

    /// Whether something has changed since `before` that both know. What else lies in
    /// a folder does not count: of what matters there, the files are known too.
    pub(super) fn show_an_edit_since(&self, before: &Self) -> bool {
        self.0.iter().any(|(one, mark)| {
            !matches!(one, Dependency::Listing(_)) && before.0.get(one).is_some_and(|b| b != mark)
        })
    }

    /// These, and of what they do not know, `others`.
    pub(super) fn or(mut self, others: Self) -> Self {
        for (one, mark) in others.0 {
            self.0.entry(one).or_insert(mark);
        }
        self
    }
}

impl Dependency {
    fn mark(&self) -> Mark {
        let Ok(found) = fs::metadata(self.path()) else {
            return Mark { facts: None, is_telling: true };
        };
        let content = Content {
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        };
        let content = (!matches!(self, Dependency::Place(_))).then_some(content);
        let created = found.created().ok();
        let facts = Facts { device: found.dev(), inode: found.ino(), created, content };
        Mark { facts: Some(facts), is_telling: content.is_none_or(Content::is_old) }
    }

    /// The folders in which something happens when this changes.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        let mut folders = folders_of(self.path());
        if let Dependency::Listing(folder) = self {
            folders.push(folder.clone());
        }
        folders
    }

    fn path(&self) -> &Path {
        match self {
            Dependency::File(path) | Dependency::Listing(path) | Dependency::Place(path) => path,
        }
    }
}

impl Content {
    fn is_old(self) -> bool {
        let (seconds, nanos) = self.changed;
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(seconds), u32::try_from(nanos)) else {
            return false;
        };
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        SystemTime::now().duration_since(changed).is_ok_and(|age| age > FRESH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_same_whatever_is_put_into_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("folder");
        fs::create_dir(&path).unwrap();
        let (place, listing) = (Dependency::Place(path.clone()), Dependency::Listing(path.clone()));
        let (before, listed) = (place.mark(), listing.mark());
        std::thread::sleep(Duration::from_millis(20));
        fs::write(path.join("file"), "").unwrap();
        assert_eq!(place.mark(), before);
        assert_ne!(listing.mark(), listed);
        fs::rename(&path, dir.path().join("old")).unwrap();
        fs::create_dir(&path).unwrap();
        assert_ne!(place.mark(), before);
    }

    #[test]
    fn a_fresh_mark_tells_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let file = Dependency::File(path.clone());
        assert!(file.mark().is_telling, "nothing is there");
        fs::write(&path, "one").unwrap();
        assert!(!file.mark().is_telling);
        std::thread::sleep(FRESH * 2);
        assert!(file.mark().is_telling);
    }
}
