//! What a file is, told from its sections alone: no compilation, no execution.
//!
//! A file that is not a handler gets one message that says what it is, what was
//! expected and what to do.

use crate::id::SchemaNumber;
use std::collections::BTreeSet;
use wasmparser::{Encoding, Parser, Payload};

/// How a component wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// Exports `wasi:http/incoming-handler@0.2.x` (world `wasi:http/proxy`).
    Http02,
    /// Exports `wasi:http/handler@0.3.x` (world `wasi:http/service`).
    Http03,
    /// Exports `squall:web/handler@0.1.x`.
    Web,
}

impl World {
    pub fn label(self) -> &'static str {
        match self {
            World::Http02 => "wasi:http/proxy@0.2",
            World::Http03 => "wasi:http/service@0.3",
            World::Web => "squall:web@0.1",
        }
    }
}

/// A component that could be a handler.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    pub world: World,
    /// The interfaces it imports, such as `wasi:io/streams@0.2.6`, sorted.
    pub imports: Vec<String>,
    /// The state that it understands, by its section `squall:schema`.
    pub schema: Option<SchemaNumber>,
}

/// Why a file cannot be a handler.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NotAHandler {
    #[error("the file is empty")]
    Empty,
    /// Perhaps still being written.
    #[error("the file ends in the middle, after {0} bytes; is it still being written?")]
    Truncated(usize),
    #[error(
        "this is not WebAssembly (it begins with {0}); a handler is a component, as built for `wasm32-wasip2`"
    )]
    NotWasm(String),
    #[error(
        "this is WebAssembly text; a handler is a component in binary form: run `wasm-tools parse` on it"
    )]
    Text,
    #[error(
        "this is a core module without the type of a component; a handler is a component, or a module of `wasm32-unknown-unknown` that uses `squall-sdk` or other bindings: build it for `wasm32-wasip2`, or run `wasm-tools component new` on it"
    )]
    CoreModule,
    #[error(
        "this core module cannot be made a component: {0}; build it for `wasm32-wasip2`, or run `wasm-tools component new` on it"
    )]
    Unwrappable(String),
    #[error(
        "this is a `wasi:cli` command, a program that runs once; a handler exports `squall:web/handler@0.1`, `wasi:http/handler@0.3` or `wasi:http/incoming-handler@0.2`: build a library (`crate-type = [\"cdylib\"]`) with such an export"
    )]
    Command,
    #[error(
        "it exports `{0}`, which is newer than what this Squall serves (`squall:web/handler@0.1`, `wasi:http/handler@0.3`, `wasi:http/incoming-handler@0.2`); build it with an older WIT, or use a newer Squall"
    )]
    TooNew(String),
    #[error(
        "it exports `{0}`, a preview of what this Squall serves (`squall:web/handler@0.1`, `wasi:http/handler@0.3`, `wasi:http/incoming-handler@0.2`); build it with a newer toolchain"
    )]
    TooOld(String),
    #[error(
        "it exports {0}, but a handler exports `squall:web/handler@0.1`, `wasi:http/handler@0.3` (world `wasi:http/service`) or `wasi:http/incoming-handler@0.2` (world `wasi:http/proxy`)"
    )]
    NoHandler(String),
    #[error(
        "its section `squall:schema` is {0}, and not one number in decimal digits; write it as `b\"1\"`"
    )]
    BadSchema(String),
    #[error("it is not valid WebAssembly: {0}")]
    Invalid(String),
}

/// Reads the outer sections of `bytes`.
pub(super) fn shape_of(bytes: &[u8]) -> Result<Shape, NotAHandler> {
    preamble(bytes)?;
    let mut imports = BTreeSet::new();
    let mut exports = Vec::new();
    let mut schema = None;
    let mut depth = 0;
    let mut outermost = Encoding::Component;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|e| parse_error(&e, bytes.len()))? {
            Payload::Version { encoding, .. } => {
                if depth == 0 {
                    outermost = encoding;
                }
                depth += 1;
            }
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let import = import.map_err(|e| parse_error(&e, bytes.len()))?;
                    imports.insert(import.name.name.to_owned());
                }
            }
            // A linker puts it into the core module that it makes.
            Payload::CustomSection(section) if section.name() == SCHEMA => {
                schema = Some(schema_of(section.data(), schema)?);
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    let export = export.map_err(|e| parse_error(&e, bytes.len()))?;
                    exports.push(export.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    // Only at its end is it known to be whole.
    if outermost == Encoding::Module {
        return Err(NotAHandler::CoreModule);
    }
    let world = world_of(&exports)?;
    Ok(Shape { world, imports: imports.into_iter().collect(), schema })
}

/// The section in which a component says which state it understands.
const SCHEMA: &str = "squall:schema";

fn schema_of(text: &[u8], other: Option<SchemaNumber>) -> Result<SchemaNumber, NotAHandler> {
    let shown = || NotAHandler::BadSchema(format!("`{}`", text.escape_ascii()));
    let is_decimal = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(text).ok().filter(|_| is_decimal);
    let number = SchemaNumber(number.and_then(|n| n.parse().ok()).ok_or_else(shown)?);
    match other {
        Some(other) if other != number => {
            Err(NotAHandler::BadSchema(format!("there twice, as {other} and {number}")))
        }
        _ => Ok(number),
    }
}

/// Whether `bytes` begin like WebAssembly.
pub(super) fn preamble(bytes: &[u8]) -> Result<(), NotAHandler> {
    if bytes.is_empty() {
        return Err(NotAHandler::Empty);
    }
    if bytes.starts_with(b"\0asm") {
        return if bytes.len() < 8 { Err(NotAHandler::Truncated(bytes.len())) } else { Ok(()) };
    }
    if b"\0asm".starts_with(bytes) {
        return Err(NotAHandler::Truncated(bytes.len()));
    }
    let text = bytes.trim_ascii_start();
    if text.starts_with(b"(module") || text.starts_with(b"(component") || text.starts_with(b";;") {
        return Err(NotAHandler::Text);
    }
    let start: String = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
    Err(NotAHandler::NotWasm(format!("`{start}`")))
}

fn parse_error(error: &wasmparser::BinaryReaderError, len: usize) -> NotAHandler {
    // The reader asks for more bytes exactly where a shorter file would end.
    if error.message().contains("unexpected end") {
        return NotAHandler::Truncated(len);
    }
    NotAHandler::Invalid(error.to_string())
}

fn world_of(exports: &[String]) -> Result<World, NotAHandler> {
    let versions = |interface: &str| {
        let prefix = format!("{interface}@");
        exports
            .iter()
            .filter_map(move |export| Some((export, export.strip_prefix(&prefix)?.to_owned())))
    };
    let mut refused = None;
    for (export, version) in versions("squall:web/handler") {
        match semver_of(&version) {
            Some((0, 1, false)) => return Ok(World::Web),
            _ => refused = Some(NotAHandler::TooNew(export.clone())),
        }
    }
    let handlers = versions("wasi:http/handler").chain(versions("wasi:http/incoming-handler"));
    for (export, version) in handlers {
        match (export.contains("incoming"), semver_of(&version)) {
            (false, Some((0, 3, false))) => return Ok(World::Http03),
            (true, Some((0, 2, false))) => return Ok(World::Http02),
            (_, Some((0, minor, _))) if minor <= 3 => {
                refused = Some(NotAHandler::TooOld(export.clone()))
            }
            _ => refused = Some(NotAHandler::TooNew(export.clone())),
        }
    }
    if let Some(refused) = refused {
        return Err(refused);
    }
    if versions("wasi:cli/run").next().is_some() {
        return Err(NotAHandler::Command);
    }
    let names: Vec<String> = exports.iter().map(|export| format!("`{export}`")).collect();
    Err(NotAHandler::NoHandler(if names.is_empty() { "nothing".into() } else { names.join(", ") }))
}

/// Major, minor, and whether it is a pre-release.
fn semver_of(version: &str) -> Option<(u64, u64, bool)> {
    let (core, pre) = match version.split_once('-') {
        Some((core, _)) => (core, true),
        None => (version.split('+').next()?, false),
    };
    let mut parts = core.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, pre))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(exports: &[&str]) -> Result<World, NotAHandler> {
        world_of(&exports.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn worlds_are_told_by_their_exports() {
        assert_eq!(world(&["wasi:http/handler@0.3.0"]), Ok(World::Http03));
        assert_eq!(world(&["x", "wasi:http/handler@0.3.2"]), Ok(World::Http03));
        assert_eq!(world(&["wasi:http/incoming-handler@0.2.0"]), Ok(World::Http02));
        assert_eq!(world(&["wasi:http/incoming-handler@0.2.12"]), Ok(World::Http02));
        assert_eq!(world(&["wasi:cli/run@0.2.3"]), Err(NotAHandler::Command));
        assert_eq!(world(&["squall:web/handler@0.1.7"]), Ok(World::Web));
        assert_eq!(world(&["wasi:http/handler@0.3.0", "squall:web/handler@0.1.0"]), Ok(World::Web));
        assert!(matches!(world(&["squall:web/handler@0.2.0"]), Err(NotAHandler::TooNew(_))));
        assert!(matches!(world(&["wasi:http/handler@0.4.0"]), Err(NotAHandler::TooNew(_))));
        assert!(matches!(world(&["wasi:http/handler@1.0.0"]), Err(NotAHandler::TooNew(_))));
        let preview = "wasi:http/handler@0.3.0-rc-2026-01-06";
        assert!(matches!(world(&[preview]), Err(NotAHandler::TooOld(_))));
        assert!(matches!(world(&[]), Err(NotAHandler::NoHandler(_))));
    }

    #[test]
    fn a_schema_is_one_number() {
        let (one, two) = (Some(SchemaNumber(1)), Some(SchemaNumber(2)));
        assert_eq!(schema_of(b"2", None).ok(), two);
        assert_eq!(schema_of(b"2", two).ok(), two);
        assert!(schema_of(b"2", one).is_err());
        for text in ["", "x", "-1", "+1", " 1", "1\n", "4294967296"] {
            assert!(schema_of(text.as_bytes(), None).is_err(), "{text}");
        }
    }

    #[test]
    fn files_that_are_no_components_are_told_apart() {
        assert_eq!(shape_of(b""), Err(NotAHandler::Empty));
        assert_eq!(shape_of(b"\0as"), Err(NotAHandler::Truncated(3)));
        assert_eq!(shape_of(b"\0asm\x01\0\0\0"), Err(NotAHandler::CoreModule));
        let half = b"\0asm\x01\0\0\0\x01\x04\x01";
        assert_eq!(shape_of(half), Err(NotAHandler::Truncated(half.len())));
        assert_eq!(shape_of(b" (module)"), Err(NotAHandler::Text));
        assert!(matches!(shape_of(b"\x7fELF"), Err(NotAHandler::NotWasm(_))));
    }
}
