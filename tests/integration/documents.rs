//! What the documents say is what the code has.

use crate::support::server::{Site, squall};
use squall::fault::FaultKind;
use squall_test_guests::{guest, root};
use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

#[test]
fn the_reference_has_every_fault_with_its_status() {
    let reference = read("docs/reference.md");
    for &kind in FaultKind::ALL {
        let row =
            reference.lines().find(|line| line.starts_with(&format!("| `{}` |", kind.label())));
        let row = row.unwrap_or_else(|| panic!("no row for `{}`", kind.label()));
        let status = kind.status().as_u16().to_string();
        // Work after an answer has nobody to be told.
        assert!(row.contains(&status) || kind == FaultKind::PostReturn, "{row}");
    }
}

#[test]
fn the_reference_has_every_metric_and_no_other() {
    let reference = read("docs/reference.md");
    let server = Site::component(&guest("hello03")).start();
    server.get("/");
    let text = crate::support::client::get(server.admin, "/metrics").text();
    let mut known = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        assert!(reference.contains(&format!("`{name}`")), "`{name}` is not in the reference");
        known.push(name);
    }
    for name in reference.split('`').filter(|word| word.starts_with("squall_")) {
        assert!(known.iter().any(|k| k == name), "`{name}` is in the reference only");
    }
}

#[test]
fn the_reference_has_every_key_of_the_config() {
    let reference = read("docs/reference.md");
    let raw = read("host/src/config/raw.rs");
    for line in raw.lines().filter_map(|line| line.trim().strip_prefix("pub(super) ")) {
        let Some((key, _)) = line.split_once(':') else { continue };
        if key.contains(' ') {
            continue;
        }
        let named = [format!("`{key}`"), format!("{key} ="), format!("[{key}")];
        assert!(
            named.iter().any(|text| reference.contains(text)),
            "`{key}` is not in the reference"
        );
    }
}

/// The config by example in the README is one that is taken.
#[test]
fn the_readmes_config_is_valid() {
    let readme = read("README.md");
    let config = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let site = Site::toml(config).env("SHOP_API_KEY", "x");
    site.write("shop.wasm", guest("hello03"));
    site.write("cert.pem", "x");
    site.write("public/index.html", "x");
    site.write("templates/x", "x");
    let (status, stdout, stderr) = squall(&["limits", "."], site.folder.path());
    assert!(status.success(), "{stderr}");
    assert!(stdout.contains("memory") && stdout.contains("128 MiB"), "{stdout}");
}

#[test]
fn the_promises_and_the_words_are_there() {
    for (file, words) in [
        ("SECURITY.md", "any 500 is a bug"),
        ("ARCHITECTURE.md", "What must stay true"),
        ("CONTRIBUTING.md", "cargo test"),
        ("CHANGELOG.md", "## "),
        ("LICENSE", "Apache License"),
    ] {
        assert!(read(file).contains(words), "{file}");
    }
    let (status, _, _) = squall(&["--version"], Path::new("."));
    assert!(status.success());
}
