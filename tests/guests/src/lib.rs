//! The components that tests and benchmarks serve, compiled when first needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A guest of `tests/fixtures`, compiled.
pub fn guest(name: &str) -> Vec<u8> {
    read(&guest_path(name))
}

/// A guest of `tests/fixtures/sdk`, compiled for Squall.
pub fn sdk_guest(name: &str) -> Vec<u8> {
    read(&sdk_guest_path(name))
}

/// The same guest, compiled as a component of `wasi:http` for any host; only those that a
/// test wants so.
pub fn standard_sdk_guest(name: &str) -> Vec<u8> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let guests = ["anywhere", "lines", "router", "state"].map(|name| ["--example", name]);
        let which = [&["--features", "wasi-http"], guests.as_flattened()].concat();
        // In a folder of its own: its files have the names of the others.
        compile("tests/fixtures/sdk", "sdk-standard", squall::build::TARGET, &which)
    });
    read(&folder.join(format!("{name}.wasm")))
}

/// The file of a guest of `tests/fixtures`. `NAME_core` is `NAME_web` without WASI, as a
/// core module.
pub fn guest_path(name: &str) -> PathBuf {
    match name.strip_suffix("_core") {
        Some(name) => core_modules().join(format!("{name}_web.wasm")),
        None => components().join(format!("{name}.wasm")),
    }
}

/// The file of a guest of `tests/fixtures/sdk`. `NAME_core` is `NAME` as a core module.
pub fn sdk_guest_path(name: &str) -> PathBuf {
    match name.strip_suffix("_core") {
        Some(name) => sdk_core_modules().join(format!("{name}.wasm")),
        None => sdk_components().join(format!("{name}.wasm")),
    }
}

/// `version02`, `version03`, `version_web` or `version_core` with another version in it,
/// which makes another component of it.
pub fn version(name: &str, version: u32) -> Vec<u8> {
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
pub fn marker(version: u32) -> String {
    format!("@v{version:07}@")
}

/// The bytes of an answer of these guests.
pub const VERSION_ANSWER: usize = 3020;

/// The repository.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("this crate is two folders below the repository").to_owned()
}

/// Where everything that tests compile goes, to be found by the next run.
pub fn scratch() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| root().join("target")).join("guests")
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|e| panic!("the guest `{}`: {e}", path.display()))
}

fn components() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| compile("tests/fixtures", "", squall::build::TARGET, &["--examples"]))
}

/// Only those that exist without WASI, and only if a test wants one.
fn core_modules() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let guests = ["hello_web", "sdk_web", "version_web"].map(|name| ["--example", name]);
        compile("tests/fixtures", "", "wasm32-unknown-unknown", guests.as_flattened())
    })
}

fn sdk_components() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        compile("tests/fixtures/sdk", "sdk", squall::build::TARGET, &["--examples"])
    })
}

/// Only what somebody asks for.
fn sdk_core_modules() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let guests = ["json", "state"].map(|name| ["--example", name]);
        compile("tests/fixtures/sdk", "sdk", "wasm32-unknown-unknown", guests.as_flattened())
    })
}

/// Compiles examples of a crate, in a folder of its own below the scratch folder; returns
/// the folder that they are in.
fn compile(krate: &str, folder: &str, target: &str, which: &[&str]) -> PathBuf {
    let (krate, scratch) = (root().join(krate), scratch().join(folder));
    #[expect(clippy::print_stderr, reason = "who waits for a test wants to know what for")]
    let mut say = |words: &str| eprintln!("{words}");
    squall::build::add_target(&krate, target, &mut say).expect("the target for WebAssembly");
    let built = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--target", target])
        .args(which)
        .current_dir(&krate)
        .env("CARGO_TARGET_DIR", &scratch)
        .status();
    assert!(built.is_ok_and(|status| status.success()), "`{}` does not compile", krate.display());
    scratch.join(target).join("release/examples")
}
