//! A granted folder with a file that never answers: whoever asks for it waits, and
//! nobody else does.

use crate::support::client::Wire;
use crate::support::server::{Server, Site};
use crate::support::{SOON, eventually};
use rustix::process::Signal;
use squall_test_guests::{guest, marker, version};
use std::process::Command;

/// More than tokio has blocking threads, all of which the file calls of guests can take.
const REQUESTS: usize = 600;
const THREADS: usize = 512;

const CONFIG: &str = "[[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
     [[routes]]\nmount = \"/version\"\nhandler = \"version\"\n\
     [[routes]]\nmount = \"/static\"\nfolder = \"public\"\n\
     [handlers.version]\ncomponent = \"version.wasm\"\n\
     [handlers.app]\ncomponent = \"app.wasm\"\n\
     folders = [{ host = \"data\", guest = \"/data\" }]\n\
     [handlers.app.limits]\nhead_deadline = \"1h\"\n";

/// A server with as many file calls under way as can be, none of which will end, and
/// those who asked for them.
fn serve() -> (Server, Vec<Wire>) {
    let site = Site::toml(CONFIG);
    site.write("app.wasm", guest("faults02"));
    site.write("version.wasm", version("version02", 1));
    site.write("data/file", "");
    site.write("public/small.txt", "small");
    let fifo = site.file("data/fifo");
    assert!(Command::new("mkfifo").arg(fifo).status().unwrap().success());
    let server = site.start();
    let asking = (0..REQUESTS)
        .map(|_| {
            let mut wire = Wire::open(server.address);
            wire.request("GET /read?/data/fifo HTTP/1.1\nHost: test\n\n");
            wire
        })
        .collect();
    eventually(SOON, "as many calls as can be", || server.threads() >= THREADS);
    (server, asking)
}

#[test]
fn a_handler_whose_files_hang_holds_up_only_file_calls() {
    let (server, _asking) = serve();
    assert_eq!(server.get("/static/small.txt").text(), "small");
    let says = |path: &str, wanted: u32| server.get(path).text().starts_with(&marker(wanted));
    server.site.replace("version.wasm", version("version02", 2));
    eventually(SOON, "a reload of a component", || says("/version", 2));
    let more = "[[routes]]\nmount = \"/more\"\nhandler = \"version\"\n";
    server.site.replace("squall.toml", format!("{more}{CONFIG}"));
    eventually(SOON, "a reload of the config", || says("/more", 2));
    assert_eq!(server.get("/static/small.txt").text(), "small");
}

#[test]
fn a_file_that_hangs_does_not_hold_up_the_end() {
    let (mut server, asking) = serve();
    drop(asking);
    server.signal(Signal::TERM);
    server.await_log("draining");
    server.signal(Signal::TERM);
    server.wait();
}
