//! Signatures of native handlers: the keys are files or variables of the operator's, and
//! nobody else sees them.

use crate::support::server::{Server, Site, squall};
use crate::support::{SOON, eventually};
use squall_test_guests::guest;

const OLD: &str = "old-key-0123456789-0123456789-0123456789";
const NEW: &str = "new-key-0123456789-0123456789-0123456789";

fn config(keys: &str) -> String {
    format!(
        "[[routes]]\nmount = \"/\"\nhandler = \"app\"\n[handlers.app]\ncomponent = \"app.wasm\"\n\
         {keys}\n"
    )
}

fn site(keys: &str) -> Site {
    let site = Site::toml(&config(keys));
    site.write("app.wasm", guest("faults_web"));
    site
}

fn sign(server: &Server, message: &str) -> String {
    server.get(&format!("/sign?login*{message}")).text()
}

fn verify(server: &Server, purpose: &str, message: &str, signature: &str) -> String {
    server.get(&format!("/verify?{purpose}*{message}*{signature}")).text()
}

fn await_generation(server: &Server, wanted: u64) {
    eventually(SOON, "the generation", || server.generation("app") == wanted);
}

#[test]
fn what_is_signed_is_valid_for_what_it_was_signed_for() {
    let site = site("signing_keys = [{ file = \"key\" }]");
    site.write("key", format!("{OLD}\n"));
    let server = site.start();
    let signature = sign(&server, "ada");
    assert_eq!(signature.len(), 64, "{signature}");
    assert_eq!(verify(&server, "login", "ada", &signature), "valid");
    assert_eq!(verify(&server, "login", "eve", &signature), "void");
    assert_eq!(verify(&server, "other", "ada", &signature), "void");
    assert_eq!(verify(&server, "login", "ada", &signature[2..]), "void");
    assert_eq!(verify(&server, "login", "ada", ""), "void");
    // The end of the line in the file is not a part of the key.
    let site = self::site("signing_keys = [{ env = \"KEY\" }]").env("KEY", OLD);
    assert_eq!(sign(&site.start(), "ada"), signature);
}

#[test]
fn without_a_key_a_handler_is_told_so() {
    let server = site("").start();
    assert_eq!(sign(&server, "ada"), "no key");
    assert_eq!(verify(&server, "login", "ada", "00"), "no key");
}

#[test]
fn a_key_is_replaced_without_voiding_what_it_has_signed() {
    let site = site("signing_keys = [{ file = \"key\" }]");
    site.write("key", OLD);
    site.write("next", NEW);
    let server = site.start();
    let by_old = sign(&server, "ada");
    let both = config("signing_keys = [{ file = \"next\" }, { file = \"key\" }]");
    server.site.replace("squall.toml", both);
    await_generation(&server, 2);
    let by_new = sign(&server, "ada");
    assert_ne!(by_new, by_old, "the first one signs");
    assert_eq!(verify(&server, "login", "ada", &by_old), "valid");
    assert_eq!(verify(&server, "login", "ada", &by_new), "valid");
    server.site.replace("squall.toml", config("signing_keys = [{ file = \"next\" }]"));
    await_generation(&server, 3);
    assert_eq!(verify(&server, "login", "ada", &by_old), "void");
    assert_eq!(verify(&server, "login", "ada", &by_new), "valid");
}

#[test]
fn a_key_whose_file_changes_makes_a_generation() {
    let site = site("signing_keys = [{ file = \"key\" }]");
    site.write("key", OLD);
    let server = site.start();
    let by_old = sign(&server, "ada");
    server.site.replace("key", NEW);
    await_generation(&server, 2);
    assert_eq!(verify(&server, "login", "ada", &by_old), "void");
    // One that is none changes nothing.
    server.site.replace("key", "short");
    let line = server.await_log("a signing key has at least 32 bytes");
    assert!(line.contains("signing_keys[0]") && line.contains("has 5"), "{line}");
    assert_eq!(server.generation("app"), 2);
    assert_eq!(sign(&server, "ada").len(), 64);
    let told = format!("{:?}{:?}{}", server.stderr(), server.access(), server.status());
    assert!(!told.contains("old-key") && !told.contains("new-key"), "{told}");
}

#[test]
fn keys_that_are_none_are_refused() {
    let short = &OLD[..31];
    for (keys, words) in [
        (
            "signing_keys = [{ file = \"short\" }]",
            "a signing key has at least 32 bytes, and this one has 31; make one with `openssl rand -hex 32`",
        ),
        ("signing_keys = [{ file = \"key\" }, { file = \"none\" }]", "`signing_keys[1]`: `"),
        (
            "signing_keys = [{ env = \"NOT_SET_ANYWHERE\" }]",
            "the variable `NOT_SET_ANYWHERE` is not set",
        ),
        ("signing_keys = [{ file = \"bytes\" }]", "it is not UTF-8"),
        ("signing_keys = [{ file = \"key\", env = \"KEY\" }]", "a secret has either `env`"),
        ("signing_keys = [{}]", "a secret has either `env`"),
        ("signing_keys = [\"key\"]", "squall.toml:6:17"),
        ("signing_keys = { file = \"key\" }", "squall.toml:6:16"),
    ] {
        let site = site(keys);
        site.write("key", OLD);
        site.write("short", short);
        site.write("bytes", [0xff; 40]);
        for command in ["check", "serve"] {
            let mut args = vec![command, "squall.toml"];
            if command == "serve" {
                args.extend(["--listen", "127.0.0.1:0"]);
            }
            let (status, stdout, stderr) = squall(&args, site.folder.path());
            assert_eq!(status.code(), Some(64), "{keys}: {stderr}");
            assert!(stderr.contains(words), "{keys}: {stderr}");
            assert!(!stderr.contains("old-key") && !stdout.contains("old-key"), "{stdout}{stderr}");
        }
    }
}

#[test]
fn check_tells_who_may_sign() {
    for (keys, told) in [
        ("", "denied; to grant it: signing_keys = [{ file = \"signing.key\" }]"),
        ("signing_keys = [{ file = \"key\" }]", "granted"),
    ] {
        let site = site(keys);
        site.write("key", OLD);
        let (status, stdout, stderr) = squall(&["check", "."], site.folder.path());
        assert!(status.success(), "{stderr}");
        let line = stdout.lines().find(|line| line.contains("squall:web/signing@")).unwrap();
        assert!(line.ends_with(told), "{line}");
    }
}
