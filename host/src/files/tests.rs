//! A folder on disk, a folder beside it that must never show, and requests.

mod bodies;
mod changes;
mod conditions;
mod jail;
mod paths;
mod plain;
mod ranges;
mod variants;

use crate::limits::{LiveLimits, ServerLimits};
use futures_util::FutureExt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tempfile::TempDir;

use super::{Files, OpenFiles, OpenPermit};
use crate::body::{Body, BodyError};
use crate::fault::{Fault, FaultKind};

/// The content of every file outside the root.
const SECRET: &str = "marker-of-a-file-outside-the-root";

struct Site {
    _folder: TempDir,
    root: PathBuf,
    outside: PathBuf,
    files: Files,
}

impl Site {
    fn new() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let outside = folder.path().join("outside");
        fs::create_dir(&root).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret.txt"), SECRET).unwrap();
        fs::write(outside.join("index.html"), SECRET).unwrap();
        let files = Files::open(&root).unwrap();
        Site { _folder: folder, root, outside, files }
    }

    fn with(entries: &[(&str, &str)]) -> Site {
        let site = Site::new();
        for (path, content) in entries {
            site.write(path, content);
        }
        site
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[]).await
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, path, headers).await
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        ask(&self.files, method, path, path, headers).await
    }

    /// The response with its body unread.
    async fn response(&self, path: &str) -> Response<Body> {
        let head = Request::get(path).body(()).unwrap().into_parts().0;
        self.files.serve(&head, path, permit()).await.unwrap()
    }
}

/// An answer whose body has been read to its end.
#[derive(Debug, PartialEq)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    #[track_caller]
    fn is(&self, status: u16, body: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.body, body.as_bytes(), "{self:?}");
    }
}

/// Asks for `path` below a mount, as a client that used the address `uri`, and
/// checks what must hold for every answer.
async fn ask(
    files: &Files,
    method: Method,
    uri: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut request = Request::builder().method(&method);
    // A hostile path may be no URI, and then could not have come.
    request = request.uri(uri.parse().unwrap_or(http::Uri::from_static("/x")));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let head = request.body(()).unwrap().into_parts().0;
    let served = files.serve(&head, path, permit());
    let response = tokio::time::timeout(Duration::from_secs(10), served)
        .await
        .expect("nothing may block")
        .unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("the body is whole").to_bytes();
    let answer = Answer { status: head.status, headers: head.headers, body };
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("cache-control"), "no-cache");
    let text = String::from_utf8_lossy(&answer.body);
    assert!(!text.contains(SECRET), "{path} led outside");
    let full = matches!(answer.status.as_u16(), 200 | 206);
    if full {
        assert_eq!(answer.header("accept-ranges"), "bytes");
        assert!(answer.header("etag").starts_with('"'), "{answer:?}");
        assert_ne!(answer.header("last-modified"), "");
    }
    if full && method == Method::GET {
        let length = answer.body.len().to_string();
        assert_eq!(answer.header("content-length"), length);
    } else {
        assert_eq!(answer.body, "", "{answer:?}");
    }
    answer
}

fn permit() -> OpenPermit {
    let limits = ServerLimits { files_open: 1, ..ServerLimits::default() };
    let limits = LiveLimits::new(&limits, 1_000).unwrap();
    OpenFiles::new(&limits, Arc::default()).admit().now_or_never().unwrap().unwrap()
}

/// Reads `body` to its end or its fault.
async fn read(body: Body) -> Result<Bytes, FaultKind> {
    let all = body.collect().await.map_err(|error| match error {
        BodyError::Failed(cause) => cause.0.downcast_ref::<Fault>().unwrap().kind,
        other => panic!("{other}"),
    });
    Ok(all?.to_bytes())
}

fn set_modified(path: &Path, time: std::time::SystemTime) {
    let file = fs::File::options().append(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}
