//! The worlds beside each other, and files that are of none.

use crate::support::client::{self, Wire};
use crate::support::server::{Site, squall};
use crate::support::versions::{Load, await_version};
use squall_test_guests::{guest, version};

const WORLDS: [(&str, &str); 4] = [
    ("hello02", "wasi:http/proxy@0.2"),
    ("hello03", "wasi:http/service@0.3"),
    ("hello_web", "squall:web@0.1"),
    ("hello_core", "squall:web@0.1"),
];

/// A route and a handler of each, at its name.
fn all() -> Site {
    let handler = |(name, _): (&str, &str)| {
        format!(
            "[[routes]]\nmount = \"/{name}\"\nhandler = \"{name}\"\n\
             [handlers.{name}]\ncomponent = \"{name}.wasm\"\n"
        )
    };
    let site = Site::toml(&WORLDS.map(handler).concat());
    for (name, _) in WORLDS {
        site.write(&format!("{name}.wasm"), guest(name));
    }
    site
}

#[test]
fn all_worlds_serve_side_by_side() {
    let server = all().start();
    let address = server.address;
    let calls: Vec<_> = (0..8)
        .map(|i| {
            std::thread::spawn(move || {
                let mut wire = Wire::open(address);
                for n in 0..50 {
                    let (name, _) = WORLDS[(i + n) % WORLDS.len()];
                    wire.request(&format!("GET /{name} HTTP/1.1\nHost: test\n\n"));
                    let reply = wire.reply();
                    let told = (reply.status, reply.text());
                    assert_eq!(told, (200, "Hello, World!\n".to_owned()), "{name}");
                    assert_eq!(reply.header("content-type"), Some("text/plain"));
                }
            })
        })
        .collect();
    for call in calls {
        call.join().unwrap();
    }
    let status = server.status();
    for (name, world) in WORLDS {
        let handlers = status["handlers"].as_array().unwrap();
        let handler = handlers.iter().find(|handler| handler["name"] == name).unwrap();
        assert_eq!(handler["world"], world);
        let isolation = if name == "hello02" { "request" } else { "shared" };
        assert_eq!(handler["isolation"], isolation);
        let answered = format!("squall_requests_total{{handler=\"{name}\",status=\"200\"}}");
        assert_eq!(server.metric(&answered), 100.0, "{name}");
    }
}

#[test]
fn check_tells_the_world_of_each() {
    let site = all();
    let (status, stdout, stderr) = squall(&["check", "."], site.folder.path());
    assert!(status.success(), "{stderr}");
    for (name, world) in WORLDS {
        let part = stdout.split("handler ").find(|part| part.starts_with(&format!("{name} ")));
        let part = part.unwrap_or_else(|| panic!("{name} in {stdout}"));
        assert!(part.contains(&format!("world {world}, isolation ")), "{part}");
        assert!(!part.contains("missing"), "{part}");
        // A core module imports nothing but what it calls.
        let wasi = part.contains("wasi:cli/") || part.contains("wasi:io/");
        assert_eq!(wasi, name != "hello_core", "{part}");
    }
}

/// Swapped while it serves, in either isolation, a native handler loses nothing.
#[test]
fn native_swaps_under_load_lose_nothing_in_either_isolation() {
    for isolation in ["request", "shared"] {
        let app = format!("isolation = \"{isolation}\"");
        let server = Site::handler(&version("version_web", 1), &app).start();
        let load = Load::with(&server, 8);
        for (v, name) in (2..=9).zip(["version_core", "version_web"].into_iter().cycle()) {
            server.site.replace("app.wasm", version(name, v));
            await_version(&server, v);
        }
        load.end();
        let faults = server.metrics();
        let faults = faults.iter().filter(|(name, _)| name.starts_with("squall_faults_total"));
        assert_eq!(faults.map(|(_, n)| n).sum::<f64>(), 0.0, "{isolation}");
    }
}

/// A module with a custom section of this content, by the name that tools look for.
fn with_type(module: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = wat::parse_str(module).unwrap();
    let name = "component-type:web";
    let mut section = vec![u8::try_from(name.len()).unwrap()];
    section.extend(name.as_bytes());
    section.extend(content);
    bytes.push(0);
    bytes.extend(leb128(section.len()));
    bytes.extend(section);
    bytes
}

fn leb128(mut n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (n & 0x7f) as u8;
        n >>= 7;
        bytes.push(if n == 0 { low } else { low | 0x80 });
        if n == 0 {
            return bytes;
        }
    }
}

/// The type of a native component, as a compiler leaves it in a core module.
fn native_type() -> Vec<u8> {
    let bytes = guest("hello_core");
    let payloads = wasmparser::Parser::new(0).parse_all(&bytes);
    let sections = payloads.filter_map(|payload| match payload.unwrap() {
        wasmparser::Payload::CustomSection(section) => Some(section),
        _ => None,
    });
    let mut types = sections.filter(|section| section.name().starts_with("component-type"));
    types.next().expect("a type").data().to_vec()
}

#[test]
fn files_that_are_no_handler_are_refused_with_what_to_do() {
    let preview1 = "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32)))
        (memory (export \"memory\") 1))";
    let exports = |name: &str, interface: &str| {
        let text = format!(
            "(component (core module $m (func (export \"f\")))
               (core instance $i (instantiate $m))
               (func $f (canon lift (core func $i \"f\")))
               (instance $handler (export \"{name}\" (func $f)))
               (export \"{interface}\" (instance $handler)))"
        );
        wat::parse_str(&text).unwrap()
    };
    let newer_import = wat::parse_str(
        "(component (import \"squall:web/log@0.2.0\" (instance))
           (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
           (func $f (canon lift (core func $i \"f\")))
           (instance $handler (export \"handle\" (func $f)))
           (export \"squall:web/handler@0.1.0\" (instance $handler)))",
    )
    .unwrap();
    let cases: [(&str, Vec<u8>, &[&str]); 8] = [
        (
            "a core module",
            wat::parse_str("(module)").unwrap(),
            &[
                "this is a core module without the type of a component",
                "`wasm32-wasip2`",
                "`wasm-tools component new`",
            ],
        ),
        (
            "a core module of preview 1",
            wat::parse_str(preview1).unwrap(),
            &["this is a core module without the type of a component", "`wasm32-wasip2`"],
        ),
        (
            "a type that is none",
            with_type("(module)", b"no type"),
            &["this core module cannot be made a component", "`wasm32-wasip2`"],
        ),
        (
            "a type without what it exports",
            with_type("(module (memory (export \"memory\") 1))", &native_type()),
            &[
                "this core module cannot be made a component",
                "squall:web/handler@0.1.0",
                "build it",
            ],
        ),
        (
            "a type, and imports of preview 1",
            with_type(preview1, &native_type()),
            &[
                "this core module cannot be made a component",
                "wasi_snapshot_preview1",
                "`wasm32-wasip2`",
            ],
        ),
        (
            "a newer handler",
            exports("handle", "squall:web/handler@0.2.0"),
            &["`squall:web/handler@0.2.0`, which is newer than", "use a newer Squall"],
        ),
        (
            "a newer import",
            newer_import,
            &["`squall:web/log@0.2.0`, which this Squall does not offer", "newer WIT"],
        ),
        (
            "a handler of another type",
            exports("handle", "squall:web/handler@0.1.0"),
            &["it cannot be instantiated", "type mismatch"],
        ),
    ];
    for (what, bytes, words) in cases {
        let site = Site::handler(&bytes, "");
        for command in ["check", "serve"] {
            let mut args = vec![command, "."];
            if command == "serve" {
                args.extend(["--listen", "127.0.0.1:0"]);
            }
            let (status, _, stderr) = squall(&args, site.folder.path());
            assert_eq!(status.code(), Some(64), "{what}: {stderr}");
            assert!(stderr.contains("handler `app`"), "{what}: {stderr}");
            for word in words {
                assert!(stderr.contains(word), "{what}: `{word}` in {stderr}");
            }
        }
    }
}

/// A server that has a good one keeps it, and says why.
#[test]
fn a_core_module_that_is_refused_replaces_nothing() {
    let server = Site::component(&guest("hello_core")).start();
    server.site.replace("app.wasm", with_type("(module)", b"no type"));
    server.await_log("this core module cannot be made a component");
    assert_eq!(client::get(server.address, "/").text(), "Hello, World!\n");
    server.site.replace("app.wasm", version("version_core", 2));
    await_version(&server, 2);
}
