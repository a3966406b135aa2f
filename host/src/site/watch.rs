//! Notices that files may have changed. Watches folders, not files, because most
//! ways of saving replace the file, and follows symbolic links, because swapping a
//! link is a way of saving too.

use anyhow::{Context, Result};
use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// Events that may wait to be looked at. When there are more, everything is looked
/// at.
const QUEUE: usize = 1024;

/// Links in a chain that is followed; more is a loop.
const MAX_LINKS: usize = 40;

/// The folders that are watched. Their events come out of the receiver that
/// [`FolderWatch::new`] gives.
#[derive(Debug)]
pub(super) struct FolderWatch {
    watcher: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
}

/// What the operating system has told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Noticed {
    Paths(Vec<PathBuf>),
    /// Events were lost: anything may have changed.
    Anything,
}

impl FolderWatch {
    pub(super) fn new() -> Result<(Self, mpsc::Receiver<Noticed>)> {
        let (sender, events) = mpsc::channel(QUEUE);
        let lost = AtomicBool::new(false);
        let report = move |event: notify::Result<Event>| {
            let noticed = match event {
                // Reading a file is no change.
                Ok(event) if event.kind.is_access() => return,
                Ok(event) if event.need_rescan() => Noticed::Anything,
                Ok(event) => Noticed::Paths(event.paths),
                Err(_) => Noticed::Anything,
            };
            // What follows a loss tells of it.
            let noticed =
                if lost.swap(false, Ordering::Relaxed) { Noticed::Anything } else { noticed };
            if sender.try_send(noticed).is_err() {
                lost.store(true, Ordering::Relaxed);
            }
        };
        let watcher = RecommendedWatcher::new(report, Config::default())
            .context("cannot watch files; are there too many inotify instances?")?;
        Ok((FolderWatch { watcher, folders: BTreeSet::new() }, events))
    }

    /// Watches these folders and no others. They are named in one way each, or two
    /// names of one would share a watch, and giving up one of them would end it.
    /// Those that cannot be watched now are tried again at the next call. Blocks.
    pub(super) fn set<'a>(&mut self, wanted: impl Iterator<Item = &'a PathBuf>) {
        let wanted: BTreeSet<PathBuf> = wanted.cloned().collect();
        for gone in self.folders.difference(&wanted) {
            // A folder that was deleted is no longer watched anyway.
            let _ = self.watcher.unwatch(gone);
        }
        let mut watched = BTreeSet::new();
        for folder in wanted {
            // Asked for again each time: a folder that was deleted and made anew
            // has the same name and no watch.
            match self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    watched.insert(folder);
                }
                Err(error) => {
                    tracing::debug!(folder = %folder.display(), cause = %error, "cannot watch a folder; polling it");
                }
            }
        }
        self.folders = watched;
    }
}

/// The folders in which something must happen for what `file` names to change: its
/// own, and those of every link on the way.
pub(super) fn folders_of(file: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let mut path = match std::path::absolute(file) {
        Ok(path) => path,
        Err(_) => return folders,
    };
    for _ in 0..MAX_LINKS {
        if let Some(parent) = path.parent() {
            folders.push(parent.to_owned());
        }
        match first_link(&path) {
            Some((link, target)) => {
                folders.extend(link.parent().map(Path::to_owned));
                path = target;
            }
            None => break,
        }
    }
    folders.sort();
    folders.dedup();
    folders
}

/// The first symbolic link on the way to `path`, and where the whole path leads
/// once that link is followed.
fn first_link(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut walked = PathBuf::new();
    let mut rest = path.components();
    while let Some(component) = rest.next() {
        walked.push(component);
        if !matches!(component, Component::Normal(_)) {
            continue;
        }
        if let Ok(target) = fs::read_link(&walked) {
            let base = walked.parent().unwrap_or(Path::new("/"));
            return Some((walked.clone(), base.join(target).join(rest.as_path())));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_folder_on_the_way_through_links_is_watched() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("v1")).unwrap();
        fs::write(root.join("v1/app.wasm"), "").unwrap();
        symlink("v1", root.join("..data")).unwrap();
        symlink("..data/app.wasm", root.join("app.wasm")).unwrap();
        let folders = folders_of(&root.join("app.wasm"));
        assert!(folders.contains(&root), "{folders:?}");
        assert!(folders.contains(&root.join("v1")), "{folders:?}");
    }

    #[test]
    fn a_loop_of_links_ends() {
        let dir = tempfile::tempdir().unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        assert!(!folders_of(&dir.path().join("a")).is_empty());
    }
}
