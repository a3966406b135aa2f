//! What handlers keep, as they see it: through `wasi:keyvalue`, and through the SDK in both
//! worlds.

use crate::support::server::{Server, Site, squall};
use crate::support::state::{ask, component, config, operations, talk};
use crate::support::{SOON, eventually};
use squall_test_guests::guest;

const WORLDS: [(&str, u32); 4] = [("state02", 1), ("state03", 0), ("sdk", 1), ("sdk_http", 1)];

fn serve(world: &str, handler: &str) -> Server {
    let site = Site::toml(&config("", "", handler));
    site.write("app.wasm", component(world));
    site.start()
}

#[test]
fn every_function_does_what_it_says() {
    for (world, schema) in WORLDS {
        println!("{world}");
        let server = serve(world, "");
        talk(&server, EVERYTHING);
        assert_eq!(operations(&server, "set_many", "ok"), 1.0);
        assert!(operations(&server, "compare_and_swap", "ok") >= 5.0);
        assert!(server.metric("squall_state_flushes_total") >= 13.0, "one for each write");
        let status = server.status();
        let state = serde_json::json!({ "schema": schema, "bytes": EVERYTHINGS_BYTES, "keys": 4 });
        assert_eq!(status["handlers"][0]["state"], state, "{status}");
        assert!(status["state"].as_str().unwrap().starts_with("redb in `"), "{status}");
        assert_eq!(server.metric("squall_state_keys{handler=\"app\"}"), 4.0);
        let bytes = server.metric("squall_state_bytes{handler=\"app\"}");
        assert_eq!(bytes, f64::from(EVERYTHINGS_BYTES));
    }
}

/// Targets and answers, from an empty store on.
pub(crate) const EVERYTHING: &[(&str, &str)] = &[
    ("/get?default&a", "none"),
    ("/exists?default&a", "false"),
    ("/set?default&a&one", "set"),
    ("/get?default&a", "one"),
    ("/exists?default&a", "true"),
    ("/set?default&a&two", "set"),
    ("/get?default&a", "two"),
    ("/get?other&a", "none"),
    ("/delete?default&a", "deleted"),
    ("/delete?default&a", "deleted"),
    ("/get?default&a", "none"),
    ("/set-many?default&b=1&c=2&a=0&b=3", "set"),
    ("/get-many?default&c&x&b", "c=2,x=none,b=3"),
    ("/list?default", "a,b,c end"),
    ("/list?default&a", "b,c end"),
    ("/list?other", " end"),
    ("/delete-many?default&a&x&c", "deleted"),
    ("/list?default", "b end"),
    ("/increment?default&n&5", "5"),
    ("/increment?default&n&-7", "-2"),
    ("/get?default&n", "-2"),
    ("/count?default&m", "1"),
    ("/count?default&m", "2"),
    ("/swap?default&s&first", "none swapped"),
    ("/swap?default&s&second", "first swapped"),
    ("/swap-late?default&s&third", "failed between swapped"),
    ("/get?default&s", "third"),
];

/// Of what that leaves: `b` is 3, `n` is -2, `m` is 2, `s` is third.
pub(crate) const EVERYTHINGS_BYTES: u32 = 4 + 1 + 2 + 1 + 5;

#[test]
fn nothing_is_kept_without_a_grant() {
    for (world, _) in WORLDS {
        let server = Site::handler(&component(world), "").start();
        assert_eq!(ask(&server, "/open?default"), "error: no such store", "{world}");
        assert!(!server.site.file("state").exists());
        let server = serve(world, "");
        for bucket in ["else", "", "default/", "../default", "DEFAULT", "a%00"] {
            assert_eq!(ask(&server, &format!("/open?{bucket}")), "error: no such store");
        }
        assert_eq!(operations(&server, "open", "no_such_bucket"), 6.0);
        let line = server.await_log("no grant names");
        assert!(line.contains("key_value"), "{line}");
    }
}

/// G34 from the outside: names that could run into each other.
#[test]
fn g34_handlers_do_not_share_what_they_keep() {
    let names = ["a", "a.b", "ab"];
    let handlers: String = names
        .iter()
        .map(|name| {
            format!(
                "[[routes]]\nmount = \"/{name}\"\nhandler = \"{name}\"\n\
                 [handlers.\"{name}\"]\ncomponent = \"app.wasm\"\nkey_value = [\"b\", \"b.b\"]\n"
            )
        })
        .collect();
    let site = Site::toml(&handlers);
    // The target's path is what the guest calls.
    site.write("app.wasm", guest("state03"));
    let server = site.start();
    let target = |name: &str, rest: &str| format!("/{name}/{rest}");
    for name in names {
        for bucket in ["b", "b.b"] {
            let set = target(name, &format!("set?{bucket}&k&{name}-{bucket}"));
            assert_eq!(ask(&server, &set), "set");
        }
    }
    for name in names {
        for bucket in ["b", "b.b"] {
            let get = target(name, &format!("get?{bucket}&k"));
            assert_eq!(ask(&server, &get), format!("{name}-{bucket}"));
            assert_eq!(ask(&server, &target(name, &format!("list?{bucket}"))), "k end");
        }
    }
}

#[test]
fn sizes_are_held_to_their_limits() {
    for (world, _) in WORLDS {
        let server = serve(
            world,
            "[handlers.app.limits]\nstate_key = \"8 B\"\nstate_value = \"100 B\"\n\
             state_batch = \"150 B\"\nstate_batch_keys = 3\nstate_page = 2",
        );
        let refused = |target: &str, limit: &str| {
            let text = ask(&server, target);
            assert!(
                text.starts_with("error: ") && text.contains(limit),
                "{world} {target}: {text}"
            );
        };
        talk(
            &server,
            &[
                ("/set?default&12345678&x", "set"),
                ("/fill?default&a&100", "set"),
                ("/fill?default&b&100", "set"),
                ("/set-many?default&1=1&2=2&3=3", "set"),
                ("/list?default", "1,12345678 12345678"),
                ("/list?default&12345678", "2,3 3"),
                ("/list?default&3", "a,b end"),
            ],
        );
        refused("/set?default&123456789&x", "`state_key` allows (8 B)");
        refused("/fill?default&a&101", "`state_value` allows (100 B)");
        refused("/set-many?default&1=1&2=2&3=3&4=4", "`state_batch_keys` allows (3)");
        refused("/get-many?default&a&b", "`state_batch` allows (150 B)");
        assert_eq!(operations(&server, "get_many", "too_large"), 1.0);
        assert_eq!(ask(&server, "/exists?default&4"), "false");
    }
}

#[test]
fn g35_a_handler_keeps_no_more_than_its_quota() {
    for (world, _) in WORLDS {
        let server = serve(world, "[handlers.app.limits]\nstate_size = \"1 KiB\"\nstate_keys = 3");
        let refused = |target: &str, limit: &str| {
            let text = ask(&server, target);
            assert!(
                text.starts_with("error: ") && text.contains(limit),
                "{world} {target}: {text}"
            );
        };
        assert_eq!(ask(&server, "/fill?default&a&1000"), "set");
        refused("/fill?other&b&100", "`state_size` allows (1 KiB)");
        refused("/set-many?default&b=1&c=2&d=3", "`state_keys` allows (3)");
        assert_eq!(ask(&server, "/list?default"), "a end");
        assert_eq!(operations(&server, "set", "quota"), 1.0);
        talk(
            &server,
            &[("/delete?default&a", "deleted"), ("/set-many?default&b=1&c=2&d=3", "set")],
        );
        refused("/increment?other&e&1", "`state_keys`");
        assert_eq!(server.metric("squall_state_keys{handler=\"app\"}"), 3.0);
    }
}

#[test]
fn a_value_that_is_no_number_is_not_counted_with() {
    for (world, _) in WORLDS {
        let server = serve(world, "");
        assert_eq!(ask(&server, "/set?default&n&seven"), "set");
        let text = ask(&server, "/increment?default&n&1");
        assert!(text.starts_with("error: the value is no whole number"), "{text}");
        assert_eq!(ask(&server, "/get?default&n"), "seven");
        assert_eq!(operations(&server, "increment", "not_a_number"), 1.0);
    }
}

/// G20: what a guest holds on to is counted as its resources are, and costs no values.
#[test]
fn handles_are_bounded_by_resources() {
    let server = serve("state03", "[handlers.app.limits]\nresources = 50");
    assert_eq!(ask(&server, "/fill?default&k&10000"), "set");
    assert_eq!(ask(&server, "/hold?default&k&40"), "40");
    assert_eq!(server.get("/hold?default&k&2000").status, 502);
    let faults = "squall_faults_total{handler=\"app\",kind=\"resources\"}";
    eventually(SOON, "counting", || server.metric(faults) == 1.0);
}

/// Requests that share an instance, and instances that share a store.
#[test]
fn nothing_is_lost_or_counted_twice_by_many_at_once() {
    for (world, _) in WORLDS {
        let server = serve(world, "");
        let address = server.address;
        let clients: Vec<_> = (0..8)
            .map(|_| {
                std::thread::spawn(move || {
                    for _ in 0..20 {
                        for target in ["/increment?default&n&1", "/count?default&m"] {
                            let reply = crate::support::client::get(address, target);
                            assert_eq!(reply.status, 200, "{}", reply.text());
                        }
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        talk(&server, &[("/get?default&n", "160"), ("/get?default&m", "160")]);
        // Writes that wait together are flushed together.
        let writes =
            operations(&server, "increment", "ok") + operations(&server, "compare_and_swap", "ok");
        assert!(server.metric("squall_state_flushes_total") < writes, "{world}");
        assert_eq!(server.metric("squall_state_queue_bytes"), 0.0);
    }
}

#[test]
fn what_the_config_says_of_state_is_checked() {
    let refused = |state: &str, handler: &str, words: &str| {
        let site = Site::toml(&config(state, "", handler));
        site.write("app.wasm", guest("state03"));
        let (status, stderr) = site.run();
        assert_eq!(status.code(), Some(64), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
    };
    refused(
        "backend = \"sqlite\"",
        "",
        "squall.toml:2:1: `sqlite` is not `redb` (a file) or `redis`",
    );
    refused("durability = \"none\"", "", "`none` is not `flushed`");
    refused("url = \"redis://localhost\"", "", "`url` means nothing to the backend `redb`");
    refused("backend = \"redis\"", "", "needs a `url`");
    refused("backend = \"redis\"\nfile = \"x\"", "", "`file` means nothing");
    refused(
        "backend = \"redis\"\nurl = \"redis://:secret@localhost\"",
        "",
        "a password does not belong into the config",
    );
    refused("", "schema_change = \"drop\"", "`drop` is not `refuse`");
    refused("", "schema = -1", "squall.toml");
    let site = Site::handler(&guest("state03"), "key_value = [\"a b\", \"a\", \"a\"]");
    let (_, stderr) = site.run();
    assert!(stderr.contains("`a b` is not a name for a bucket"), "{stderr}");
    assert!(stderr.contains("`a` is in the list twice"), "{stderr}");
}

#[test]
fn check_says_what_a_component_may_keep_without_opening_it() {
    let server = serve("state03", "health = \"/get?default&a\"");
    // While it is served.
    let (status, stdout, stderr) = squall(&["check", "."], server.site.folder.path());
    assert!(status.success(), "{stderr}");
    let line = stdout.lines().find(|line| line.contains("wasi:keyvalue/store@")).unwrap();
    assert!(line.ends_with("granted"), "{line}");
    let site = Site::handler(&guest("state02"), "");
    let (_, stdout, _) = squall(&["check", "."], site.folder.path());
    assert!(stdout.contains("to grant it: key_value = [\"default\"]"), "{stdout}");
}
