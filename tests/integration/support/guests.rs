//! The components that tests serve, built when first needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A guest of `tests/fixtures`, compiled.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    fs::read(folder().join(format!("{name}.wasm")))
        .unwrap_or_else(|e| panic!("guest `{name}`: {e}"))
}

/// `version02` or `version03` with another version in it, which makes another
/// component of it.
pub(crate) fn version(name: &str, version: u32) -> Vec<u8> {
    const MARKER: &[u8] = b"@v0000000@";
    let mut bytes = guest(name);
    let places: Vec<usize> = bytes
        .windows(MARKER.len())
        .enumerate()
        .filter(|(_, w)| *w == MARKER)
        .map(|(i, _)| i)
        .collect();
    assert_eq!(places.len(), 1, "the marker must be there once");
    bytes[places[0]..places[0] + MARKER.len()].copy_from_slice(marker(version).as_bytes());
    bytes
}

/// What a guest of this version says at the start and at the end of its answer.
pub(crate) fn marker(version: u32) -> String {
    format!("@v{version:07}@")
}

/// A component of `wasi:http/proxy@0.2` whose handler is `body`, and whose core
/// module also has `fields` (memories, tables, a start function).
pub(crate) fn wat02(fields: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
          (import "wasi:http/types@0.2.0" (instance $types
            (export "incoming-request" (type (sub resource)))
            (export "response-outparam" (type (sub resource)))))
          (alias export $types "incoming-request" (type $request))
          (alias export $types "response-outparam" (type $out))
          (core module $m
            {fields}
            (func (export "handle") (param i32 i32) {body}))
          (core instance $i (instantiate $m))
          (func $handle (param "request" (own $request)) (param "response-out" (own $out))
            (canon lift (core func $i "handle")))
          (instance $handler (export "handle" (func $handle)))
          (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#
    );
    wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}"))
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Where everything that tests compile goes, to be found by the next run.
pub(crate) fn scratch() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| root().join("target")).join("guests")
}

fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let fixtures = root().join("tests/fixtures");
        squall::build::add_target(&fixtures, &mut |line| println!("{line}")).unwrap();
        let built = Command::new("cargo")
            .args(["build", "--release", "--examples", "--target", squall::build::TARGET])
            .current_dir(fixtures)
            .env("CARGO_TARGET_DIR", scratch())
            .status()
            .unwrap();
        assert!(built.success(), "the fixtures do not compile");
        scratch().join(squall::build::TARGET).join("release/examples")
    })
}
