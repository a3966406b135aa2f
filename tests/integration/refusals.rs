//! What a live server says of what it refuses: once for each thing that a person has
//! done, and not again for what nobody has touched.

use crate::support::server::{Server, Site};
use crate::support::{SOON, eventually};
use rustix::process::Signal;
use squall_test_guests::{guest, version};
use std::fs;
use std::io::Write;
use std::time::Duration;

fn await_lines(server: &Server, text: &str, wanted: usize) {
    eventually(SOON, &format!("{wanted} lines of `{text}`"), || lines(server, text) >= wanted);
    // One more would follow at once.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(lines(server, text), wanted, "{text}");
}

fn lines(server: &Server, text: &str) -> usize {
    server.stderr().iter().filter(|line| line.contains(text)).count()
}

#[test]
fn a_component_that_is_still_refused_is_an_answer_to_who_acts() {
    let server = Site::handler(&version("version03", 1), "").start();
    let refused = "this is not WebAssembly";
    server.site.replace("app.wasm", "hello");
    await_lines(&server, refused, 1);
    let line = server.await_log(refused);
    assert!(line.contains("\"handler\":\"app\""), "{line}");
    for i in 0..20 {
        server.site.write(&format!("noise-{i}"), "");
    }
    await_lines(&server, refused, 1);
    server.signal(Signal::HUP);
    await_lines(&server, refused, 2);
    server.site.replace("app.wasm", "no better");
    await_lines(&server, refused, 3);
    fs::remove_file(server.site.file("app.wasm")).unwrap();
    await_lines(&server, "there is no such file", 1);
    server.signal(Signal::HUP);
    await_lines(&server, "there is no such file", 2);
}

#[test]
fn a_config_that_is_still_refused_is_an_answer_to_who_acts() {
    let server = Site::handler(&version("version03", 1), "").start();
    let good = fs::read_to_string(server.site.file("squall.toml")).unwrap();
    for (bad, refused) in [
        (format!("{good}colour = 1\n"), "unknown key `colour`"),
        (
            format!(
                "{good}health = \"/none\"\nfolders = [{{ host = \"none\", guest = \"/x\" }}]\n"
            ),
            "cannot open folder",
        ),
    ] {
        server.site.replace("squall.toml", &bad);
        await_lines(&server, refused, 1);
        server.site.write("noise", "");
        await_lines(&server, refused, 1);
        server.signal(Signal::HUP);
        await_lines(&server, refused, 2);
        server.site.replace("squall.toml", format!("{bad}# another try\n"));
        await_lines(&server, refused, 3);
    }
}

#[test]
fn a_component_that_is_being_copied_is_not_loaded_with_each_piece() {
    let handler = |name: &str, rest: &str| {
        format!(
            "[[routes]]\nmount = \"/{name}\"\nhandler = \"{name}\"\n[handlers.{name}]\n\
             component = \"{name}.wasm\"\n{rest}\n"
        )
    };
    let site = Site::toml(&handler("one", ""));
    site.write("one.wasm", version("version03", 1));
    site.write("two.wasm", guest("faults03"));
    let bytes = version("version03", 1);
    site.write("three.wasm", &bytes[..10]);
    let server = site.start();
    let two = handler("two", "health = \"/sleep-twice?1\"");
    let config = format!("{}{two}{}", handler("one", ""), handler("three", ""));
    server.site.replace("squall.toml", config);
    let mut file = fs::File::create(server.site.file("three.wasm")).unwrap();
    for piece in bytes.chunks(bytes.len().div_ceil(40)) {
        file.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(60));
    }
    drop(file);
    eventually(SOON, "serving it", || server.get("/three/").status == 200);
    let health = lines(&server, "after the first wait");
    assert!((2..=4).contains(&health), "{health} health requests");
    assert_eq!(server.metric("squall_config_reloads_total{result=\"rejected\"}"), 0.0);
}
