//! The regular look at all that may change: it keeps the watch on the right folders,
//! and is the safety net under it. It may block on a slow disk, so it is a job of
//! its own and nothing waits for it.

use super::super::watch::FolderWatch;
use super::Subject;
use super::depends::{Dependency, Marks};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Whom a change in a folder concerns.
#[derive(Debug, Default)]
pub(super) struct Interest(BTreeMap<PathBuf, BTreeSet<Subject>>);

/// What a survey found.
pub(super) struct Surveyed {
    pub(super) interest: Interest,
    pub(super) marks: Vec<(Subject, Marks)>,
    pub(super) watch: Option<FolderWatch>,
}

/// Watches what `subjects` depend on, and then looks at it: a change between the two
/// is seen by one of them. Blocks.
pub(super) fn survey(
    subjects: Vec<(Subject, Vec<Dependency>)>,
    mut watch: Option<FolderWatch>,
) -> Surveyed {
    let mut interest = Interest::default();
    for (subject, depends) in &subjects {
        for folder in depends.iter().flat_map(Dependency::folders) {
            // Events name a folder as it was asked for, so each is asked for by the
            // one name that it has whatever the links.
            if let Ok(folder) = folder.canonicalize() {
                interest.0.entry(folder).or_default().insert(subject.clone());
            }
        }
    }
    if let Some(watch) = &mut watch {
        watch.set(interest.0.keys());
    }
    let marks =
        subjects.into_iter().map(|(subject, depends)| (subject, Marks::of(&depends))).collect();
    Surveyed { interest, marks, watch }
}

impl Interest {
    /// Whom an event at `path` concerns: those who depend on something in its folder,
    /// or on the folder that it is.
    pub(super) fn in_event<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Subject> {
        let of = |folder: &Path| self.0.get(folder);
        of(path).into_iter().chain(path.parent().and_then(of)).flatten()
    }
}
