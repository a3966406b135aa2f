//! A core module that carries the type of a component becomes one.
//!
//! Compilers without WASI make such modules: bindings generators put the component's
//! type into custom sections, for a tool to use that comes after the linker. It need not
//! be run: we do the same when we load the file.

use super::inspect::{NotAHandler, preamble};
use std::borrow::Cow;
use wasmparser::{Encoding, Parser, Payload};
use wit_component::ComponentEncoder;

/// The component in `bytes`: what they are, or what is made of them.
pub(super) fn component_of(bytes: &[u8]) -> Result<Cow<'_, [u8]>, NotAHandler> {
    preamble(bytes)?;
    if !has_component_type(bytes) {
        return Ok(Cow::Borrowed(bytes));
    }
    // wasmtime checks the result anyway.
    let encoder = ComponentEncoder::default().validate(false).module(bytes);
    let encoded = encoder.and_then(|mut encoder| encoder.encode());
    encoded.map(Cow::Owned).map_err(|error| NotAHandler::Unwrappable(format!("{error:#}")))
}

/// Whether this is a core module with the type of a component in it. What is wrong with
/// the file is said by who reads all of it.
fn has_component_type(bytes: &[u8]) -> bool {
    let (mut is_module, mut has_type) = (false, false);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::Version { encoding: Encoding::Module, .. }) => is_module = true,
            Ok(Payload::CustomSection(section)) if is_module => {
                has_type |= section.name().starts_with("component-type");
            }
            Ok(_) if is_module => {}
            Ok(_) | Err(_) => return false,
        }
    }
    has_type
}
