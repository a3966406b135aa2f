//! A static folder, served: ranges, conditions, precompressed variants, index
//! files, and nothing from outside the folder.
//!
//! One request goes through four steps, one file each:
//!
//! 1. `subpath` reads the path and refuses whatever could mean something else
//!    to a file system;
//! 2. `snapshot` opens what the path names below the root (`root` is the
//!    jail), once, off the async threads, so every later step speaks of the
//!    same open files, whatever happens to their names meanwhile;
//! 3. tower-http's `ServeDir` chooses the variant, judges the conditions and
//!    streams; `question` is what it is shown of the request, because it
//!    misreads some of it, and `range` decides what it must not;
//! 4. `answer` puts right what the library says, and `exact` sends as many
//!    bytes as that declares or breaks the body.
//!
//! Whatever is refused is answered with the same 404 as what is not there, so
//! an answer never says what exists (fault G36).
//!
//! This module must never know a route, a handler or a guest. The service calls
//! it with the path below the mount.

mod answer;
mod exact;
mod facts;
mod open;
mod question;
mod range;
mod root;
mod snapshot;
mod subpath;
#[cfg(test)]
mod tests;

pub use open::{OpenFiles, OpenPermit};

use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

use http::header::RANGE;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use rustix::io::Errno;
use tower_http::services::ServeDir;
use tower_http::services::fs::ServeFileSystemResponseBody;

use crate::body::Body;
use crate::fault::{Fault, FaultKind};
use crate::offload::FILES;
use range::Part;
use root::Root;
use snapshot::Snapshot;
use subpath::Subpath;

/// What is read from a file at once. Large enough that a switch to a blocking
/// thread is cheap by comparison; two of these are all the memory that a
/// response holds, however large its file is.
const CHUNK: usize = 64 * 1024;

/// How often a file that changes while it is read is opened: somebody who saves it
/// is done by the second time, and who writes all the time is not to be waited for.
const ATTEMPTS: u32 = 3;

/// A static folder, held open since it was loaded. Cheap to clone.
#[derive(Clone)]
pub struct Files {
    root: Arc<Root>,
}

impl Files {
    /// Opens the folder `root`.
    ///
    /// The handle stays on this folder. [`Files::is_current`] tells when its name has
    /// been given to another one.
    pub fn open(root: &Path) -> anyhow::Result<Files> {
        let root = Arc::new(Root::open(root)?);
        Ok(Files { root })
    }

    /// Whether the folder's name still leads to it, or nowhere. Blocks.
    pub fn is_current(&self) -> bool {
        self.root.is_current()
    }

    /// Answers one request for `path`, the request's path below the mount.
    ///
    /// A folder is answered with its `index.html`, or with a redirect to itself
    /// if the address the client used (`head.uri`) lacks the slash at its end:
    /// relative links in the index would lead astray. To answer any address
    /// with the index, pass `/index.html` as `path`.
    ///
    /// The permit is given back when the last file is closed, which for a large one
    /// is when the response's body has ended or is dropped.
    pub async fn serve(
        &self,
        head: &Parts,
        path: &str,
        permit: OpenPermit,
    ) -> Result<Response<Body>, Fault> {
        let mut response = if head.method == Method::GET || head.method == Method::HEAD {
            self.find(head, path, permit).await?
        } else {
            answer::not_allowed()
        };
        answer::finish(response.headers_mut());
        Ok(response)
    }

    /// The answer to GET or HEAD.
    async fn find(
        &self,
        head: &Parts,
        path: &str,
        permit: OpenPermit,
    ) -> Result<Response<Body>, Fault> {
        let Some(subpath) = Subpath::parse(path) else {
            return Ok(answer::empty(StatusCode::NOT_FOUND));
        };
        let (subpath, permit) = (Arc::new(subpath), Arc::new(permit));
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            match self.attempt(head, path, subpath.clone(), permit.clone()).await {
                Err(fault) if fault.kind == FaultKind::FileChanged && left > 0 => {}
                answer => return answer,
            }
        }
    }

    /// The answer from one snapshot.
    async fn attempt(
        &self,
        head: &Parts,
        path: &str,
        subpath: Arc<Subpath>,
        permit: Arc<OpenPermit>,
    ) -> Result<Response<Body>, Fault> {
        let root = Arc::clone(&self.root);
        let look = move || Snapshot::take(&root, &subpath, permit);
        let taken = FILES.run(look).await;
        let taken = taken.map_err(|error| Fault::new(FaultKind::Bug, error.to_string()))?;
        let Some(snapshot) = taken.map_err(|error| failure(path, &error))? else {
            return Ok(answer::empty(StatusCode::NOT_FOUND));
        };
        if snapshot.is_folder() && !head.uri.path().ends_with('/') {
            return Ok(answer::redirect(head));
        }

        let ask = async |question| {
            library(&snapshot, question).await.map_err(|error| failure(path, &error))
        };
        let mut question = question::ask(head, snapshot.uri());
        if head.method == Method::GET && head.headers.contains_key(RANGE) {
            // The library is asked for the head first, which reads nothing: a
            // range depends on the variant it chooses.
            let mut whole = question.clone();
            *whole.method_mut() = Method::HEAD;
            let whole = ask(whole).await?;
            if whole.status() == StatusCode::OK {
                match range::decide(&head.headers, whole.headers()) {
                    Part::Whole => {}
                    Part::Bytes(value) => {
                        question.headers_mut().insert(RANGE, value);
                    }
                    Part::Outside(size) => {
                        return Ok(answer::unsatisfiable(whole.headers().clone(), size));
                    }
                }
            }
        }

        let response = ask(question).await?;
        let has_variants = snapshot.has_variants();
        // Closes what was not chosen, before anything is read or sent.
        drop(snapshot);
        answer::deliver(response, &head.method, has_variants, path).await
    }
}

/// Why the file at `path` cannot be opened or read, which is nobody's fault that
/// could be told from here.
fn failure(path: &str, error: &io::Error) -> Fault {
    let kind = match Errno::from_io_error(error) {
        // By this process, or by the whole system.
        Some(Errno::MFILE | Errno::NFILE) => FaultKind::FilesOpen,
        _ => FaultKind::FileUnreadable,
    };
    Fault::new(kind, format!("cannot read `{path}`: {error}"))
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Files").field(&self.root.name()).finish()
    }
}

/// Asks tower-http, which sees the snapshot as its whole file system.
async fn library(
    snapshot: &Snapshot,
    question: Request<()>,
) -> io::Result<Response<ServeFileSystemResponseBody>> {
    let mut library = ServeDir::with_backend("", snapshot.clone()).with_buf_chunk_size(CHUNK);
    // Only with a variant, because it adds `Vary` when told of variants.
    if snapshot.has_variants() {
        library = library.precompressed_br().precompressed_gzip();
    }
    library.try_call(question).await
}
