//! Rows O: what a swap does to requests, and what keeps a bad version out.

use crate::support::client::{self};
use crate::support::server::Site;
use crate::support::versions::{Load, await_version, reloads, trouble};
use crate::support::wat::wat02;
use crate::support::{SOON, eventually};
use squall_test_guests::{guest, marker, version};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// The version guest of each world, and of a core module.
const VERSIONS: [&str; 4] = ["version02", "version03", "version_web", "version_core"];

#[test]
fn o1_a_file_is_never_served_half_written() {
    for world in VERSIONS {
        let server = Site::component(&version(world, 1)).start();
        let load = Load::on(&server);
        let bytes = version(world, 2);
        let mut file = fs::File::create(server.site.file("app.wasm")).unwrap();
        for piece in bytes.chunks(bytes.len().div_ceil(8)) {
            file.write_all(piece).unwrap();
            file.flush().unwrap();
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(file);
        await_version(&server, 2);
        load.end();
        assert_eq!(reloads(&server, "ok"), 1.0);
        assert_eq!(reloads(&server, "rejected"), 0.0, "{:?}", server.stderr());
        assert_eq!(trouble(&server), None);
    }
}

#[test]
fn o16_what_runs_stays_on_its_generation_until_the_drain_deadline() {
    for world in VERSIONS {
        let server =
            Site::handler(&version(world, 1), "[handlers.app.limits]\ndrain = \"1500ms\"").start();
        let address = server.address;
        let quick = std::thread::spawn(move || client::get(address, "/slow/800"));
        let slow = std::thread::spawn(move || client::get(address, "/slow/60000"));
        server.await_in_flight(2);
        server.site.replace("app.wasm", version(world, 2));
        await_version(&server, 2);
        let status = server.status();
        assert_eq!(status["draining"][0]["generation"], 1, "{status}");
        let quick = quick.join().unwrap();
        assert!(
            quick.complete && quick.text().ends_with(&marker(1)),
            "{world}: finishes on the old"
        );
        let slow = slow.join().unwrap();
        assert!(!slow.complete && slow.text().starts_with(&marker(1)), "{world}: cut visibly");
        server.await_log("the replaced generation did not finish");
        eventually(SOON, "freeing it", || {
            server.status()["draining"].as_array().unwrap().is_empty()
        });
    }
}

#[test]
fn a_request_that_is_cut_with_its_generation_is_not_told_that_the_server_stops() {
    for world in VERSIONS {
        let server =
            Site::handler(&version(world, 1), "[handlers.app.limits]\ndrain = \"300ms\"").start();
        let address = server.address;
        let unanswered = std::thread::spawn(move || client::get(address, "/sleep/9000"));
        server.await_in_flight(1);
        server.site.replace("app.wasm", version(world, 2));
        let reply = unanswered.join().unwrap();
        assert_eq!(reply.status, 503, "{world}");
        assert!(reply.text().contains("is being replaced"), "{world}: {}", reply.text());
        let line = server.await_log("\"kind\":\"draining\"");
        assert!(line.contains("generation 1 was replaced"), "{line}");
    }
}

#[test]
fn a_health_request_keeps_a_bad_generation_out() {
    let site = Site::handler(&version("version03", 1), "health = \"/health\"");
    let server = site.start();
    let load = Load::on(&server);
    // It starts, and answers its health request with a trap.
    server.site.replace("app.wasm", wat02("", "unreachable"));
    eventually(SOON, "refusing it", || reloads(&server, "rejected") == 1.0);
    assert!(
        trouble(&server).unwrap().contains("health request `/health`"),
        "{:?}",
        trouble(&server)
    );
    server.site.replace("app.wasm", version("version03", 3));
    await_version(&server, 3);
    load.end();
}

#[test]
fn swaps_under_load_lose_nothing() {
    for world in VERSIONS {
        let server = Site::component(&version(world, 1)).start();
        let load = Load::with(&server, 8);
        for v in 2..=12 {
            server.site.replace("app.wasm", version(world, v));
            await_version(&server, v);
        }
        load.end();
        assert_eq!(server.generation("app"), 12);
        let faults: f64 = server
            .metrics()
            .iter()
            .filter(|(name, _)| name.starts_with("squall_faults_total"))
            .map(|(_, n)| n)
            .sum();
        assert_eq!(faults, 0.0);
        eventually(SOON, "freeing the old ones", || {
            server.status()["draining"].as_array().unwrap().is_empty()
        });
    }
}

#[test]
fn a_swap_may_change_the_world() {
    let server = Site::component(&version("version02", 1)).start();
    let load = Load::on(&server);
    let worlds =
        ["version03", "version02", "version_web", "version_core", "version03", "version_web"];
    for (i, world) in worlds.iter().enumerate() {
        let v = i as u32 + 2;
        server.site.replace("app.wasm", version(world, v));
        await_version(&server, v);
    }
    load.end();
}

#[test]
fn o20_a_damaged_compile_cache_is_a_miss() {
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join("cache");
    let start = || {
        let server = Site::component(&guest("hello03")).cache(folder.clone()).start();
        assert_eq!(server.get("/").status, 200);
        server.status()["handlers"][0]["compiled"].as_str().unwrap().to_owned()
    };
    assert_eq!(start(), "now");
    assert_eq!(start(), "cached");
    let entry = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let good = fs::read(&entry).unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x40;
    for bad in [&flipped[..], &good[..good.len() - 1], b""] {
        fs::write(&entry, bad).unwrap();
        assert_eq!(start(), "now", "recompiled");
        assert_eq!(start(), "cached", "and mended");
    }
    // Others could write to it: refused when asked for by name.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let (status, stderr) = Site::component(&guest("hello03")).cache(folder.clone()).run();
    assert_eq!(status.code(), Some(64), "{stderr}");
    assert!(stderr.contains("is open to others"), "{stderr}");
    // The default one is only left alone.
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("squall/components")).unwrap();
    fs::set_permissions(home.path().join("squall/components"), fs::Permissions::from_mode(0o777))
        .unwrap();
    let site = Site::component(&guest("hello03")).default_cache();
    let server = site.env("XDG_CACHE_HOME", home.path().to_str().unwrap()).start();
    assert_eq!(server.get("/").status, 200);
    server.await_log("compiling without cache");
}
