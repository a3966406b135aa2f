//! State as handlers have it that are written with the SDK, beyond what all worlds have in
//! common.

use crate::support::server::{Server, Site, squall};
use crate::support::state::{ask, begin, component, config, operations, talk, with_schema};
use crate::support::versions::{reloads, trouble};
use crate::support::{SOON, eventually, eventually_eq};
use squall_test_guests::{sdk_guest, standard_sdk_guest};

const WORLDS: [&str; 3] = ["sdk", "sdk_core", "sdk_http"];

fn serve(world: &str, handler: &str) -> Server {
    let site = Site::toml(&config("", "", handler));
    site.write("app.wasm", component(world));
    site.start()
}

#[test]
fn keys_are_found_by_their_prefix_over_all_pages() {
    for world in WORLDS {
        let server = serve(world, "[handlers.app.limits]\nstate_page = 2");
        talk(
            &server,
            &[
                ("/set-many?default&a=1&k1=2&k2=3&k3=4&k4=5&k5=6&l=7", "set"),
                ("/keys?default&k", "k1,k2,k3,k4,k5"),
                ("/keys?default&", "a,k1,k2,k3,k4,k5,l"),
                ("/keys?default&m", ""),
                ("/keys?other&", ""),
                ("/get-many?default&l&x&a&l", "l=7,x=none,a=1,l=7"),
                ("/count?default&json", "1"),
                ("/json?default&json", "Some(1)"),
                ("/json?default&none", "None"),
            ],
        );
    }
}

#[test]
fn a_value_is_removed_on_a_condition_or_the_guest_is_told_that_it_cannot_be() {
    let server = serve("sdk", "");
    talk(
        &server,
        &[
            ("/set?default&k&v", "set"),
            ("/remove-if?default&k&w", "failed"),
            ("/get?default&k", "v"),
            ("/remove-if?default&k&v", "swapped"),
            ("/get?default&k", "none"),
        ],
    );
    let server = serve("sdk_http", "");
    assert_eq!(ask(&server, "/set?default&k&v"), "set");
    let text = ask(&server, "/remove-if?default&k&v");
    assert!(text.contains("`wasi:keyvalue` cannot remove a value on a condition"), "{text}");
    assert_eq!(ask(&server, "/get?default&k"), "v");
    assert_eq!(server.get("/client/remove-if?default&k&v").status, 500);
}

#[test]
fn faults_of_the_store_are_the_clients_the_operators_or_the_authors() {
    let limits = "[handlers.app.limits]\nstate_size = \"1 KiB\"\nstate_value = \"800 B\"";
    for world in WORLDS {
        let server = serve(world, limits);
        assert_eq!(ask(&server, "/fill?default&n&800"), "set");
        for (target, status, outside, inside) in [
            ("fill?default&a&801", 413, "in one piece", None),
            ("fill?default&a&800", 507, "no room", Some("`state_size` allows (1 KiB)")),
            ("increment?default&n&1", 500, "", Some("no whole number")),
            ("json?default&n", 500, "", Some("the JSON of the key `n`")),
            ("get?else&n", 500, "", Some("`key_value = [\\\"else\\\"]`")),
        ] {
            let reply = server.get(&format!("/client/{target}"));
            let text = reply.text();
            assert_eq!(reply.status, status, "{world} {target}: {text}");
            assert!(text.contains(outside), "{world} {target}: {text}");
            assert!(outside.is_empty() != text.contains("detail"), "{world} {target}: {text}");
            assert!(!text.contains("state_") && !text.contains("key"), "{world} {target}: {text}");
            if let Some(inside) = inside {
                server.await_log(inside);
            }
        }
        // The host says so too, at most once a minute, and counts.
        server.await_log("a bucket was denied: no grant names");
        assert_eq!(operations(&server, "open", "no_such_bucket"), 1.0);
    }
}

#[test]
fn requests_of_one_native_instance_wait_for_the_store_side_by_side() {
    let server = serve("sdk", "[handlers.app.limits]\ninstances = 1\nhead_deadline = \"60s\"");
    // It ends only if another is let in between its writes.
    let mut counting = begin(server.address, "/until?default&n&stop");
    eventually(SOON, "writing", || operations(&server, "increment", "ok") > 3.0);
    assert_eq!(ask(&server, "/set?default&stop&now"), "set");
    assert_eq!(counting.reply().text(), "enough");
    let flushed = || server.metric("squall_state_flushes_total");
    let before = flushed();
    assert_eq!(ask(&server, "/together?default&k&50"), "set");
    assert!(flushed() - before < 50.0, "what is begun together is flushed together");
    assert_eq!(server.metric("squall_instances_started_total{handler=\"app\"}"), 1.0);
}

#[test]
fn a_handler_whose_client_leaves_stops_writing() {
    let server = serve("sdk", "[handlers.app.limits]\ninstances = 1\nhead_deadline = \"60s\"");
    let mut neighbour = begin(server.address, "/until?default&m&stop");
    let leaving = begin(server.address, "/until?other&n&stop");
    eventually(SOON, "writing", || ask(&server, "/exists?other&n") == "true");
    leaving.reset();
    server.await_log("the handler of /until is dropped");
    server.await_in_flight(1);
    let written = ask(&server, "/get?other&n");
    let others = ask(&server, "/get?default&m");
    eventually(SOON, "its neighbour's writes", || ask(&server, "/get?default&m") != others);
    assert_eq!(ask(&server, "/get?other&n"), written);
    assert_eq!(ask(&server, "/set?default&stop&now"), "set");
    assert_eq!(neighbour.reply().text(), "enough");
    assert_eq!(server.metric("squall_instances_started_total{handler=\"app\"}"), 1.0);
}

/// Whatever world a version of the handler is built for.
#[test]
fn a_swap_to_another_world_finds_what_was_kept() {
    let server = serve("sdk", "");
    assert_eq!(ask(&server, "/set?default&sdk&kept"), "set");
    let mut kept = vec!["sdk"];
    for world in ["sdk_http", "state02", "state03", "sdk_core"] {
        let mut bytes = component(world);
        if world == "state03" {
            bytes = with_schema(bytes, "1");
        }
        let generation = server.generation("app");
        server.site.replace("app.wasm", bytes);
        eventually(SOON, "the swap", || server.generation("app") > generation);
        for key in &kept {
            assert_eq!(ask(&server, &format!("/get?default&{key}")), "kept", "{world}");
        }
        assert_eq!(ask(&server, &format!("/set?default&{world}&kept")), "set");
        assert_eq!(ask(&server, "/increment?default&n&1"), kept.len().to_string());
        kept.push(world);
    }
}

#[test]
fn o15_a_schema_of_the_sdk_counts_like_any_other() {
    let schema = |server: &Server| server.status()["handlers"][0]["state"]["schema"].clone();
    for world in WORLDS {
        let server = serve(world, "");
        assert_eq!(schema(&server), 1, "{world}");
        assert_eq!(ask(&server, "/set?default&k&v"), "set");
        server.site.replace("app.wasm", with_schema(component("state03"), "2"));
        eventually(SOON, "refusing it", || reloads(&server, "rejected") == 1.0);
        let said = trouble(&server).unwrap();
        assert!(said.contains("is of schema 1, and this component is of schema 2"), "{said}");
        server.site.write("squall.toml", config("", "", "schema_change = \"fresh\""));
        eventually_eq(SOON, "the fresh one", &"none".to_owned(), || ask(&server, "/get?default&k"));
        server.site.replace("app.wasm", component(world));
        eventually_eq(SOON, "the way back", &"v".to_owned(), || ask(&server, "/get?default&k"));
    }
}

/// What a handler may reach is what it calls.
#[test]
fn a_component_that_keeps_nothing_asks_for_no_buckets() {
    for (component, interface, keeps) in [
        (sdk_guest("lines"), "squall:web/key-value", false),
        (sdk_guest("state"), "squall:web/key-value", true),
        (standard_sdk_guest("lines"), "wasi:keyvalue/", false),
        (standard_sdk_guest("state"), "wasi:keyvalue/", true),
    ] {
        let site = Site::handler(&component, "key_value = [\"default\"]");
        let (_, stdout, _) = squall(&["check", "."], site.folder.path());
        assert_eq!(stdout.contains(interface), keeps, "{stdout}");
    }
}
