//! O15: a component that understands another state than the one that is there.

use crate::support::server::{Server, Site};
use crate::support::state::{ask, config, try_ask, with_schema};
use crate::support::versions::{reloads, trouble};
use crate::support::wat::wat02;
use crate::support::{SOON, eventually, eventually_eq};
use squall_test_guests::{guest, marker, version};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A version of the code that understands the state of the same number.
fn code(number: u32) -> Vec<u8> {
    with_schema(version("state03", number), &number.to_string())
}

fn site(handler: &str, component: &[u8]) -> Site {
    let site = Site::toml(&config("", "", handler));
    site.write("app.wasm", component);
    site
}

fn schema(server: &Server) -> u64 {
    server.status()["handlers"][0]["state"]["schema"].as_u64().unwrap()
}

#[test]
fn o15_a_component_of_another_schema_is_refused() {
    let server = site("", &code(1)).start();
    assert_eq!(ask(&server, "/mark?default&k"), format!("{} none", marker(1)));
    server.site.replace("app.wasm", code(2));
    eventually(SOON, "refusing it", || reloads(&server, "rejected") == 1.0);
    let said = "its state is of schema 1, and this component is of schema 2; put back one of schema 1, or give this one state of its own with `schema_change = \"fresh\"`";
    assert_eq!(trouble(&server).unwrap(), said);
    assert_eq!(ask(&server, "/mark?default&k"), format!("{0} {0}", marker(1)));
    // At a start too, once it has been served.
    let site = server.stop();
    let (status, stderr) = site.run();
    assert_eq!(status.code(), Some(64), "{stderr}");
    assert!(stderr.contains(said), "{stderr}");
    site.replace("app.wasm", code(1));
    let server = site.start();
    assert_eq!(ask(&server, "/mark?default&k"), format!("{0} {0}", marker(1)));
    // Another version of the same schema is welcome.
    server.site.replace("app.wasm", with_schema(version("state03", 3), "1"));
    let taken_over = format!("{} {}", marker(3), marker(1));
    eventually_eq(SOON, "the swap", &taken_over, || ask(&server, "/mark?default&k"));
    // The operator knows better.
    server.site.replace("app.wasm", code(2));
    eventually(SOON, "refusing it", || reloads(&server, "rejected") == 1.0);
    server.site.write("squall.toml", config("", "", "schema = 1"));
    let taken_over = format!("{} {}", marker(2), marker(1));
    eventually_eq(SOON, "the config", &taken_over, || ask(&server, "/mark?default&k"));
    assert_eq!(schema(&server), 1);
}

#[test]
fn o15_a_component_of_another_schema_has_state_of_its_own() {
    let server = site("schema_change = \"fresh\"", &code(1)).start();
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|client| {
            let (stop, address) = (stop.clone(), server.address);
            std::thread::spawn(move || {
                let mut answered = 0;
                while !stop.load(Ordering::Relaxed) {
                    let text = try_ask(address, &format!("/mark?default&k{client}"));
                    let text = text.expect("an answer");
                    let (code, found) = text.split_once(' ').unwrap();
                    assert!(found == "none" || found == code, "{code} has read {found}");
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for flip in 0..30 {
        let number = 2 - flip % 2;
        server.site.replace("app.wasm", code(number));
        eventually_eq(SOON, "the swap", &u64::from(number), || schema(&server));
        let text = ask(&server, "/mark?default&k0");
        assert!(text.starts_with(&marker(number)), "{text}");
    }
    stop.store(true, Ordering::Relaxed);
    let answered: u64 = load.into_iter().map(|client| client.join().unwrap()).sum();
    assert!(answered > 100);
    // A way back finds what was left there.
    for number in [2, 1, 2] {
        server.site.replace("app.wasm", code(number));
        eventually_eq(SOON, "the swap", &u64::from(number), || schema(&server));
        assert_eq!(ask(&server, "/mark?default&k0"), format!("{0} {0}", marker(number)));
    }
    // What served last is what is remembered, whether a file or the config has brought it.
    let site = server.stop();
    site.write("squall.toml", config("", "", ""));
    let server = site.start();
    assert_eq!(ask(&server, "/mark?default&k0"), format!("{0} {0}", marker(2)));
    server.site.write("squall.toml", config("", "", "schema = 5\nschema_change = \"fresh\""));
    eventually_eq(SOON, "the config", &5, || schema(&server));
    assert_eq!(ask(&server, "/mark?default&k0"), format!("{} none", marker(2)));
    let site = server.stop();
    site.write("squall.toml", config("", "", "schema = 5"));
    let server = site.start();
    assert_eq!(ask(&server, "/mark?default&k0"), format!("{0} {0}", marker(2)));
    server.site.write("squall.toml", config("", "", "schema = 2"));
    server.await_log("its state is of schema 5, and this component is of schema 2");
    assert_eq!(schema(&server), 5);
}

/// What was refused for another reason has not served: it claims nothing.
#[test]
fn o15_a_generation_that_never_served_leaves_no_schema() {
    let site = site("health = \"/\"", &wat_of_schema("9"));
    let (status, stderr) = site.run();
    assert_eq!(status.code(), Some(64), "{stderr}");
    assert!(stderr.contains("health request"), "{stderr}");
    site.write("squall.toml", config("", "", "health = \"/set?default&health&ok\""));
    site.replace("app.wasm", code(1));
    let server = site.start();
    assert_eq!(schema(&server), 1);
    assert_eq!(ask(&server, "/get?default&health"), "ok");
}

/// A component whose core module says so.
fn wat_of_schema(schema: &str) -> Vec<u8> {
    wat02(&format!("(@custom \"squall:schema\" \"{schema}\")"), "unreachable")
}

#[test]
fn a_schema_is_found_wherever_a_linker_has_put_it() {
    for (component, number) in [
        (wat_of_schema("7"), 7),
        (guest("state02"), 1),
        (guest("state03"), 0),
        (with_schema(guest("state03"), "4294967295"), u64::from(u32::MAX)),
    ] {
        let server = site("", &component).start();
        assert_eq!(schema(&server), number);
    }
    for (component, words) in [
        (wat_of_schema("seven"), "its section `squall:schema` is `seven`"),
        (with_schema(guest("state02"), "2"), "there twice, as 1 and 2"),
    ] {
        let (status, stderr) = site("", &component).run();
        assert_eq!(status.code(), Some(64), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
    }
}
