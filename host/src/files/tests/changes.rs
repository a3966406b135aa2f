//! What happens to a file while its request is answered.
//!
//! A request waits for each of its trips to a blocking thread. None can end while the
//! request is polled, as that thread is kept then: so whatever is done before each poll
//! is done between two trips.

use super::super::failure;
use super::*;
use crate::offload::FILES;
use rustix::io::Errno;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::mpsc::channel;

/// Asks for `/a.bin`, and does something before each poll, told its number.
async fn serve_while(site: &Site, mut before: impl FnMut(usize)) -> Result<Response<Body>, Fault> {
    let head = Request::get("/a.bin").body(()).unwrap().into_parts().0;
    let mut served = pin!(site.files.serve(&head, "/a.bin", permit()));
    let mut polls = 0;
    poll_fn(|cx| {
        before(polls);
        polls += 1;
        let (release, released) = channel::<()>();
        FILES.run(move || released.recv());
        let polled = served.as_mut().poll(cx);
        drop(release);
        polled
    })
    .await
}

/// A file that is shortened before each of so many polls.
async fn serve_shrinking(polls: usize) -> Result<Response<Body>, Fault> {
    let site = Site::new();
    let path = site.write("a.bin", vec![7; 1000]);
    let file = fs::File::options().write(true).open(path).unwrap();
    let shrink = |poll| {
        if poll < polls {
            file.set_len(1000 - poll as u64).unwrap();
        }
    };
    serve_while(&site, shrink).await
}

#[tokio::test]
async fn a_file_that_changed_is_opened_again() {
    let response = serve_shrinking(2).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(read(response.into_body()).await.unwrap(), vec![7; 999]);
}

#[tokio::test]
async fn a_file_that_changes_all_the_time_is_given_up() {
    let fault = serve_shrinking(1000).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::FileChanged);
    assert!(fault.detail.contains("`/a.bin`"), "{fault}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn only_what_was_chosen_is_open_while_it_is_read() {
    let site = Site::with(&[("a.bin", "plain"), ("a.bin.br", "brotli"), ("a.bin.gz", "gzip")]);
    let open = || {
        let links = fs::read_dir("/proc/self/fd").unwrap();
        let paths = links.filter_map(|link| fs::read_link(link.unwrap().path()).ok());
        paths.filter(|path| path.starts_with(&site.root) && *path != site.root).count()
    };
    let mut seen = Vec::new();
    serve_while(&site, |_| seen.push(open())).await.unwrap();
    assert_eq!(seen[..3], [0, 3, 1], "{seen:?}");
}

#[test]
fn a_lack_of_descriptors_is_told_from_a_failing_disk() {
    for (errno, kind) in [
        (Errno::MFILE, FaultKind::FilesOpen),
        (Errno::NFILE, FaultKind::FilesOpen),
        (Errno::IO, FaultKind::FileUnreadable),
    ] {
        assert_eq!(failure("/a.bin", &errno.into()).kind, kind);
    }
}
