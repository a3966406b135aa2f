//! The rules of the house that a test can keep (ARCHITECTURE.md, "What must stay
//! true").

use squall_test_guests::root;
use std::fs;
use std::path::{Path, PathBuf};

/// All Rust files below `folder`, with their text without comments.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                found.extend(sources(&path));
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code = code.collect::<Vec<_>>().join("\n");
            found.push((path, code));
        }
    }
    found
}

fn host() -> Vec<(String, String)> {
    let folder = root().join("host/src");
    let relative = |path: PathBuf| path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
    sources(&folder).into_iter().map(|(path, code)| (relative(path), code)).collect()
}

/// `word` as a whole word.
fn names(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let ident = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !ident(code[..at].chars().next_back()) && !ident(code[at + word.len()..].chars().next())
    })
}

#[test]
fn libraries_are_named_where_they_belong() {
    let rules: [(&str, &[&str]); 9] = [
        ("wasmtime", &["wasm"]),
        ("wasmtime_wasi", &["wasm"]),
        ("wasmtime_wasi_http", &["wasm"]),
        ("hyper", &["server", "ops", "upstream"]),
        ("hyper_util", &["server", "ops", "upstream"]),
        ("notify", &["site/watch.rs"]),
        ("redb", &["store"]),
        ("redis", &["store"]),
        ("clap", &["cli", "main.rs", "logging.rs"]),
    ];
    for (path, code) in host() {
        for (library, homes) in rules {
            let at_home = homes.iter().any(|home| {
                path == *home
                    || path == format!("{home}.rs")
                    || path.starts_with(&format!("{home}/"))
            });
            let used = code.contains(&format!("{library}::"));
            let prefixed = library == "wasmtime" && !names(&code, "wasmtime");
            assert!(at_home || !used || prefixed, "`{path}` names `{library}`");
        }
    }
}

#[test]
fn a_module_uses_only_what_stands_above_it() {
    let layers: [&[&str]; 7] = [
        &["limits", "id", "body", "headers", "fault", "meter"],
        &["path", "route", "policy", "config"],
        &["logging", "alarm", "offload", "files", "upstream", "store"],
        &["wasm"],
        &["site"],
        &["server", "ops"],
        &["app", "build"],
    ];
    let layer_of = |module: &str| layers.iter().position(|layer| layer.contains(&module));
    for (path, code) in host() {
        let module = path.split('/').next().unwrap().trim_end_matches(".rs");
        let Some(layer) = layer_of(module) else { continue };
        for (i, above) in layers.iter().enumerate().skip(layer + 1) {
            for other in *above {
                let used = code.contains(&format!("crate::{other}::"));
                // `use crate::{other, ...}` would hide from this.
                assert!(!code.contains("crate::{"), "`{path}` names several modules at once");
                assert!(!used, "`{path}` (layer {layer}) uses `{other}` (layer {i})");
            }
        }
    }
}

#[test]
fn only_guests_have_the_blocking_threads_of_the_runtime() {
    for (path, code) in host() {
        for word in ["spawn_blocking", "lookup_host"] {
            let allowed = path == "offload.rs" || path.contains("/tests/");
            assert!(allowed || !names(&code, word), "`{path}` has `{word}`");
        }
        // Polled on other threads.
        let files = code.matches("tokio::fs::").count();
        assert!(path == "files/snapshot.rs" || files == 0, "`{path}` names `tokio::fs`");
    }
}

#[test]
fn unsafe_code_is_in_one_place() {
    for (path, code) in host() {
        let count = code.matches("unsafe {").count() + code.matches("unsafe fn").count();
        let allowed = usize::from(path == "wasm/cache.rs");
        assert!(count <= allowed, "`{path}` has {count} unsafe blocks");
    }
}

#[test]
fn files_say_what_they_are_and_stay_readable() {
    for (path, _) in sources(&root().join("host/src")) {
        let text = fs::read_to_string(&path).unwrap();
        let path = path.display();
        let is_tests = path.to_string().contains("/tests");
        assert!(is_tests || text.starts_with("//!"), "`{path}` has no module doc");
        assert!(text.lines().count() <= 600, "`{path}` has more than 600 lines");
        assert!(!text.lines().any(|line| line.ends_with(' ')), "`{path}` has spaces at line ends");
    }
}

#[test]
fn nothing_in_the_repository_is_about_one_machine() {
    for folder in ["host", "guest-sdk", "plugins", "tests", "examples"] {
        for (path, _) in sources(&root().join(folder)) {
            let text = fs::read_to_string(&path).unwrap();
            if path.ends_with("structure.rs") {
                continue;
            }
            for word in ["/work/", "/root/.cargo"] {
                assert!(!text.contains(word), "`{}` contains `{word}`", path.display());
            }
        }
    }
}
