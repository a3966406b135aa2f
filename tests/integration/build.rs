//! A crate becomes a component.

use crate::support::server::{Site, squall};
use squall_test_guests::root;
use std::fs;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// Crates of one name have one place in the folder that cargo compiles into, so another
/// test must not compile between this one's compiling and reading.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
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
    let _alone = alone();
    let site = site(CDYLIB);
    for command in ["serve", "limits", "check"] {
        let stderr = refused(&site, &[command, "plugin"]);
        assert!(stderr.contains("run `squall build plugin`"), "{stderr}");
    }
    let (status, _, stderr) = squall(&["build", "plugin"], site.folder.path());
    assert!(status.success(), "{stderr}");
    assert!(site.file("plugin/tiny.wasm").exists(), "{stderr}");
    let (_, _, stderr) = squall(&["build", "plugin/Cargo.toml"], site.folder.path());
    assert!(stderr.contains("plugin/tiny.wasm is up to date"), "{stderr}");
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
    let _alone = alone();
    let site = site(CDYLIB);
    site.write("plugin/.cargo/config.toml", "[build]\nrustflags = [\"--cfg\", \"wanted\"]\n");
    let settings = "#[cfg(not(wanted))]\ncompile_error!(\"without its settings\");\n";
    site.write("plugin/src/lib.rs", format!("{}\n{settings}", hello()));
    let (status, _, stderr) = squall(&["build", "plugin"], site.folder.path());
    assert!(status.success(), "{stderr}");
}

#[test]
fn only_a_library_makes_a_component() {
    let _alone = alone();
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
    // A library without a handler takes no handler's place either.
    site.write("plugin/src/lib.rs", "");
    let stderr = refused(&site, &["build", "plugin"]);
    assert!(stderr.contains("needs `#[handler]`): it exports nothing"), "{stderr}");
    assert!(!site.file("plugin/tiny.wasm").exists());
    site.write("plugin/src/lib.rs", hello());
    site.write("plugin/src/main.rs", program);
    let (status, _, stderr) = squall(&["build", "plugin"], site.folder.path());
    assert!(status.success(), "{stderr}");
    assert_eq!(site.path("plugin").start().get("/").text(), "Hello, World!\n");
}

#[test]
fn what_is_no_plugin_is_told_with_what_to_do() {
    let _alone = alone();
    let site = site("");
    site.write("empty/.keep", "");
    let stderr = refused(&site, &["build", "empty"]);
    assert!(
        stderr.contains("neither a `Cargo.toml`") && stderr.contains("`squall.toml`"),
        "{stderr}"
    );
    let stderr = refused(&site, &["build", "empty/Cargo.toml"]);
    assert!(stderr.contains("`empty` is not a crate: it has no `Cargo.toml`"), "{stderr}");

    site.write("broken/Cargo.toml", "[package\n");
    let stderr = refused(&site, &["build", "broken"]);
    assert!(stderr.contains("broken/Cargo.toml") && stderr.contains("line 1"), "{stderr}");

    let config = "[[routes]]\nmount = \"/\"\nhandler = \"shop\"\n\
                  [handlers.shop]\ncomponent = \"shop.wasm\"\n";
    site.write("squall.toml", config);
    let stderr = refused(&site, &["build", "."]);
    assert!(stderr.contains("no handler of `.` has a `source`"), "{stderr}");
    site.write("squall.toml", format!("{config}source = \"plugins/shop\"\n"));
    let stderr = refused(&site, &["build", "."]);
    assert!(stderr.contains("handler `shop`: `./plugins/shop` is not a crate"), "{stderr}");
}

#[test]
fn a_workspace_names_the_plugins_in_it() {
    let _alone = alone();
    let site = Site::empty();
    let member = |name: &str, library: &str| {
        let package = format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n{library}");
        site.write(&format!("all/plugins/{name}/Cargo.toml"), package);
        site.write(&format!("all/plugins/{name}/src/lib.rs"), "");
    };
    site.write("all/Cargo.toml", "[workspace]\nmembers = [\"plugins/*\"]\nresolver = \"3\"\n");
    member("one", CDYLIB);
    member("two", CDYLIB);
    member("words", "");
    for command in ["build", "serve", "check"] {
        let stderr = refused(&site, &[command, "all"]);
        let commands = "(`squall build all/plugins/one`, `squall build all/plugins/two`)";
        assert!(stderr.contains(commands) && stderr.contains("`source`"), "{stderr}");
    }
    // Of one that cargo cannot read it does not say more than it knows.
    site.write("all/plugins/two/Cargo.toml", "");
    let stderr = refused(&site, &["build", "all"]);
    assert!(stderr.contains("`all` is a workspace; name the folder of a crate"), "{stderr}");
}

#[test]
fn a_manifest_stands_for_its_crate() {
    let _alone = alone();
    let site = site("");
    let stderr = refused(&site, &["build", "plugin/Cargo.toml"]);
    assert!(stderr.contains("`plugin` makes no component"), "{stderr}");
    let output = Command::new(env!("CARGO_BIN_EXE_squall"))
        .args(["build", "Cargo.toml"])
        .current_dir(site.file("plugin"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("`.` makes no component"), "{stderr}");
}

/// What `squall build plugin` says as it fails where only these programs are on the path.
fn with_programs(site: &Site, programs: &[(&str, &str)]) -> String {
    let _ = fs::remove_dir_all(site.file("bin"));
    fs::create_dir(site.file("bin")).unwrap();
    for (name, script) in programs {
        // Not written by this process: what another test starts meanwhile would hold the
        // file open for writing, and such a file cannot be run.
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$0\" && chmod +x \"$0\"";
        let file = site.file(&format!("bin/{name}"));
        let written = Command::new("sh").args(["-c", write]).arg(file).arg(script).status();
        assert!(written.unwrap().success());
    }
    let output = Command::new(env!("CARGO_BIN_EXE_squall"))
        .args(["build", "plugin"])
        .current_dir(site.folder.path())
        .env("PATH", site.file("bin"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(64), "{stderr}");
    stderr
}

#[test]
fn a_toolchain_that_is_missing_or_fails_is_told_of() {
    let _alone = alone();
    let site = site(CDYLIB);
    let stderr = with_programs(&site, &[]);
    assert!(stderr.contains("`rustc` is not on the path; install Rust from"), "{stderr}");
    let fails = ("rustc", "echo 'toolchain 1.2.3 is not installed' >&2; exit 1");
    let stderr = with_programs(&site, &[fails]);
    assert!(stderr.contains("`rustc` failed") && stderr.contains("1.2.3"), "{stderr}");
}

#[test]
fn a_missing_target_is_added_or_told_of() {
    let _alone = alone();
    let site = site(CDYLIB);
    let sysroot = site.file("sysroot");
    let rustc = format!("echo '{}'", sysroot.display());
    let rustc = ("rustc", rustc.as_str());
    let adding = "adding the target wasm32-wasip2 (`rustup target add wasm32-wasip2`)";

    let stderr = with_programs(&site, &[rustc]);
    assert!(stderr.contains("lacks the target wasm32-wasip2"), "{stderr}");
    assert!(stderr.contains("no `rustup`") && stderr.contains("https://rustup.rs"), "{stderr}");
    let stderr = with_programs(&site, &[rustc, ("rustup", "echo 'no network' >&2; exit 1")]);
    assert!(
        stderr.contains("no network") && stderr.contains("failed (exit status: 1)"),
        "{stderr}"
    );
    // Rust of a distribution first on the path, and rustup with another beside it.
    let stderr = with_programs(&site, &[rustc, ("rustup", "exit 0")]);
    assert!(stderr.contains("has added it to another one"), "{stderr}");

    let adds = format!("/bin/mkdir -p {}/lib/rustlib/$3", sysroot.display());
    let stderr = with_programs(&site, &[rustc, ("rustup", &adds)]);
    assert!(stderr.contains(adding), "{stderr}");
    assert!(stderr.contains("`cargo` is not on the path"), "the next step: {stderr}");
    let stderr = with_programs(&site, &[rustc, ("cargo", "exit 1")]);
    assert!(!stderr.contains(adding) && stderr.contains("does not compile"), "{stderr}");
}

#[test]
fn a_site_that_is_not_built_yet_says_how() {
    let _alone = alone();
    let site = site(CDYLIB);
    site.write("squall.toml", "[handlers.app]\ncomponent = \"app.wasm\"\nsource = \"plugin\"\n");
    let stderr = refused(&site, &["check", "."]);
    assert!(stderr.contains("there is no such file; `squall build` makes it of `"), "{stderr}");
    assert!(stderr.contains("plugin`"), "{stderr}");
}
