//! The file in which state is kept: what survives, and what happens when it cannot be
//! used.

use crate::support::server::Site;
use crate::support::state::{ask, begin, config, operations, talk, try_ask};
use crate::support::{SOON, eventually, eventually_eq};
use squall_test_guests::{guest, marker, version};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn site(state: &str, limits: &str) -> Site {
    let site = Site::toml(&config(state, limits, ""));
    site.write("app.wasm", guest("state03"));
    site
}

fn mode(site: &Site, name: &str) -> u32 {
    fs::metadata(site.file(name)).unwrap().permissions().mode() & 0o777
}

#[test]
fn state_survives_restarts_swaps_and_rollbacks() {
    let site = Site::toml(&config("", "", ""));
    site.write("app.wasm", version("state03", 1));
    let server = site.start();
    assert_eq!(ask(&server, "/mark?default&k"), format!("{} none", marker(1)));
    let others = format!("{} {}", marker(2), marker(1));
    server.site.replace("app.wasm", version("state03", 2));
    eventually_eq(SOON, "the swap", &others, || ask(&server, "/mark?default&k"));
    let server = server.stop().start();
    assert_eq!(ask(&server, "/mark?default&k"), others);
    server.site.replace("app.wasm", version("state03", 1));
    let own = format!("{} {}", marker(1), marker(1));
    eventually_eq(SOON, "the way back", &own, || ask(&server, "/mark?default&k"));
    // A grant that goes and comes back finds what was kept.
    server.site.write("squall.toml", config("", "", "").replace("\"default\", ", ""));
    eventually_eq(SOON, "the config", &"error: no such store".to_owned(), || {
        ask(&server, "/mark?default&k")
    });
    server.site.write("squall.toml", config("", "", ""));
    eventually_eq(SOON, "the config again", &own, || ask(&server, "/mark?default&k"));
}

#[test]
fn the_file_is_made_when_somebody_needs_it_and_is_for_nobody_else() {
    let site = Site::handler(&guest("state03"), "");
    let server = site.start();
    assert_eq!(ask(&server, "/get?default&k"), "error: no such store");
    assert!(!server.site.file("state").exists());
    let with_grant = fs::read_to_string(server.site.file("squall.toml")).unwrap();
    server.site.write("squall.toml", with_grant + "key_value = [\"default\"]\n");
    eventually_eq(SOON, "the grant", &"none".to_owned(), || ask(&server, "/get?default&k"));
    assert_eq!(mode(&server.site, "state"), 0o700);
    assert_eq!(mode(&server.site, "state/squall.redb"), 0o600);
    // Elsewhere, if the config says so.
    drop(server);
    let server = site_in("kept.redb").start();
    assert_eq!(ask(&server, "/set?default&k&v"), "set");
    assert!(server.site.file("kept.redb").exists() && !server.site.file("state").exists());
    let status = server.status();
    assert!(status["state"].as_str().unwrap().ends_with("kept.redb`, flushed"), "{status}");
}

fn site_in(file: &str) -> Site {
    site(&format!("file = \"{file}\""), "")
}

#[test]
fn two_servers_do_not_share_a_file() {
    let server = site("", "").start();
    let file = server.site.file("state/squall.redb");
    let other = site(&format!("file = \"{}\"", file.display()), "");
    let (status, stderr) = other.run();
    assert_eq!(status.code(), Some(64), "{stderr}");
    assert!(stderr.contains("is in use by another process"), "{stderr}");
    assert!(stderr.contains("give this server another `file` below `[server.state]`"), "{stderr}");
    assert_eq!(ask(&server, "/set?default&k&v"), "set");
    // A reload meets it too, and comes through once the file is free.
    let waiting = Site::toml(
        &fs::read_to_string(other.file("squall.toml"))
            .unwrap()
            .replace("key_value = [\"default\", \"other\"]", ""),
    );
    waiting.write("app.wasm", guest("state03"));
    let waiting = waiting.start();
    waiting.site.write("squall.toml", fs::read(other.file("squall.toml")).unwrap());
    waiting.await_log("is in use by another process");
    assert_eq!(ask(&waiting, "/get?default&k"), "error: no such store");
    let _folder = server.stop();
    eventually_eq(SOON, "the file", &"v".to_owned(), || ask(&waiting, "/get?default&k"));
}

#[test]
fn a_file_that_cannot_be_read_keeps_the_server_from_starting_and_says_why() {
    let refused = |site: &Site, words: &str| {
        let (status, stderr) = site.run();
        assert_eq!(status.code(), Some(64), "{stderr}");
        let last = stderr.lines().rev().find(|line| line.contains("squall.redb")).unwrap();
        assert!(last.contains(words), "{stderr}");
    };
    let nonsense = site("", "");
    nonsense.write("state/squall.redb", "not a database");
    refused(&nonsense, "is not a state's file");
    assert_eq!(fs::read(nonsense.file("state/squall.redb")).unwrap(), b"not a database");
    let other = site("", "");
    fs::create_dir_all(other.file("state")).unwrap();
    let database = redb::Database::create(other.file("state/squall.redb")).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(redb::TableDefinition::<u8, u8>::new("theirs")).unwrap();
    write.commit().unwrap();
    drop(database);
    refused(&other, "it holds something else");
    let folder = site("", "");
    fs::create_dir_all(folder.file("state/squall.redb")).unwrap();
    refused(&folder, "cannot open the state's file");
    // Damage of any kind is refused, or does no harm: nothing panics into a request.
    let server = site("", "").start();
    for n in 0..200 {
        assert_eq!(ask(&server, &format!("/fill?default&{n}&2000")), "set");
    }
    let damaged = server.stop();
    let file = damaged.file("state/squall.redb");
    let good = fs::read(&file).unwrap();
    fs::write(&file, &good[..good.len() / 2]).unwrap();
    refused(&damaged, "");
    let mut zeroed = good.clone();
    zeroed[4096..].fill(0);
    fs::write(&file, &zeroed).unwrap();
    refused(&damaged, "is damaged");
    fs::write(&file, &good).unwrap();
    let server = damaged.start();
    assert_eq!(ask(&server, "/length?default&7"), "2000");
}

/// G35: killed at any moment, it has all that it said it had.
#[test]
fn g35_kill_9_loses_nothing_acknowledged() {
    let acknowledged = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
    let mut site = site("", "");
    let mut random = 12345_u64;
    for round in 0..25 {
        let server = site.start();
        let (mut bytes, mut keys) = (0, 0);
        for (key, n) in &*acknowledged.lock().unwrap() {
            let value = ask(&server, &format!("/get?default&{key}"));
            let found: u64 = value.parse().unwrap_or_else(|_| panic!("`{key}` is {value}"));
            assert!(found >= *n, "round {round}: `{key}` is {found}, older than {n}");
        }
        for key in ask(&server, "/list?default").split([',', ' ']) {
            if key != "end" && !key.is_empty() {
                let length: usize =
                    ask(&server, &format!("/length?default&{key}")).parse().unwrap();
                bytes += key.len() + length;
                keys += 1;
            }
        }
        let state = &server.status()["handlers"][0]["state"];
        assert_eq!(*state, serde_json::json!({ "schema": 0, "bytes": bytes, "keys": keys }));
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (stop, acknowledged) = (stop.clone(), acknowledged.clone());
                let (address, first) = (server.address, round * 1000 + 1);
                std::thread::spawn(move || {
                    for n in first.. {
                        let key = format!("{client}-{}", n % 5);
                        let answer = try_ask(address, &format!("/set?default&{key}&{n}"));
                        if answer.as_deref() == Some("set") {
                            acknowledged.lock().unwrap().insert(key, n);
                        } else if stop.load(Ordering::Relaxed) {
                            return;
                        }
                    }
                })
            })
            .collect();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_millis(5 + (random >> 33) % 120));
        site = server.kill();
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
    }
    assert!(acknowledged.lock().unwrap().len() >= 10);
}

#[test]
fn relaxed_writes_are_safe_at_an_orderly_end_and_after_some_time() {
    let server = site("durability = \"relaxed\"", "state_flush = \"200ms\"").start();
    for n in 0..50 {
        assert_eq!(ask(&server, &format!("/set?default&{n}&v")), "set");
    }
    let flushes = || server.metric("squall_state_flushes_total");
    eventually(SOON, "a flush", || flushes() >= 1.0);
    std::thread::sleep(Duration::from_millis(500));
    assert!(flushes() < 50.0, "not one for each write");
    let server = server.kill().start();
    assert_eq!(ask(&server, "/get?default&49"), "v");
    assert_eq!(ask(&server, "/set?default&last&v"), "set");
    let server = server.stop().start();
    assert_eq!(ask(&server, "/get?default&last"), "v");
}

/// O18: what the system says of a full disk, it says of a file that may not grow too.
#[test]
fn o18_a_full_disk_refuses_writes_and_serving_goes_on() {
    // Without the signal that would end the process.
    let server = site("", "state_cache = \"1 MiB\"").start_under(&["env", "--ignore-signal=XFSZ"]);
    assert_eq!(ask(&server, "/set?default&before&v"), "set");
    server.allow_file_size(Some(256 << 10));
    let mut n = 0;
    let refused = loop {
        let text = ask(&server, &format!("/fill?default&{n}&20000"));
        if text != "set" {
            break text;
        }
        n += 1;
        assert!(n < 100);
    };
    assert_eq!(refused, "error: the store cannot be written to now");
    server.await_log("writing the state failed");
    assert!(operations(&server, "set", "unavailable") >= 1.0);
    eventually_eq(SOON, "reading", &"v".to_owned(), || ask(&server, "/get?default&before"));
    assert_eq!(ask(&server, &format!("/exists?default&{n}")), "false");
    server.allow_file_size(None);
    eventually_eq(SOON, "writing", &"set".to_owned(), || {
        ask(&server, &format!("/fill?default&{n}&20000"))
    });
    let server = server.kill().start();
    talk(&server, &[("/get?default&before", "v"), ("/length?default&0", "20000")]);
    assert_eq!(ask(&server, &format!("/length?default&{n}")), "20000");
}

/// Room for writes that wait is what `state_queue` says, and one that is larger is done.
#[test]
fn a_write_larger_than_the_queue_is_done() {
    let server = site("", "state_queue = \"1 KiB\"").start();
    let address = server.address;
    let clients: Vec<_> = (0..8)
        .map(|n| std::thread::spawn(move || try_ask(address, &format!("/fill?default&{n}&100000"))))
        .collect();
    for client in clients {
        assert_eq!(client.join().unwrap().as_deref(), Some("set"));
    }
    assert_eq!(server.metric("squall_state_queue_bytes"), 0.0);
}

#[test]
fn where_state_is_kept_waits_for_a_restart() {
    let server = site("", "").start();
    server.site.write("squall.toml", config("durability = \"relaxed\"", "", ""));
    server.await_log("`server.state` cannot change while the server runs; restart it");
    assert_eq!(ask(&server, "/set?default&k&v"), "set");
    // Its sizes are settled too; its times are not.
    let limits = "state_cache = \"1 MiB\"\nstate_queue = \"1 MiB\"\nstate_wait = \"1s\"";
    server.site.write("squall.toml", config("", limits, ""));
    let line = server.await_log("limits that change only with a restart");
    assert!(line.contains("`state_cache` from 64 MiB to 1 MiB"), "{line}");
    assert!(line.contains("`state_queue`") && !line.contains("`state_wait`"), "{line}");
}

/// Who could open the file would have everybody's state.
#[test]
fn nobody_reaches_where_state_is_kept() {
    let state = "file = \"data/kept/state.redb\"";
    let refused = |config: &str, words: &str| {
        let site = Site::toml(config);
        site.write("app.wasm", guest("state03"));
        site.write("data/x", "x");
        symlink("data", site.file("link")).unwrap();
        let (status, stderr) = site.run();
        assert_eq!(status.code(), Some(64), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
        assert!(!site.file("data/kept").exists());
    };
    // Also through a link, which a name does not show.
    for host in ["data", "link", "."] {
        for access in ["read", "read-write"] {
            let folder = format!(
                "folders = [{{ host = \"{host}\", guest = \"/data\", access = \"{access}\" }}]"
            );
            refused(&config(state, "", &folder), "holds the state of all handlers");
        }
    }
    let served = "[[routes]]\nmount = \"/data\"\nfolder = \"data\"\n";
    refused(&(config(state, "", "") + served), "everybody could read it");
    // Beside it there is nothing to reach.
    let folder = "folders = [{ host = \"data\", guest = \"/data\" }]";
    let site = Site::toml(&config("", "", folder));
    site.write("app.wasm", guest("state03"));
    site.write("data/x", "x");
    assert_eq!(ask(&site.start(), "/set?default&k&v"), "set");
}

/// A request that is under way when the server is told to end still writes.
#[test]
fn what_drains_may_still_keep_something() {
    let server = site("", "").start();
    let mut slow = begin(server.address, "/sleep-and-set?default&k&v");
    server.await_in_flight(1);
    let draining = std::thread::spawn(move || server.stop());
    assert_eq!(slow.reply().text(), "set");
    let server = draining.join().unwrap().start();
    assert_eq!(ask(&server, "/get?default&k"), "v");
}
