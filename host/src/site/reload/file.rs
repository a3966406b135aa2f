//! What is known of one watched file: whether it may have changed, what was last
//! judged of it, and how it is judged.

use super::super::handler::{Generation, Handler};
use super::super::load::{LoadError, Workshop, blocking, hash_of};
use crate::config::HandlerConfig;
use crate::id::GenerationNumber;
use crate::wasm::ContentHash;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A file that looks cut may be growing: it is judged when it has not changed for
/// this long.
const PATIENCE: Duration = Duration::from_millis(600);

#[derive(Debug)]
pub(super) struct FileState {
    pub(super) path: PathBuf,
    /// Being judged now.
    pub(super) busy: bool,
    /// The first and the last sign of a change since it was last looked at.
    signs: Option<(Instant, Instant)>,
    /// Do not trust that an unchanged stat means unchanged content.
    forced: bool,
    seen: Option<Fingerprint>,
    /// The content that serves.
    serving: Option<ContentHash>,
    /// The last refusal, so that it is reported once.
    refused: Option<Refusal>,
    /// Since when it looks unfinished in the same way.
    unfinished: Option<(Option<Fingerprint>, Instant)>,
}

/// Two refusals of the same thing are equal.
#[derive(Debug, PartialEq)]
enum Refusal {
    Content(ContentHash),
    Reason(String),
}

/// What `stat` tells without reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Fingerprint {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Fingerprint {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

/// What to do about a file that was judged.
pub(super) enum Verdict {
    Nothing,
    Unchanged,
    Swap(Arc<Generation>),
    Refuse(LoadError),
}

/// A look at a file, and what came of it.
pub(super) struct Examined {
    pub(super) took: Duration,
    fingerprint: Option<Fingerprint>,
    hash: Option<ContentHash>,
    result: Result<Option<Arc<Generation>>, LoadError>,
}

/// What a look begins with.
pub(super) struct Examination {
    path: PathBuf,
    known: Option<Fingerprint>,
    serving: Option<ContentHash>,
    refused: Option<ContentHash>,
}

impl FileState {
    pub(super) fn new(path: PathBuf) -> Self {
        let seen = Fingerprint::of(&path);
        FileState {
            path,
            busy: false,
            signs: None,
            forced: false,
            seen,
            serving: None,
            refused: None,
            unfinished: None,
        }
    }

    pub(super) fn serves(&mut self, hash: ContentHash) {
        if self.serving != Some(hash) {
            self.serving = Some(hash);
            // It was read before this state began to watch: look once more.
            self.force();
        }
    }

    /// A sign that it may have changed.
    pub(super) fn touch(&mut self) {
        let now = Instant::now();
        let first = self.signs.map_or(now, |(first, _)| first);
        self.signs = Some((first, now));
    }

    pub(super) fn force(&mut self) {
        self.forced = true;
        self.touch();
    }

    /// Looks whether it changed without a sign.
    pub(super) fn poll(&mut self) {
        if self.signs.is_none() && !self.busy && Fingerprint::of(&self.path) != self.seen {
            self.touch();
        }
    }

    /// When it has settled, if there is something to look at.
    pub(super) fn due(&self, settle: Duration, max_settles: u32) -> Option<Instant> {
        let (first, last) = self.signs?;
        Some((last + settle).min(first + settle * max_settles))
    }

    pub(super) fn start(&mut self) -> Examination {
        self.busy = true;
        self.signs = None;
        let forced = std::mem::take(&mut self.forced);
        Examination {
            path: self.path.clone(),
            known: self.seen.filter(|_| !forced),
            serving: self.serving,
            refused: match self.refused {
                Some(Refusal::Content(hash)) if !forced => Some(hash),
                _ => None,
            },
        }
    }

    pub(super) fn finished(&mut self) {
        self.busy = false;
        self.seen = Fingerprint::of(&self.path);
    }

    /// Draws the consequence of a look.
    pub(super) fn conclude(&mut self, examined: Examined) -> Verdict {
        self.busy = false;
        self.seen = examined.fingerprint;
        let error = match examined.result {
            Ok(None) if examined.hash.is_none() => return Verdict::Nothing,
            Ok(None) => {
                self.refused = None;
                self.unfinished = None;
                return Verdict::Unchanged;
            }
            Ok(Some(generation)) => {
                self.serving = examined.hash;
                self.refused = None;
                self.unfinished = None;
                return Verdict::Swap(generation);
            }
            Err(error) => error,
        };
        if error.is_unfinished() && !self.outlasts_patience(examined.fingerprint) {
            self.force();
            return Verdict::Nothing;
        }
        let refusal = match examined.hash {
            Some(hash) => Refusal::Content(hash),
            None => Refusal::Reason(error.to_string()),
        };
        if self.refused.as_ref() == Some(&refusal) {
            return Verdict::Nothing;
        }
        self.refused = Some(refusal);
        Verdict::Refuse(error)
    }

    /// Whether a file has looked unfinished in the same way for long enough to be
    /// taken for broken.
    fn outlasts_patience(&mut self, fingerprint: Option<Fingerprint>) -> bool {
        match self.unfinished {
            Some((same, since)) if same == fingerprint => since.elapsed() >= PATIENCE,
            _ => {
                self.unfinished = Some((fingerprint, Instant::now()));
                false
            }
        }
    }
}

impl Examination {
    /// Reads the file and, if its content is new, makes a generation of it.
    pub(super) async fn examine(
        self,
        workshop: Workshop,
        handler: Arc<Handler>,
        config: HandlerConfig,
        current: GenerationNumber,
        notice: Duration,
    ) -> Examined {
        let began = Instant::now();
        // Before reading: a change that comes later is then seen as one.
        let path = self.path.clone();
        let fingerprint =
            tokio::task::spawn_blocking(move || Fingerprint::of(&path)).await.ok().flatten();
        let examined = |hash, result| Examined { took: began.elapsed(), fingerprint, hash, result };
        if fingerprint.is_some() && fingerprint == self.known {
            return examined(None, Ok(None));
        }
        let (path, limit) = (self.path.clone(), workshop.component_size);
        let (hash, bytes) = match blocking(move || hash_of(&path, limit)).await {
            Ok(read) => read,
            Err(error) => return examined(None, Err(error)),
        };
        if Some(hash) == self.serving {
            return examined(Some(hash), Ok(None));
        }
        if Some(hash) == self.refused {
            // Known to be bad, and reported.
            return examined(None, Ok(None));
        }
        let size = bytes.len();
        let making = workshop.make(&handler, &config, bytes);
        let mut making = std::pin::pin!(making);
        let made = tokio::select! {
            made = &mut making => made,
            () = sleep(notice) => {
                tracing::info!(
                    handler = %handler.name,
                    bytes = size,
                    "still compiling after {} ms; generation {current} keeps serving",
                    notice.as_millis()
                );
                making.await
            }
        };
        examined(Some(hash), made.map(Some))
    }
}
