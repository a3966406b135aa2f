//! Reloads and what lies around them: work that takes long, files that come later,
//! secrets and folders that are replaced, edits that come at a bad moment.

use crate::support::client;
use crate::support::fault_guests::FAULTS;
use crate::support::server::{Server, Site, squall};
use crate::support::{SOON, eventually};
use squall_test_guests::{guest, marker, version};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

/// No help from the safety net: what is noticed was told by an event.
const NO_POLL: &str = "[server.limits]\npoll = \"1h\"\n";

/// And the reverse: as if each event were lost.
const QUICK_POLL: &str = "[server.limits]\npoll = \"100ms\"\n";

fn handler(name: &str, mount: &str, rest: &str) -> String {
    format!(
        "[[routes]]\nmount = \"{mount}\"\nhandler = \"{name}\"\n[handlers.{name}]\n\
         component = \"{name}.wasm\"\n{rest}\n"
    )
}

fn says(server: &Server, path: &str, wanted: u32) -> bool {
    server.get(path).text().starts_with(&marker(wanted))
}

fn lines_with(server: &Server, text: &str) -> usize {
    server.stderr().iter().filter(|line| line.contains(text)).count()
}

fn let_settle() {
    std::thread::sleep(Duration::from_millis(500));
}

#[test]
fn a_config_that_loads_slowly_does_not_hold_up_a_component() {
    let app = handler("app", "/", "");
    let site = Site::toml(&format!("{NO_POLL}{app}"));
    site.write("app.wasm", version("version03", 1));
    site.write("slow.wasm", version("version03", 1));
    let server = site.start();
    let slow = handler("slow", "/slow-one", "health = \"/slow/4000\"");
    server.site.replace("squall.toml", format!("{NO_POLL}{app}{slow}"));
    let_settle();
    server.site.replace("app.wasm", version("version03", 2));
    eventually(SOON, "the swap", || says(&server, "/", 2));
    assert_eq!(server.status()["handlers"].as_array().unwrap().len(), 1, "the config still loads");
    eventually(SOON, "the config", || server.status()["handlers"].as_array().unwrap().len() == 2);
    assert!(says(&server, "/", 2), "the newer generation stays");
}

#[test]
fn a_component_that_loads_slowly_does_not_hold_up_the_config() {
    let app = handler("app", "/", "");
    let slow = handler("slow", "/slow-one", "health = \"/slow/4000\"");
    let site = Site::toml(&format!("{NO_POLL}{app}"));
    site.write("app.wasm", version("version03", 1));
    site.write("slow.wasm", version("version03", 1));
    let server = site.start();
    server.site.replace("squall.toml", format!("{NO_POLL}{app}{slow}"));
    eventually(SOON, "the config", || server.status()["handlers"].as_array().unwrap().len() == 2);
    server.site.replace("slow.wasm", version("version03", 2));
    let_settle();
    let fixed = "[[routes]]\npath = \"/fixed\"\nstatus = 204\n";
    server.site.replace("squall.toml", format!("{NO_POLL}{app}{slow}{fixed}"));
    eventually(SOON, "the new route", || server.get("/fixed").status == 204);
    assert_eq!(server.generation("slow"), 1, "the component still loads");
    eventually(SOON, "the swap", || server.generation("slow") == 2);
    assert_eq!(server.get("/fixed").status, 204);
}

#[test]
fn what_a_refused_config_lacks_is_used_as_soon_as_it_is_there() {
    for limits in [NO_POLL, QUICK_POLL] {
        let app = handler("app", "/", "");
        let site = Site::toml(&format!("{limits}{app}"));
        site.write("app.wasm", version("version03", 1));
        let server = site.start();
        let two = handler("two", "/two", "secrets = { KEY = { file = \"secrets/key\" } }");
        fs::create_dir_all(server.site.file("secrets")).unwrap();
        server.site.replace("squall.toml", format!("{limits}{app}{two}"));
        let line = server.await_log("there is no such file");
        assert!(line.contains("the old one stays"), "{line}");
        let_settle();
        assert_eq!(lines_with(&server, "there is no such file"), 1, "said once");
        server.site.write("two.wasm", version("version03", 2));
        server.await_log("secret `KEY`");
        server.site.write("secrets/key", "key");
        eventually(SOON, "the new handler", || says(&server, "/two/", 2));
        assert_eq!(server.status()["healthy"], true);
    }
}

#[test]
fn a_component_refused_for_its_surroundings_is_tried_again() {
    let site = Site::handler(
        &version("version03", 1),
        "health = \"/demand?/data/ready\"\nfolders = [{ host = \"data\", guest = \"/data\" }]\n",
    );
    let config = fs::read_to_string(site.file("squall.toml")).unwrap();
    site.write("squall.toml", format!("{QUICK_POLL}{config}"));
    site.write("data/other", "");
    let server = site.start();
    server.site.replace("app.wasm", guest("faults03"));
    server.await_log("health request");
    let_settle();
    assert_eq!(lines_with(&server, "health request"), 1, "said once");
    assert_eq!(server.status()["healthy"], false);
    server.site.write("data/ready", "ready");
    eventually(SOON, "the swap", || server.get("/spin-ms?1").text() == "spun");
    assert_eq!(server.status()["healthy"], true);
}

#[test]
fn an_edit_while_the_server_starts_is_not_lost() {
    let app = handler("app", "/", "health = \"/slow/2500\"");
    let site = Site::toml(&format!("{NO_POLL}{app}"));
    site.write("app.wasm", version("version03", 1));
    let mut command = site.command();
    command.args(["--admin", "127.0.0.1:0", "--log", "json", "--access-log", "off"]);
    let file = site.file("squall.toml");
    let edit = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1000));
        let fixed = "[[routes]]\npath = \"/fixed\"\nstatus = 204\n";
        fs::write(file, format!("{NO_POLL}{app}{fixed}")).unwrap();
    });
    let server = Server::spawn(site, command);
    edit.join().unwrap();
    eventually(SOON, "the edit", || server.get("/fixed").status == 204);
}

#[test]
fn a_refused_config_leaves_no_trace_in_a_handlers_history() {
    let app = handler("app", "/", "");
    let site = Site::toml(&format!("{NO_POLL}{app}"));
    site.write("app.wasm", version("version03", 1));
    let server = site.start();
    let history = || server.status()["handlers"][0]["reloads"].as_array().unwrap().len();
    assert_eq!(history(), 1);
    let changed = handler("app", "/", "config = { a = \"b\" }");
    let missing = handler("two", "/two", "");
    server.site.replace("squall.toml", format!("{NO_POLL}{changed}{missing}"));
    server.await_log("there is no such file");
    assert_eq!(history(), 1, "it was never swapped in");
    let status = server.status();
    let refused = &status["config_reloads"][0];
    assert_eq!(refused["result"], "rejected", "{status}");
    assert!(refused["reason"].as_str().unwrap().contains("there is no such file"), "{status}");
    server.site.replace("squall.toml", format!("{NO_POLL}{changed}"));
    eventually(SOON, "the good one", || history() == 2);
    eventually(SOON, "its record", || server.status()["config_reloads"][0]["result"] == "ok");
}

#[test]
fn all_that_is_wrong_with_a_config_is_said_at_once() {
    let app = handler("app", "/", "");
    let site = Site::toml(&app);
    site.write("app.wasm", version("version03", 1));
    let server = site.start();
    let (two, three) = (handler("two", "/two", ""), handler("three", "/three", ""));
    let folder = "[[routes]]\nmount = \"/files\"\nfolder = \"nowhere\"\n";
    server.site.replace("squall.toml", format!("{app}{two}{three}{folder}"));
    let line = server.await_log("the old one stays");
    for word in ["two.wasm", "three.wasm", "nowhere"] {
        assert!(line.contains(word), "{line}");
    }
}

#[test]
fn a_rotated_secret_reaches_new_instances() {
    for limits in [NO_POLL, QUICK_POLL] {
        let app = handler("app", "/", "secrets = { KEY = { file = \"keys/key\" } }");
        let site = Site::toml(&format!("{limits}{app}"));
        site.write("app.wasm", guest("faults03"));
        site.write("keys/key", "first\n");
        let server = site.start();
        let key = |value: &str| server.get("/reach").text().contains(value);
        assert!(key("(\"KEY\", \"first\")"));
        fs::write(server.site.file("keys/next"), "second\n").unwrap();
        fs::rename(server.site.file("keys/next"), server.site.file("keys/key")).unwrap();
        eventually(SOON, "the new value", || key("(\"KEY\", \"second\")"));
        assert_eq!(server.generation("app"), 2);
        // One that is gone for a moment ends nothing.
        fs::remove_file(server.site.file("keys/key")).unwrap();
        server.await_log("secret `KEY`");
        assert!(key("(\"KEY\", \"second\")"));
        assert_eq!(server.status()["healthy"], false);
        server.site.write("keys/key", "second\n");
        eventually(SOON, "being well again", || server.status()["healthy"] == true);
        assert_eq!(server.generation("app"), 2);
    }
}

#[test]
fn a_static_folder_that_is_replaced_is_served() {
    for limits in [NO_POLL, QUICK_POLL] {
        let site = Site::toml(&format!("{limits}[[routes]]\nmount = \"/\"\nfolder = \"public\"\n"));
        site.write("public/page.txt", "one");
        site.write("next/page.txt", "two");
        let server = site.start();
        assert_eq!(server.get("/page.txt").text(), "one");
        fs::rename(server.site.file("public"), server.site.file("old")).unwrap();
        let_settle();
        assert_eq!(server.get("/page.txt").text(), "one", "the old one, while there is none");
        fs::rename(server.site.file("next"), server.site.file("public")).unwrap();
        eventually(SOON, "the new folder", || server.get("/page.txt").text() == "two");
    }
}

#[test]
fn a_granted_folder_that_is_gone_for_a_moment_is_the_one_that_was_opened() {
    for world in FAULTS {
        let site = Site::handler(
            &guest(world),
            "isolation = \"request\"\nfolders = [{ host = \"data\", guest = \"/data\" }]",
        );
        site.write("data/note.txt", "a note");
        let server = site.start();
        let read = || server.get("/read?/data/note.txt");
        assert_eq!(read().text(), "a note", "{world}");
        fs::rename(server.site.file("data"), server.site.file("away")).unwrap();
        assert_eq!(read().text(), "a note", "{world}: the old one, while there is none");
        let line = server.await_log("cannot open folder");
        assert!(line.contains("data"), "{line}");
        assert_eq!(read().text(), "a note", "{world}: still");
        fs::rename(server.site.file("away"), server.site.file("data")).unwrap();
        assert_eq!(read().text(), "a note", "{world}: it is there again");
    }
}

#[test]
fn a_slow_copy_into_a_served_folder_is_no_error() {
    let site = Site::empty();
    site.write("one.wasm", version("version03", 1));
    let server = site.start();
    let bytes = version("version03", 2);
    let mut file = fs::File::create(server.site.file("two.wasm")).unwrap();
    for piece in bytes.chunks(10 << 10) {
        file.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(60));
    }
    drop(file);
    eventually(SOON, "serving it", || says(&server, "/two/", 2));
    assert_eq!(server.metric("squall_config_reloads_total{result=\"rejected\"}"), 0.0);
    // One that stays cut is said once.
    server.site.write("three.wasm", &bytes[..bytes.len() / 2]);
    server.await_log("three.wasm");
    let_settle();
    assert_eq!(server.metric("squall_config_reloads_total{result=\"rejected\"}"), 1.0);
}

#[test]
fn two_spellings_of_a_folder_are_watched_apart() {
    let app = handler("app", "/", "");
    let spelt = "[[routes]]\nmount = \"/two\"\nhandler = \"two\"\n[handlers.two]\n\
                 component = \"folder/../app.wasm\"\n";
    let site = Site::toml(&format!("{NO_POLL}{app}{spelt}"));
    site.write("app.wasm", version("version03", 1));
    fs::create_dir_all(site.file("folder")).unwrap();
    let server = site.start();
    server.site.replace("app.wasm", version("version03", 2));
    eventually(SOON, "both", || says(&server, "/", 2) && says(&server, "/two/", 2));
    server.site.replace("squall.toml", format!("{NO_POLL}{app}"));
    eventually(SOON, "one of them", || server.status()["handlers"].as_array().unwrap().len() == 1);
    let_settle();
    server.site.replace("app.wasm", version("version03", 3));
    eventually(SOON, "the swap", || says(&server, "/", 3));
}

#[test]
fn a_fifo_is_waited_for_nowhere() {
    let fifo = |site: &Site, name: &str| {
        assert!(Command::new("mkfifo").arg(site.file(name)).status().unwrap().success());
    };
    let site = Site::handler(&version("version03", 1), "secrets = { KEY = { file = \"key\" } }");
    fifo(&site, "key");
    let (status, stderr) = site.run();
    assert_eq!(status.code(), Some(64), "{stderr}");
    assert!(stderr.contains("secret `KEY`") && stderr.contains("not a regular file"), "{stderr}");
    let site = Site::handler(&version("version03", 1), "");
    fs::remove_file(site.file("app.wasm")).unwrap();
    fifo(&site, "app.wasm");
    let (status, _, stderr) = squall(&["check", "."], site.folder.path());
    assert_eq!(status.code(), Some(64), "{stderr}");
    assert!(stderr.contains("not a regular file"), "{stderr}");
    let site = Site::empty();
    fifo(&site, "squall.toml");
    let (status, stderr) = site.run();
    assert_eq!(status.code(), Some(64), "{stderr}");
}

#[test]
fn a_secret_has_a_size() {
    let site = Site::handler(&version("version03", 1), "secrets = { KEY = { file = \"key\" } }");
    site.write("key", vec![b'x'; 100 << 10]);
    let (status, stderr) = site.run();
    assert_eq!(status.code(), Some(64), "{stderr}");
    assert!(stderr.contains("secret `KEY`"), "{stderr}");
}

#[test]
fn a_handler_that_comes_back_goes_on_counting() {
    let (app, other) = (handler("app", "/", ""), handler("other", "/other", ""));
    let site = Site::toml(&format!("{NO_POLL}{app}{other}"));
    site.write("app.wasm", version("version03", 1));
    site.write("other.wasm", version("version03", 1));
    let server = site.start();
    let address = server.address;
    let slow = std::thread::spawn(move || client::get(address, "/slow/8000"));
    server.await_in_flight(1);
    let handlers = || server.status()["handlers"].as_array().unwrap().len();
    server.site.replace("squall.toml", format!("{NO_POLL}{other}"));
    eventually(SOON, "its end", || handlers() == 1);
    let in_flight = || server.metric("squall_in_flight{handler=\"app\"}");
    assert_eq!(in_flight(), 1.0, "its last request still runs");
    server.site.replace("squall.toml", format!("{NO_POLL}{app}{other}"));
    eventually(SOON, "its return", || handlers() == 2);
    assert_eq!(server.generation("app"), 2, "no number is used twice");
    assert_eq!(in_flight(), 1.0, "its last request still runs");
    assert!(slow.join().unwrap().complete);
    server.await_in_flight(0);
}

#[test]
fn a_granted_folder_that_is_replaced_is_a_new_generation() {
    for limits in [NO_POLL, QUICK_POLL] {
        let app = handler("app", "/", "folders = [{ host = \"data\", guest = \"/data\" }]");
        let site = Site::toml(&format!("{limits}{app}"));
        site.write("app.wasm", guest("faults03"));
        site.write("data/note", "one");
        site.write("next/note", "two");
        let server = site.start();
        let note = || server.get("/read?/data/note").text();
        assert_eq!(note(), "one");
        fs::rename(server.site.file("data"), server.site.file("old")).unwrap();
        server.await_log("cannot open folder");
        let ready = || client::get(server.admin, "/readyz").text();
        eventually(SOON, "saying so", || ready().starts_with("degraded"));
        fs::rename(server.site.file("next"), server.site.file("data")).unwrap();
        eventually(SOON, "the new folder", || note() == "two");
        assert_eq!(server.generation("app"), 2);
        eventually(SOON, "being well again", || ready() == "ready\n");
        // What is put into it is no change of it.
        server.site.write("data/more", "");
        let_settle();
        assert_eq!(server.generation("app"), 2);
    }
}

#[test]
fn a_granted_folder_does_not_become_the_configs() {
    let folder = "folders = [{ host = \"link\", guest = \"/x\", access = \"read-write\" }]";
    let app = handler("app", "/", folder);
    let site = Site::toml(&format!("{NO_POLL}{app}"));
    site.write("app.wasm", guest("hello03"));
    site.write("data/file", "");
    symlink("data", site.file("link")).unwrap();
    let server = site.start();
    symlink(".", server.site.file("tmp")).unwrap();
    fs::rename(server.site.file("tmp"), server.site.file("link")).unwrap();
    server.await_log("could grant itself anything");
    assert_eq!(server.generation("app"), 1);
    assert_eq!(server.status()["healthy"], false);
}
