//! What one request's path names, opened once, and the library's only file
//! system.
//!
//! The library asks for paths several times: is it a folder, is there a variant,
//! the head, the file. Between two questions a name may come to mean another
//! file. So all of it is opened first, in one trip to a blocking thread, and
//! each question is answered from that, at once and always alike.

use parking_lot::Mutex;
use std::future::{Ready, ready};
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tower_http::services::fs::{Backend, File};

use super::CHUNK;
use super::facts::Facts;
use super::open::OpenPermit;
use super::root::{Node, Root};
use super::subpath::Subpath;
use crate::offload::FILES;

/// What a folder is answered with.
const INDEX: &str = "index.html";

/// The endings of precompressed variants, as the library appends them.
const VARIANTS: [&str; 2] = [".br", ".gz"];

/// A file that exists, with its variants and, for an index, its folder.
#[derive(Clone)]
pub(super) struct Snapshot(Arc<Inner>);

struct Inner {
    uri: String,
    /// Set if the file is the index of this folder.
    folder: Option<PathBuf>,
    /// The file, then its variants. Never empty.
    files: Vec<Opened>,
    permit: Arc<OpenPermit>,
}

struct Opened {
    path: PathBuf,
    /// Until it is opened.
    file: Mutex<Option<std::fs::File>>,
    facts: Facts,
}

impl Snapshot {
    /// Opens what `subpath` names. Blocks. `None` is answered with 404.
    pub(super) fn take(
        root: &Root,
        subpath: &Subpath,
        permit: Arc<OpenPermit>,
    ) -> io::Result<Option<Snapshot>> {
        let path = subpath.to_path();
        let (folder, path, node) = match root.look(&path)? {
            Some(Node::Folder) => {
                let index = path.join(INDEX);
                let node = root.look(&index)?;
                (Some(path), index, node)
            }
            // A file's name with a slash after it names nothing.
            Some(Node::File(..)) if subpath.ends_with_slash() => return Ok(None),
            node => (None, path, node),
        };
        // Without the file itself its variants are not served: a client that
        // takes no compression could not be answered.
        let Some(Node::File(file, metadata)) = node else {
            return Ok(None);
        };
        let mut files = vec![Opened::new(path, file, &metadata)];
        for ending in VARIANTS {
            let mut variant = files[0].path.clone().into_os_string();
            variant.push(ending);
            let variant = PathBuf::from(variant);
            if let Some(Node::File(file, metadata)) = root.look(&variant)? {
                files.push(Opened::new(variant, file, &metadata));
            }
        }
        let uri = uri(subpath.names(), folder.is_some());
        Ok(Some(Snapshot(Arc::new(Inner { uri, folder, files, permit }))))
    }

    /// True if the path named a folder, and the file is its index.
    pub(super) fn is_folder(&self) -> bool {
        self.0.folder.is_some()
    }

    pub(super) fn has_variants(&self) -> bool {
        self.0.files.len() > 1
    }

    /// The address by which the library finds the file. Each name is escaped
    /// anew, so it decodes to the names that were judged and to nothing else.
    pub(super) fn uri(&self) -> &str {
        &self.0.uri
    }

    fn find(&self, path: &Path) -> io::Result<&Opened> {
        let found = self.0.files.iter().find(|opened| opened.path == path);
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Opened {
    fn new(path: PathBuf, file: std::fs::File, metadata: &std::fs::Metadata) -> Opened {
        let facts = Facts::of_file(metadata);
        Opened { path, file: Mutex::new(Some(file)), facts }
    }
}

impl Backend for Snapshot {
    type File = Reader;
    type Metadata = Facts;
    type OpenFuture = Ready<io::Result<Reader>>;
    type MetadataFuture = Ready<io::Result<Facts>>;

    /// The library opens at most once per request and only for GET, so the file can
    /// be given away: a copy would be one more descriptor.
    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        ready(self.find(&path).and_then(|opened| {
            let file = opened.file.lock().take();
            let file = file.ok_or_else(|| io::Error::other("a file was opened twice"))?;
            let mut file = tokio::fs::File::from_std(file);
            file.set_max_buf_size(CHUNK);
            let facts = opened.facts;
            Ok(Reader { file, facts, _permit: self.0.permit.clone() })
        }))
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        if self.0.folder.as_ref() == Some(&path) {
            return ready(Ok(Facts::FOLDER));
        }
        ready(self.find(&path).map(|opened| opened.facts))
    }
}

/// An open file, read on threads of [`FILES`].
pub(super) struct Reader {
    file: tokio::fs::File,
    facts: Facts,
    _permit: Arc<OpenPermit>,
}

impl File for Reader {
    type Metadata = Facts;
    type MetadataFuture<'a> = Ready<io::Result<Facts>>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        ready(Ok(self.facts))
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let _threads = FILES.enter();
        Pin::new(&mut self.file).poll_read(cx, buf)
    }
}

impl AsyncSeek for Reader {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        let _threads = FILES.enter();
        Pin::new(&mut self.file).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Pin::new(&mut self.file).poll_complete(cx)
    }
}

fn uri(names: &[String], is_folder: bool) -> String {
    let mut uri = String::new();
    for name in names {
        uri.push('/');
        uri.extend(utf8_percent_encode(name, NON_ALPHANUMERIC));
    }
    if is_folder {
        uri.push('/');
    }
    uri
}
