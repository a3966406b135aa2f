//! Rows O: what an operator can do to the files of a live server. While each row
//! happens, requests go on and none of them fails.

use crate::support::client::{self};
use crate::support::server::Site;
use crate::support::versions::{Load, await_version, let_settle, reloads, serve, trouble};
use crate::support::wat::wat02;
use crate::support::{SOON, eventually};
use squall_test_guests::{guest, version};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

#[test]
fn o2_o3_every_way_of_saving_is_one_reload() {
    type Way = (&'static str, fn(&Site, &[u8]));
    let ways: [Way; 6] = [
        ("truncate and write", |site, bytes| fs::write(site.file("app.wasm"), bytes).unwrap()),
        ("beside it, then over it", |site, bytes| site.replace("app.wasm", bytes)),
        ("away, then anew", |site, bytes| {
            fs::rename(site.file("app.wasm"), site.file("app.wasm~")).unwrap();
            fs::write(site.file("app.wasm"), bytes).unwrap();
        }),
        ("removed, then anew", |site, bytes| {
            fs::remove_file(site.file("app.wasm")).unwrap();
            fs::write(site.file("app.wasm"), bytes).unwrap();
        }),
        ("a hard link from elsewhere", |site, bytes| {
            fs::create_dir_all(site.file("deps")).unwrap();
            let elsewhere = site.file("deps/app-123.wasm");
            let _ = fs::remove_file(&elsewhere);
            fs::write(&elsewhere, bytes).unwrap();
            fs::remove_file(site.file("app.wasm")).unwrap();
            fs::hard_link(elsewhere, site.file("app.wasm")).unwrap();
        }),
        ("in two pieces", |site, bytes| {
            let mut file = fs::File::create(site.file("app.wasm")).unwrap();
            let (first, second) = bytes.split_at(bytes.len() / 2);
            file.write_all(first).unwrap();
            std::thread::sleep(Duration::from_millis(20));
            file.write_all(second).unwrap();
        }),
    ];
    let server = serve();
    let load = Load::on(&server);
    let mut saved = 1;
    for _ in 0..4 {
        for (name, save) in &ways {
            saved += 1;
            save(&server.site, &version("version03", saved));
            println!("{name}: version {saved}");
            await_version(&server, saved);
        }
    }
    load.end();
    assert_eq!(reloads(&server, "ok"), f64::from(saved - 1), "one reload for each save");
    assert_eq!(server.generation("app"), u64::from(saved));
    assert_eq!(server.metric("squall_generation{handler=\"app\"}"), f64::from(saved));
}

#[test]
fn o4_what_changes_nothing_reloads_nothing() {
    let server = serve();
    assert_eq!(server.metric("squall_generation{handler=\"app\"}"), 1.0);
    let load = Load::on(&server);
    let path = server.site.file("app.wasm");
    for name in ["app.wasm~", ".app.wasm.swp", "4913", ".#app.wasm", "other.wasm"] {
        fs::write(server.site.file(name), "noise").unwrap();
    }
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes).unwrap();
    let_settle();
    server.site.replace("app.wasm", &bytes);
    let_settle();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::File::open(&path).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    let_settle();
    load.end();
    assert_eq!(server.generation("app"), 1);
    assert!(reloads(&server, "unchanged") >= 1.0);
    assert_eq!(trouble(&server), None);
}

#[test]
fn o5_swapped_links_are_followed() {
    let site = Site::empty();
    for v in 1..=3 {
        site.write(&format!("v{v}/app.wasm"), version("version03", v));
    }
    symlink("v1", site.file("..data")).unwrap();
    symlink("..data/app.wasm", site.file("app.wasm")).unwrap();
    let server = site.path("app.wasm").start();
    let load = Load::on(&server);
    for v in [2, 3, 1, 3, 2, 1] {
        symlink(format!("v{v}"), server.site.file("..tmp")).unwrap();
        fs::rename(server.site.file("..tmp"), server.site.file("..data")).unwrap();
        await_version(&server, v);
    }
    load.end();
}

#[test]
fn o6_a_deleted_file_keeps_serving_and_comes_back() {
    let server = serve();
    let load = Load::on(&server);
    let ready = || client::get(server.admin, "/readyz").text();
    assert_eq!(ready(), "ready\n");
    fs::remove_file(server.site.file("app.wasm")).unwrap();
    eventually(SOON, "noticing", || reloads(&server, "missing") == 1.0);
    assert!(ready().starts_with("degraded"), "{}", ready());
    server.await_log("generation 1 keeps serving");
    server.site.write("app.wasm", version("version03", 1));
    eventually(SOON, "being well again", || ready() == "ready\n");
    server.site.write("app.wasm", version("version03", 2));
    await_version(&server, 2);
    load.end();
}

#[test]
fn o6_a_folder_that_is_made_anew_is_watched_again() {
    let site = Site::toml(
        "[server.limits]\npoll = \"300ms\"\n[[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"build/app.wasm\"\n",
    );
    site.write("build/app.wasm", version("version03", 1));
    let server = site.start();
    let load = Load::on(&server);
    for v in 2..5 {
        fs::remove_dir_all(server.site.file("build")).unwrap();
        let_settle();
        server.site.write("build/app.wasm", version("version03", v));
        await_version(&server, v);
    }
    load.end();
}

#[test]
fn o7_files_that_cannot_be_read_are_refused_without_waiting() {
    let site = Site::toml(
        "[server.limits]\ncomponent_size = \"1 MiB\"\n[[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n",
    );
    site.write("app.wasm", version("version03", 1));
    let server = site.start();
    let load = Load::on(&server);
    let path = server.site.file("app.wasm");
    let expect = |n: f64, word: &str| {
        eventually(SOON, word, || reloads(&server, "rejected") == n);
        assert!(trouble(&server).unwrap().contains(word), "{:?}", trouble(&server));
    };
    server.site.replace("app.wasm", "");
    expect(1.0, "empty");
    fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    expect(2.0, "not a regular file");
    fs::remove_file(&path).unwrap();
    fs::File::create(&path).unwrap().set_len(4 << 30).unwrap();
    expect(3.0, "component_size");
    server.site.replace("app.wasm", version("version03", 2));
    await_version(&server, 2);
    load.end();
}

#[test]
fn o8_what_is_no_handler_is_refused_with_one_line() {
    let server = serve();
    let load = Load::on(&server);
    let missing = r#"(component (import "acme:thing/x@1.0.0" (instance))
        (import "wasi:http/types@0.2.0" (instance $t
          (export "incoming-request" (type (sub resource))) (export "response-outparam" (type (sub resource)))))
        (alias export $t "incoming-request" (type $q)) (alias export $t "response-outparam" (type $o))
        (core module $m (func (export "handle") (param i32 i32)))
        (core instance $i (instantiate $m))
        (func $h (param "request" (own $q)) (param "response-out" (own $o)) (canon lift (core func $i "handle")))
        (instance $n (export "handle" (func $h)))
        (export "wasi:http/incoming-handler@0.2.0" (instance $n)))"#;
    let newer = r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f"))) (instance $n (export "handle" (func $f)))
        (export "wasi:http/handler@0.9.0" (instance $n)))"#;
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("text", b"hello".to_vec(), "this is not WebAssembly"),
        ("wat", b"(component)".to_vec(), "WebAssembly text"),
        ("core module", wat::parse_str("(module)").unwrap(), "this is a core module"),
        ("command", guest("command"), "a `wasi:cli` command"),
        ("other world", wat::parse_str("(component)").unwrap(), "it exports nothing"),
        (
            "missing import",
            wat::parse_str(missing).unwrap(),
            "`acme:thing/x@1.0.0`, which this Squall does not offer",
        ),
        ("newer", wat::parse_str(newer).unwrap(), "newer than what this Squall serves"),
        (
            "trap at start",
            wat02("(func $t unreachable) (start $t)", "nop"),
            "cannot be instantiated",
        ),
    ];
    for (i, (name, bytes, words)) in cases.iter().enumerate() {
        server.site.replace("app.wasm", bytes);
        eventually(SOON, name, || reloads(&server, "rejected") == i as f64 + 1.0);
        let line = server.await_log(words);
        assert!(line.contains("generation 1 keeps serving"), "{line}");
        assert!(line.contains("app.wasm"), "names the file: {line}");
        assert!(trouble(&server).unwrap().contains(words), "{:?}", trouble(&server));
    }
    server.site.replace("app.wasm", version("version03", 2));
    await_version(&server, 2);
    load.end();
}

#[test]
fn o10_a_storm_of_saves_ends_with_the_last() {
    let server = serve();
    let load = Load::on(&server);
    let began = Instant::now();
    let mut last = 1;
    while began.elapsed() < Duration::from_secs(3) {
        last += 1;
        server.site.replace("app.wasm", version("version03", last));
        std::thread::sleep(Duration::from_millis(10));
    }
    await_version(&server, last);
    load.end();
    assert!(reloads(&server, "ok") >= 2.0, "the storm does not keep everything out");
    assert!(reloads(&server, "ok") < f64::from(last) / 3.0, "not every save is compiled");
    eventually(SOON, "freeing the old ones", || {
        server.status()["draining"].as_array().unwrap().is_empty()
    });
}

#[test]
fn o12_a_bad_config_changes_nothing_and_says_where() {
    let server = Site::handler(&version("version03", 1), "").start();
    let load = Load::on(&server);
    let good = fs::read_to_string(server.site.file("squall.toml")).unwrap();
    let cases = [
        ("syntax", "[[routes]\n".to_owned(), "squall.toml:1:"),
        ("unknown key", format!("{good}\ncolour = 1\n"), "unknown key `colour`"),
        ("type", good.replace("mount = \"/\"", "mount = 7"), "squall.toml:2:"),
        (
            "duplicate route",
            format!("[[routes]]\nmount = \"/\"\nhandler = \"app\"\n{good}"),
            "is in conflict with",
        ),
        ("missing component", good.replace("app.wasm", "none.wasm"), "there is no such file"),
        (
            "missing handler",
            good.replace("handler = \"app\"", "handler = \"b\""),
            "there is no handler `b`; known are `app`",
        ),
        (
            "fixed",
            format!("[server]\nlisten = \"127.0.0.1:9\"\n{good}"),
            "`server.listen` cannot change",
        ),
    ];
    for (i, (name, config, words)) in cases.iter().enumerate() {
        server.site.replace("squall.toml", config);
        let rejected = || server.metric("squall_config_reloads_total{result=\"rejected\"}");
        eventually(SOON, name, || rejected() == i as f64 + 1.0);
        let line = server.await_log(words);
        assert!(line.contains("the old one stays"), "{line}");
        let status = server.status();
        assert!(status["config_trouble"].as_str().unwrap().contains(words), "{status}");
    }
    server.site.replace("squall.toml", &good);
    eventually(SOON, "being well again", || server.status()["healthy"] == true);
    load.end();
    assert_eq!(server.generation("app"), 1);
}

#[test]
fn a_new_config_is_applied_as_a_whole() {
    let server = Site::handler(&version("version03", 1), "").start();
    let load = Load::on(&server);
    server.site.write("two.wasm", guest("hello03"));
    let good = fs::read_to_string(server.site.file("squall.toml")).unwrap();
    let with_two = format!(
        "[[routes]]\nmount = \"/two\"\nhandler = \"two\"\n[handlers.two]\ncomponent = \"two.wasm\"\n{good}"
    );
    server.site.replace("squall.toml", &with_two);
    eventually(SOON, "the new route", || server.get("/two/").text() == "Hello, World!\n");
    assert_eq!(server.generation("app"), 1, "what did not change keeps its generation");
    let limited = with_two.replace(
        "component = \"two.wasm\"\n",
        "component = \"two.wasm\"\nlimits = { body_size = \"10 B\" }\n",
    );
    server.site.replace("squall.toml", &limited);
    eventually(SOON, "the new limit", || {
        client::post(server.address, "/two/", &[0; 11]).status == 413
    });
    assert_eq!(server.generation("two"), 2);
    // Its component is watched as well.
    server.site.replace("two.wasm", guest("hello02"));
    eventually(SOON, "swapping the new handler", || server.generation("two") == 3);
    server.site.replace("squall.toml", &good);
    eventually(SOON, "the route to be gone", || server.get("/two/").text().len() == 3020);
    load.end();
}

#[test]
fn a_component_that_is_put_into_a_served_folder_is_served() {
    let site = Site::empty();
    site.write("one.wasm", guest("hello02"));
    let server = site.start();
    assert_eq!(server.get("/two/").status, 404);
    server.site.replace("two.wasm", guest("hello03"));
    eventually(SOON, "serving it", || server.get("/two/").status == 200);
    // Deleting a file stops nothing.
    fs::remove_file(server.site.file("two.wasm")).unwrap();
    let_settle();
    assert_eq!(server.get("/two/").status, 200);
    assert_eq!(server.get("/one/").status, 200);
}

#[test]
fn sighup_looks_at_everything_now() {
    let site = Site::toml(
        "[server.limits]\npoll = \"1h\"\nsettle = \"50ms\"\n[[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n",
    );
    site.write("app.wasm", version("version03", 1));
    let server = site.start();
    // Same size and times: nothing but the content tells.
    let path = server.site.file("app.wasm");
    let times = fs::metadata(&path).unwrap().modified().unwrap();
    let bytes = version("version03", 2);
    {
        use std::os::unix::fs::FileExt;
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        file.set_modified(times).unwrap();
    }
    server.signal(rustix::process::Signal::HUP);
    await_version(&server, 2);
    server.await_log("reloading on request");
}
