//! A folder of components, served without a config: each is a handler by itself.

use crate::support::server::{Server, Site, squall};
use crate::support::{SOON, eventually, eventually_eq};
use rustix::process::Signal;
use squall_test_guests::{guest, marker, version};
use std::fs;

fn served() -> Server {
    let site = Site::empty();
    site.write("one.wasm", version("version03", 1));
    site.start()
}

fn says(server: &Server, path: &str, number: u32) -> bool {
    server.get(path).text().starts_with(&marker(number))
}

/// What the status says is wrong with the folder.
fn trouble(server: &Server) -> String {
    server.status()["config_trouble"].as_str().unwrap_or_default().to_owned()
}

fn await_trouble(server: &Server, words: &[&str]) {
    eventually(SOON, &format!("trouble with {words:?}"), || {
        let trouble = trouble(server);
        words.iter().all(|word| trouble.contains(word))
    });
}

fn lines(server: &Server, text: &str) -> usize {
    server.stderr().iter().filter(|line| line.contains(text)).count()
}

#[test]
fn all_bad_files_are_named_at_the_start() {
    let site = Site::empty();
    site.write("good.wasm", guest("hello03"));
    site.write("broken.wasm", "hello");
    site.write("a b.wasm", guest("hello03"));
    site.write("c:d.wasm", guest("hello03"));
    for command in ["check", "serve"] {
        let (status, _, stderr) = squall(&[command, "."], site.folder.path());
        assert_eq!(status.code(), Some(64), "{stderr}");
        for words in [
            "`./a b.wasm`: `a b` is not a name for a handler; use letters",
            "`./c:d.wasm`: `c:d` is not a name",
            "rename the file",
            "`./broken.wasm`: this is not WebAssembly",
        ] {
            assert!(stderr.contains(words), "{words}: {stderr}");
        }
        assert_eq!(stderr.lines().count(), 3, "{stderr}");
        assert!(!stderr.contains(":1:1"), "no place in a file that nobody wrote: {stderr}");
    }
}

#[test]
fn a_bad_file_holds_up_no_other() {
    let server = served();
    server.site.replace("bad.wasm", "hello");
    await_trouble(&server, &["handler `bad`", "bad.wasm", "this is not WebAssembly"]);
    let line = server.await_log("this is not WebAssembly");
    assert!(line.contains("the other components of the folder are served"), "{line}");
    // Others are reloaded, and added.
    server.site.replace("one.wasm", version("version03", 2));
    eventually(SOON, "the swap", || says(&server, "/one", 2));
    server.site.replace("two.wasm", version("version03", 3));
    eventually(SOON, "the new one", || says(&server, "/two", 3));
    assert_eq!(server.get("/bad").status, 404);
    assert!(trouble(&server).contains("bad.wasm"), "{}", trouble(&server));
    assert!(!trouble(&server).contains("two"), "{}", trouble(&server));
    assert_eq!(server.generation("two"), 1);
    assert_eq!(lines(&server, "this is not WebAssembly"), 1);
    // One of a bad name beside it.
    server.site.replace("a b.wasm", version("version03", 4));
    server.site.replace("three.wasm", version("version03", 5));
    await_trouble(&server, &["bad.wasm", "a b.wasm", "rename the file"]);
    eventually(SOON, "the third", || says(&server, "/three", 5));
    // What was bad and is good is served, what is gone is forgotten.
    server.site.replace("bad.wasm", version("version03", 6));
    eventually(SOON, "the mended one", || says(&server, "/bad", 6));
    assert!(trouble(&server).contains("a b.wasm") && !trouble(&server).contains("bad.wasm"));
    fs::remove_file(server.site.file("a b.wasm")).unwrap();
    eventually_eq(SOON, "no trouble", &String::new(), || trouble(&server));
    assert_eq!(server.status()["healthy"], true);
    for path in ["/one", "/two", "/three", "/bad"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}

#[test]
fn a_bad_file_that_comes_with_a_good_one_is_told_once() {
    let server = served();
    for folder in ["bad", "good"] {
        fs::create_dir(server.site.file(folder)).unwrap();
    }
    fs::write(server.site.file("bad/bad.wasm"), "hello").unwrap();
    fs::write(server.site.file("good/good.wasm"), version("version03", 2)).unwrap();
    for name in ["bad", "good"] {
        let file = format!("{name}.wasm");
        fs::rename(server.site.file(name).join(&file), server.site.file(&file)).unwrap();
    }
    eventually(SOON, "the good one", || says(&server, "/good", 2));
    await_trouble(&server, &["bad.wasm"]);
    assert_eq!(lines(&server, "this is not WebAssembly"), 1);
    assert_eq!(server.metric("squall_config_reloads_total{result=\"rejected\"}"), 1.0);
    assert_eq!(server.metric("squall_config_reloads_total{result=\"ok\"}"), 1.0);
    // Whoever asks is told again, and nothing else happens.
    server.signal(Signal::HUP);
    eventually(SOON, "the answer", || lines(&server, "this is not WebAssembly") == 2);
    assert_eq!(server.metric("squall_config_reloads_total{result=\"ok\"}"), 1.0);
    assert_eq!(server.generation("good"), 1);
}

#[test]
fn a_file_that_stays_cut_holds_up_no_other() {
    let server = served();
    let whole = version("version03", 2);
    server.site.write("cut.wasm", &whole[..whole.len() / 2]);
    server.site.replace("two.wasm", version("version03", 3));
    eventually(SOON, "the other", || says(&server, "/two", 3));
    await_trouble(&server, &["cut.wasm", "ends in the middle"]);
    server.site.write("cut.wasm", &whole);
    eventually(SOON, "the whole one", || says(&server, "/cut", 2));
    eventually_eq(SOON, "no trouble", &String::new(), || trouble(&server));
}
