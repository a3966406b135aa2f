//! What handlers keep, through `wasi:keyvalue`.

use crate::support::server::{Server, Site};
use squall_test_guests::guest;

const WORLDS: [&str; 2] = ["state02", "state03"];

fn serve(world: &str, handler: &str) -> Server {
    Site::handler(&guest(world), &format!("key_value = [\"default\", \"other\"]\n{handler}"))
        .start()
}

fn ask(server: &Server, target: &str) -> String {
    let reply = server.get(target);
    assert_eq!(reply.status, 200, "{target}: {}", reply.text());
    reply.text()
}

/// Asks one after another, and compares the answers.
fn talk(server: &Server, lines: &[(&str, &str)]) {
    for (target, answer) in lines {
        assert_eq!(ask(server, target), *answer, "{target}");
    }
}

fn operations(server: &Server, operation: &str, outcome: &str) -> f64 {
    server.metric(&format!(
        "squall_state_operations_total{{handler=\"app\",operation=\"{operation}\",outcome=\"{outcome}\"}}"
    ))
}

#[test]
fn every_function_does_what_it_says() {
    for world in WORLDS {
        println!("{world}");
        let server = serve(world, "");
        talk(
            &server,
            &[
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
            ],
        );
        assert_eq!(operations(&server, "set_many", "ok"), 1.0);
        assert!(operations(&server, "compare_and_swap", "ok") >= 5.0);
        let status = server.status();
        // b=3, n=-2, m=2, s=third.
        let state = serde_json::json!({ "schema": 0, "bytes": 4 + 1 + 2 + 1 + 5, "keys": 4 });
        assert_eq!(status["handlers"][0]["state"], state, "{status}");
        assert!(status["state"].as_str().unwrap().starts_with("redb in `"), "{status}");
    }
}
