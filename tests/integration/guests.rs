//! Rows G: what a guest can do wrong, in all worlds.

use crate::support::aftermath::{Aftermath, site_with_canary};
use crate::support::client::{self, Wire};
use crate::support::fault_guests::{FAULTS, SHARING, in_all_worlds, one_thread};
use crate::support::server::{Server, Site};
use crate::support::wat::wat02;
use crate::support::{SOON, eventually};
use squall_test_guests::guest;
use std::time::{Duration, Instant};

/// A fault of the guest before its head: this status, this kind, nothing of the
/// inside in the answer, and the next request is fine.
fn fails(server: &mut Server, path: &str, status: u16, kind: &str) {
    let after = Aftermath::begin(server);
    let reply = server.get(path);
    assert_eq!(reply.status, status, "{path}: {}", reply.text());
    assert!(reply.complete);
    let text = reply.text();
    for word in ["wasm", "faults0", "unreachable", "/tmp", ".rs", "panic"] {
        assert!(!text.contains(word), "`{word}` in {text:?}");
    }
    assert!(reply.header("squall-request-id").is_some());
    assert_eq!(server.get("/").status, 200, "the next request");
    after.check(server, &[(kind, 1.0)]);
}

#[test]
fn g1_a_trap_is_a_502_that_tells_nothing() {
    in_all_worlds("", |server| {
        fails(server, "/trap", 502, "trap");
        fails(server, "/panic", 502, "trap");
        fails(server, "/exit", 502, "exit");
        let line = server.await_log("faults");
        assert!(line.contains("\"request\""), "{line}");
    });
}

#[test]
fn g1_the_log_has_the_guests_backtrace_with_names() {
    in_all_worlds("", |server| {
        server.get("/recurse");
        let line = server.await_log("\"kind\":\"stack\"");
        assert!(line.contains("recurse"), "no function names in {line}");
    });
}

#[test]
fn g2_no_answer_is_a_502() {
    let mut server = site_with_canary(&guest("faults02"), "").start();
    fails(&mut server, "/no-response", 502, "no_response");
    fails(&mut server, "/error", 502, "error_code");
    for world in SHARING {
        let mut server = site_with_canary(&guest(world), "").start();
        fails(&mut server, "/error", 502, "error_code");
    }
    let mut server = site_with_canary(&guest("faults_web"), "").start();
    fails(&mut server, "/cancelled", 502, "error_code");
    server.await_log("the handler stopped, although its client is there");
}

#[test]
fn g3_a_guest_that_never_waits_is_ended_and_its_neighbours_go_on() {
    for world in FAULTS {
        let mut server = one_thread(world, "cpu = \"300ms\"");
        let began = Instant::now();
        fails(&mut server, "/spin", 504, "cpu");
        assert!(began.elapsed() >= Duration::from_millis(300));
        // Computing within the limit is no fault.
        assert_eq!(server.get("/spin-ms?50").text(), "spun");
    }
}

#[test]
fn g3_waiting_is_not_computing() {
    for world in FAULTS {
        let server = one_thread(world, "cpu = \"100ms\"");
        assert_eq!(server.get("/sleep-ms?400").text(), "slept");
        for _ in 0..5 {
            assert_eq!(
                server.get("/spin-ms?40").text(),
                "spun",
                "each request has its own account"
            );
        }
    }
}

#[test]
fn g3_time_that_others_take_is_not_computing() {
    let site = site_with_canary(&guest("faults03"), "[handlers.app.limits]\ncpu = \"300ms\"");
    let server = site.start_under(&["taskset", "-c", "0"]);
    // So much work that it takes a third of the limit on a core of its own.
    let mut steps = 1_000_000_u64;
    while steps < 1_u64 << 40 {
        let began = Instant::now();
        assert_eq!(server.get(&format!("/work?{steps}")).status, 200);
        if began.elapsed() > Duration::from_millis(100) {
            break;
        }
        steps *= 2;
    }
    // They end by themselves, whatever becomes of this test.
    let mut burners: Vec<std::process::Child> = (0..7)
        .map(|_| {
            let mut command = std::process::Command::new("timeout");
            command.args(["20", "taskset", "-c", "0", "sh", "-c", "while :; do :; done"]);
            command.spawn().unwrap()
        })
        .collect();
    let began = Instant::now();
    let reply = server.get(&format!("/work?{steps}"));
    let took = began.elapsed();
    for burner in &mut burners {
        // `timeout` passes it on.
        let pid = rustix::process::Pid::from_child(burner);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = burner.wait();
    }
    assert_eq!(reply.status, 200, "after {took:?}: {}", reply.text());
    println!("on an eighth of a core it took {took:?}");
}

#[test]
fn g4_a_start_function_that_never_ends_is_ended() {
    // At load: refused.
    let spin = wat02("(func $spin (loop br 0)) (start $spin)", "unreachable");
    let (status, stderr) = Site::handler(&spin, "[handlers.app.limits]\ncpu = \"100ms\"").run();
    assert_eq!(status.code(), Some(64), "{stderr}");
    assert!(stderr.contains("computed for more than 100 ms"), "{stderr}");
}

#[test]
fn g5_a_guest_that_waits_for_ever_is_given_up_and_never_used_again() {
    in_all_worlds("head_deadline = \"300ms\"", |server| {
        fails(server, "/forever", 504, "deadline");
        for _ in 0..200 {
            assert_eq!(server.get("/").status, 200);
        }
    });
}

#[test]
fn g5_neighbours_in_the_instance_outlive_a_deadline() {
    for world in SHARING {
        let server =
            site_with_canary(&guest(world), "[handlers.app.limits]\nhead_deadline = \"3s\"")
                .start();
        let address = server.address;
        let waits: Vec<_> = (0..8)
            .map(|i| {
                let path = if i % 2 == 0 { "/forever" } else { "/sleep-ms?200" };
                std::thread::spawn(move || client::get(address, path).status)
            })
            .collect();
        let statuses: Vec<u16> = waits.into_iter().map(|w| w.join().unwrap()).collect();
        assert_eq!(statuses, [504, 200, 504, 200, 504, 200, 504, 200]);
        assert_eq!(server.get("/").status, 200);
    }
}

#[test]
fn g7_memory_is_bounded() {
    in_all_worlds("", |server| {
        let before = server.memory();
        fails(server, "/grow", 502, "memory");
        for _ in 0..20 {
            server.get("/grow");
        }
        let grown = server.memory().saturating_sub(before);
        assert!(
            grown < 200 << 10,
            "{grown} KiB more after 21 guests of at most 64 MiB, one at a time"
        );
    });
}

#[test]
fn g7_many_memories_share_one_limit() {
    let memories = "(memory $a 1) (memory $b 1) (memory $c 1)";
    let grow = "(drop (memory.grow $a (i32.const 400))) (drop (memory.grow $b (i32.const 400)))
        (if (i32.ne (memory.grow $c (i32.const 400)) (i32.const -1)) (then (loop br 0))) unreachable";
    let mut server = site_with_canary(&wat02(memories, grow), "").start();
    let after = Aftermath::begin(&server);
    // 3 x 25 MiB are more than 64 MiB; had the third grown, the guest would spin.
    assert_eq!(server.get("/").status, 502);
    after.check(&mut server, &[("memory", 1.0)]);
}

#[test]
fn g8_what_declares_too_much_is_refused_at_load() {
    let cases = [
        ("(memory 2000)", "memory"),
        ("(table 30000 funcref)", "table"),
        ("(memory 1) (memory 1) (memory 1) (memory 1) (memory 1)", "memor"),
    ];
    for (fields, word) in cases {
        let (status, stderr) = Site::handler(&wat02(fields, "unreachable"), "").run();
        assert_eq!(status.code(), Some(64), "{fields}: {stderr}");
        assert!(stderr.contains("handler `app`") && stderr.contains(word), "{stderr}");
    }
}

#[test]
fn g9_tables_are_bounded() {
    let fields = "(table $t 10 funcref)";
    let grow = "(if (i32.ne (table.grow $t (ref.null func) (i32.const 30000)) (i32.const -1))
        (then (loop br 0))) unreachable";
    let mut server = site_with_canary(&wat02(fields, grow), "").start();
    let after = Aftermath::begin(&server);
    assert_eq!(server.get("/").status, 502);
    after.check(&mut server, &[("memory", 1.0)]);
}

#[test]
fn g10_deep_recursion_traps() {
    in_all_worlds("", |server| fails(server, "/recurse", 502, "stack"));
}

#[test]
fn g11_bulk_copies_are_interrupted() {
    for world in FAULTS {
        let mut server = one_thread(world, "cpu = \"300ms\"");
        fails(&mut server, "/copy", 504, "cpu");
    }
}

#[test]
fn g12_header_fields_of_a_guest_are_checked_and_bounded() {
    in_all_worlds("cpu = \"5s\"", |server| {
        let text = server.get("/headers?33000").text();
        assert!(
            text.is_empty() || text.starts_with("refused") || text.contains("handler failed"),
            "{text}"
        );
        assert_eq!(server.get("/bad-header").text(), "eeeee");
        let reply = server.get("/forbidden-header");
        // Some worlds refuse them, and in another they go no further than to us.
        assert!(reply.text() == "eeeee" || reply.header("x-mine") == Some("kept"), "{reply:?}");
        for name in ["transfer-encoding", "upgrade", "keep-alive"] {
            assert_eq!(reply.header(name), None);
        }
        assert_eq!(server.get("/").status, 200);
        assert_eq!(server.metric("squall_host_panics_total{handler=\"app\"}"), 0.0);
    });
}

/// The native world has no call that could refuse a field: what elsewhere is an error of
/// one is here a fault of the answer.
#[test]
fn g12_a_native_head_that_is_none_is_a_fault_of_the_answer() {
    let app = "[handlers.app.limits]\nfields = \"1 MiB\"";
    let mut server = site_with_canary(&guest("faults_web"), app).start();
    let bad_header = (0..5).map(|i| format!("/bad-header?{i}"));
    let bad_fields = (0..6).map(|i| format!("/bad-fields?{i}"));
    let too_many = ["/headers?33000".to_owned()];
    for path in bad_header.chain(bad_fields).chain(too_many) {
        fails(&mut server, &path, 502, "header");
    }
    // Names are written in lower case, whatever the guest writes.
    let request = "GET /mirror HTTP/1.1\nHost: test\nX-Upper: 1\nConnection: close\n\n";
    assert!(client::send(server.address, request).head.contains("x-upper: 1"));
    assert_eq!(server.get("/headers?90").headers("x-89").count(), 1);
    let mut server = site_with_canary(&guest("faults_web"), "").start();
    // More bytes than `fields`.
    fails(&mut server, "/headers?20000", 502, "header");
    fails(&mut server, "/bad-trailers", 502, "error_code");
}

#[test]
fn g14_statuses_that_are_no_answer_are_refused() {
    in_all_worlds("", |server| {
        for status in [100, 101, 103] {
            let reply = server.get(&format!("/status?{status}"));
            assert!(reply.status == 502 || reply.text() == "refused", "{status}: {reply:?}");
        }
        let reply = server.get("/status?0");
        assert!(reply.status == 502 || reply.text() == "refused", "{reply:?}");
        let mut wire = Wire::open(server.address);
        for status in [204, 304, 200] {
            wire.request(&format!("GET /status?{status} HTTP/1.1\nHost: test\n\n"));
            let reply = wire.reply();
            assert_eq!(reply.status, status, "the connection stays in step");
            assert_eq!(reply.body.is_empty(), status != 200);
        }
        wire.request("HEAD /status?200 HTTP/1.1\nHost: test\n\n");
        assert_eq!(wire.reply_to("HEAD").unwrap().status, 200);
        wire.request("GET / HTTP/1.1\nHost: test\n\n");
        assert_eq!(wire.reply().text(), "ok");
    });
}

#[test]
fn g14_a_native_status_is_from_200_to_599() {
    let mut server = site_with_canary(&guest("faults_web"), "").start();
    for status in [0, 1, 99, 100, 101, 199, 600, 999, 1000, 65_535] {
        fails(&mut server, &format!("/status?{status}"), 502, "header");
    }
    for status in [200, 418, 599] {
        let reply = server.get(&format!("/status?{status}"));
        assert_eq!((reply.status, reply.text().as_str()), (status, "body"));
    }
}

#[test]
fn g20_resources_are_bounded_and_freed() {
    in_all_worlds("", |server| {
        fails(server, "/resources", 502, "resources");
        let descriptors = server.descriptors();
        for _ in 0..20 {
            assert_eq!(server.get("/resources").status, 502);
        }
        assert!(server.descriptors() <= descriptors + 2);
    });
}

#[test]
fn g21_work_after_the_answer_is_bounded() {
    for world in SHARING {
        let app = "isolation = \"request\"\n[handlers.app.limits]\npost_return = \"300ms\"";
        let mut server = site_with_canary(&guest(world), app).start();
        assert_eq!(server.get("/after?50").text(), "answered");
        server.await_log("background work is done");
        let after = Aftermath::begin(&server);
        assert_eq!(server.get("/after?600000").text(), "answered");
        eventually(SOON, "ending the instance", || {
            server.metric("squall_instances{handler=\"app\"}") == 0.0
        });
        after.check(&mut server, &[("post_return", 1.0)]);
    }
}

#[test]
fn g22_a_flood_of_host_calls_is_computing() {
    for world in FAULTS {
        let mut server = one_thread(world, "cpu = \"200ms\"");
        fails(&mut server, "/hostcalls", 504, "cpu");
        fails(&mut server, &format!("/big-call?{}", 4 << 20), 502, "hostcall");
    }
    // A body that is handed over whole is handed over in one call.
    let mut server = one_thread("faults_web", "");
    assert_eq!(server.get(&format!("/whole?{}", 1 << 20)).body.len(), 1 << 20);
    fails(&mut server, &format!("/whole?{}", 4 << 20), 502, "hostcall");
}

#[test]
fn g1_a_core_module_fails_like_a_component() {
    for guest_name in ["hello_core", "sdk_core"] {
        let mut server = site_with_canary(&guest(guest_name), "").start();
        fails(&mut server, "/panic", 502, "trap");
        let line = server.await_log("\"kind\":\"trap\"");
        assert!(line.contains("handle"), "no function names in {line}");
    }
    // Nobody but the SDK says there what a panic says.
    let server = site_with_canary(&guest("sdk_core"), "").start();
    server.get("/panic");
    let line = server.await_log("a panic in the guest");
    assert!(line.contains("\"level\":\"ERROR\"") && line.contains("\"request\""), "{line}");
}

#[test]
fn g26_a_guest_inherits_nothing() {
    for world in FAULTS {
        let server =
            site_with_canary(&guest(world), "").env("CANARY_SECRET", "do-not-tell").start();
        let text = server.get("/reach").text();
        assert!(text.contains("env=[]"), "{text}");
        assert!(text.contains("root=None passwd=false stdin=Some(0) tcp=false"), "{text}");
        let all = format!("{text}{:?}{:?}", server.stderr(), server.access());
        assert!(!all.contains("do-not-tell"));
    }
}
