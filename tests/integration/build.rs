//! A crate becomes a component.

use crate::support::server::{Site, squall};
use squall_test_guests::root;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// A site with the crate `plugin` in it, whose `Cargo.toml` has `targets`.
fn site(targets: &str) -> Site {
    let site = Site::empty();
    let fixtures = root().join("tests/fixtures");
    site.write(
        "plugin/Cargo.toml",
        format!(
            "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{targets}\n\
             [dependencies]\nwasip2 = \"2\"\n[workspace]\n"
        ),
    );
    site.write("plugin/src/lib.rs", hello());
    fs::copy(fixtures.join("Cargo.lock"), site.file("plugin/Cargo.lock")).unwrap();
    site
}

const CDYLIB: &str = "[lib]\ncrate-type = [\"cdylib\"]";

fn hello() -> String {
    fs::read_to_string(root().join("tests/fixtures/guests/hello02.rs")).unwrap()
}

/// What `squall ARGS` says as it refuses.
fn refused(site: &Site, args: &[&str]) -> String {
    let (status, _, stderr) = squall(args, site.folder.path());
    assert_eq!(status.code(), Some(64), "{stderr}");
    stderr
}

#[test]
fn build_compiles_a_crate_and_serve_serves_it() {
    let site = site(CDYLIB);
    for command in ["serve", "limits", "check"] {
        let stderr = refused(&site, &[command, "plugin"]);
        assert!(stderr.contains("run `squall build plugin`"), "{stderr}");
    }
    let (status, _, stderr) = squall(&["build", "plugin"], site.folder.path());
    assert!(status.success(), "{stderr}");
    assert!(site.file("plugin/tiny.wasm").exists(), "{stderr}");
    let (status, stdout, stderr) = squall(&["limits", "plugin"], site.folder.path());
    assert!(status.success() && stdout.contains("[handler "), "{stdout}{stderr}");
    let server = site.path("plugin").start();
    assert_eq!(server.get("/").text(), "Hello, World!\n");
    // Breaking the source breaks nothing that serves.
    server.site.write("plugin/src/lib.rs", "this is not Rust");
    let stderr = refused(&server.site, &["build", "plugin"]);
    assert!(stderr.contains("does not compile"), "{stderr}");
    assert_eq!(server.get("/").text(), "Hello, World!\n");
}

#[test]
fn a_crate_is_compiled_with_its_own_settings() {
    let site = site(CDYLIB);
    site.write("plugin/.cargo/config.toml", "[build]\nrustflags = [\"--cfg\", \"wanted\"]\n");
    let settings = "#[cfg(not(wanted))]\ncompile_error!(\"without its settings\");\n";
    site.write("plugin/src/lib.rs", format!("{}\n{settings}", hello()));
    let (status, _, stderr) = squall(&["build", "plugin"], site.folder.path());
    assert!(status.success(), "{stderr}");
}

#[test]
fn only_a_library_makes_a_component() {
    // A program compiles too, and would be put where its handler's component belongs.
    let program = "fn main() {}";
    for targets in ["", "[lib]\ncrate-type = [\"rlib\"]"] {
        let site = site(targets);
        site.write("plugin/src/main.rs", program);
        let stderr = refused(&site, &["build", "plugin"]);
        assert!(stderr.contains("its `[lib]` needs `crate-type = [\"cdylib\"]`"), "{stderr}");
        assert!(!site.file("plugin/tiny.wasm").exists());
    }
    let site = site(CDYLIB);
    site.write("plugin/src/main.rs", program);
    let (status, _, stderr) = squall(&["build", "plugin"], site.folder.path());
    assert!(status.success(), "{stderr}");
    assert_eq!(site.path("plugin").start().get("/").text(), "Hello, World!\n");
}

#[test]
fn a_compiler_that_fails_is_told_of() {
    let site = site(CDYLIB);
    site.write("bin/rustc", "#!/bin/sh\necho 'toolchain 1.2.3 is not installed' >&2\nexit 1\n");
    fs::set_permissions(site.file("bin/rustc"), fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_squall"))
        .args(["build", "plugin"])
        .current_dir(site.folder.path())
        .env("PATH", site.file("bin"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{stderr}");
    assert!(stderr.contains("`rustc` failed") && stderr.contains("1.2.3"), "{stderr}");
}
