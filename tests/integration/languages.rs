//! Large components of other languages, made by `.ci/languages`. Skipped with a
//! message where they were not made, because making them needs npm and pip.

use crate::support::client::{self, Wire};
use crate::support::server::{Server, Site};
use crate::support::{SOON, eventually};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// The component of a language, if it was made.
fn component(name: &str) -> Option<Vec<u8>> {
    let folder = std::env::var_os("SQUALL_TEST_LANGUAGES").map(PathBuf::from);
    let Some(folder) = folder else {
        println!("skipped: run `.ci/languages` and set SQUALL_TEST_LANGUAGES to what it prints");
        return None;
    };
    let path = folder.join(format!("{name}.wasm"));
    Some(fs::read(&path).unwrap_or_else(|e| panic!("`{}`: {e}", path.display())))
}

/// A compile takes seconds.
const COMPILED: Duration = Duration::from_secs(120);

fn serves_like_the_rest(server: &Server, language: &str) {
    for _ in 0..20 {
        assert_eq!(server.get("/a").text(), format!("hello from {language} at /a\n"));
    }
    let body: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
    let reply = client::post(server.address, "/", &body);
    assert!(reply.complete && reply.body == body, "{language} echoes");
    // A piece arrives before the next one is made.
    let mut wire = Wire::open(server.address);
    wire.request("GET /stream HTTP/1.1\nHost: test\n\n");
    for n in 0..5 {
        wire.until_received(&format!("piece {n}"));
    }
}

#[test]
fn large_components_load_serve_stream_and_swap_like_the_rest() {
    let (Some(javascript), Some(python)) = (component("javascript"), component("python")) else {
        return;
    };
    assert!(javascript.len() > 10 << 20 && python.len() > 10 << 20);
    let cache = tempfile::tempdir().unwrap();
    let site = Site::component(&javascript).cache(cache.path().join("cache"));
    let server = site.start();
    serves_like_the_rest(&server, "JavaScript");

    // The old generation answers while the new one compiles, and the log says so.
    server.site.replace("app.wasm", &python);
    server.await_log("still compiling");
    assert_eq!(server.get("/").text(), "hello from JavaScript at /\n");
    eventually(COMPILED, "the swap", || {
        let reply = server.get("/");
        assert_eq!(reply.status, 200);
        reply.text() == "hello from Python at /\n"
    });
    serves_like_the_rest(&server, "Python");
    eventually(SOON, "freeing the old generation", || {
        server.status()["draining"].as_array().unwrap().is_empty()
    });
    assert_eq!(server.status()["handlers"][0]["compiled"], "now");

    // The cache makes the next start quick.
    drop(server);
    let site = Site::component(&python).cache(cache.path().join("cache"));
    let server = site.start();
    assert_eq!(server.status()["handlers"][0]["compiled"], "cached");
    serves_like_the_rest(&server, "Python");
}
