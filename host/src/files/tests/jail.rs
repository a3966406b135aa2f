//! Faults G37 and G38: links that lead outside, and what is no regular file.

use super::*;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::fs::{CWD, RenameFlags, renameat_with};

#[tokio::test]
async fn links_that_lead_outside_are_not_found() {
    let site = Site::with(&[("a/b.txt", "inside")]);
    let root = &site.root;
    let link = |target: &Path, name: &str| symlink(target, root.join(name)).unwrap();
    link(Path::new("/etc/passwd"), "passwd");
    link(Path::new("/dev/zero"), "zero");
    link(Path::new("/proc/self/environ"), "environ");
    link(Path::new("/proc/self/root"), "magic");
    link(Path::new("/"), "everything");
    link(&site.outside, "sibling");
    link(&site.outside.join("secret.txt"), "secret.txt");
    link(Path::new("../outside"), "relative");
    link(Path::new("../outside/secret.txt"), "relative.txt");
    link(Path::new("a/../../outside"), "winding");
    link(Path::new(".."), "up");
    // Out and back in: the end is inside, but the way is not.
    link(Path::new("../root/a"), "detour");
    link(&root.join("a/b.txt"), "absolute-inside");
    // Chains.
    link(Path::new("chain2"), "chain1");
    link(Path::new("chain3"), "chain2");
    link(&site.outside, "chain3");
    link(Path::new("../sibling"), "a/deep");
    // Loops, and what is not there.
    link(Path::new("loop2"), "loop1");
    link(Path::new("loop1"), "loop2");
    link(Path::new("self"), "self");
    link(Path::new("nowhere"), "dangling");
    fs::create_dir(root.join("folder")).unwrap();
    link(&site.outside.join("index.html"), "folder/index.html");

    let names = [
        "passwd",
        "zero",
        "environ",
        "magic",
        "magic/etc/passwd",
        "everything",
        "everything/etc/passwd",
        "sibling",
        "sibling/",
        "sibling/secret.txt",
        "secret.txt",
        "relative",
        "relative/",
        "relative/secret.txt",
        "relative.txt",
        "winding/secret.txt",
        "up/outside/secret.txt",
        "up/root/a/b.txt",
        "detour/b.txt",
        "absolute-inside",
        "chain1/secret.txt",
        "chain2/",
        "chain3/secret.txt",
        "a/deep/secret.txt",
        "loop1",
        "loop2/x",
        "self",
        "self/self/self",
        "dangling",
        "folder/",
        "folder",
        "folder/index.html",
    ];
    for name in names {
        site.get(&format!("/{name}")).await.is(404, "");
    }
}

#[tokio::test]
async fn links_that_stay_inside_work() {
    let site = Site::with(&[
        ("a/b.txt", "inside"),
        ("a/index.html", "index"),
        ("..data/config.txt", "as Kubernetes does it"),
    ]);
    let link = |target: &str, name: &str| symlink(target, site.root.join(name)).unwrap();
    link("a/b.txt", "file.txt");
    link("a", "folder");
    link("folder", "chain");
    link("../a/b.txt", "a/up.txt");
    link("..data/config.txt", "config.txt");
    site.get("/file.txt").await.is(200, "inside");
    site.get("/folder/b.txt").await.is(200, "inside");
    site.get("/folder/").await.is(200, "index");
    site.get("/chain/b.txt").await.is(200, "inside");
    site.get("/a/up.txt").await.is(200, "inside");
    site.get("/config.txt").await.is(200, "as Kubernetes does it");
}

/// A folder becomes a link to the outside and back while it is being opened.
#[tokio::test]
async fn a_folder_swapped_for_a_link_never_leads_outside() {
    let site = Site::with(&[("swapped/secret.txt", "inside"), ("swapped/index.html", "inside")]);
    let link = site.root.join("link");
    symlink(&site.outside, &link).unwrap();
    let _swapper = Swapper::start(site.root.join("swapped"), link);
    let (mut inside, mut nothing) = (0, 0);
    let start = Instant::now();
    // Two seconds, or until both sides of the swap have been seen.
    let enough = Duration::from_secs(2);
    let limit = Duration::from_secs(60);
    while start.elapsed() < enough || (inside == 0 || nothing == 0) && start.elapsed() < limit {
        for path in ["/swapped/secret.txt", "/swapped/"] {
            // That the marker does not show is checked in there.
            let answer = site.get(path).await;
            match answer.status.as_u16() {
                200 if answer.body == "inside" => inside += 1,
                404 => nothing += 1,
                _ => panic!("{answer:?}"),
            }
        }
    }
    assert!(inside > 0 && nothing > 0, "{inside} {nothing}");
}

/// A thread that exchanges two names as fast as it can until it is dropped.
struct Swapper {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Swapper {
    fn start(one: PathBuf, other: PathBuf) -> Swapper {
        let done = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let done = Arc::clone(&done);
            move || {
                while !done.load(Ordering::Relaxed) {
                    renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
                }
            }
        });
        let thread = Some(thread);
        Swapper { done, thread }
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

#[tokio::test]
async fn what_is_no_regular_file_is_not_found_at_once() {
    let site = Site::with(&[("a.txt", "hello")]);
    let fifo = site.root.join("fifo.txt");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    symlink("fifo.txt", site.root.join("link.txt")).unwrap();
    let _socket = UnixListener::bind(site.root.join("socket.txt")).unwrap();
    fs::create_dir(site.root.join("folder.txt")).unwrap();
    let index = site.root.join("piped/index.html");
    fs::create_dir(index.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(&index).status().unwrap().success());
    // A variant that would block is passed over, too.
    let variant = site.root.join("a.txt.gz");
    assert!(Command::new("mkfifo").arg(&variant).status().unwrap().success());

    for name in ["fifo.txt", "link.txt", "socket.txt", "folder.txt", "piped/"] {
        for method in [Method::GET, Method::HEAD] {
            let answer = site.ask(method, &format!("/{name}"), &[]).await;
            answer.is(404, "");
        }
    }
    let gzip = [("accept-encoding", "gzip")];
    site.get_with("/a.txt", &gzip).await.is(200, "hello");
}

/// To open a pipe, even for a moment, would wake whoever waits to write to it.
#[tokio::test]
async fn a_pipe_is_not_even_opened() {
    let site = Site::new();
    let fifo = site.root.join("fifo.txt");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let writer = std::thread::spawn({
        let fifo = fifo.clone();
        move || fs::File::options().write(true).open(fifo)
    });
    for _ in 0..100 {
        site.get("/fifo.txt").await.is(404, "");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(!writer.is_finished());
    fs::File::open(&fifo).unwrap();
    writer.join().unwrap().unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn devices_and_the_kernels_files_are_not_found() {
    // Served as the root itself or below it, as a mount would be.
    let cases = [
        ("/dev", ["/zero", "/null", "/tty", "/random"]),
        ("/proc", ["/version", "/self/environ", "/1/cmdline", "/self/root/etc/passwd"]),
        ("/", ["/dev/zero", "/proc/version", "/proc/self/maps", "/sys/kernel/mm/ksm/run"]),
        ("/sys", ["/kernel/mm/ksm/run", "/kernel/uevent_seqnum", "/class", "/kernel/profiling"]),
    ];
    for (root, paths) in cases {
        let files = Files::open(Path::new(root)).unwrap();
        for path in paths {
            let answer = ask(&files, Method::GET, path, path, &[]).await;
            answer.is(404, "");
        }
    }
    // That the root is not what refuses.
    let files = Files::open(Path::new("/")).unwrap();
    let answer = ask(&files, Method::GET, "/etc/passwd", "/etc/passwd", &[]).await;
    assert_eq!(answer.status, 200);
}
