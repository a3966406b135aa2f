//! Values by key: the world's, or outside of a component the stand-in's, so that handlers
//! can be tested. All offer the same functions.

#[cfg(not(target_family = "wasm"))]
mod stand_in;

#[cfg(target_family = "wasm")]
pub(crate) use super::world::state::*;
#[cfg(not(target_family = "wasm"))]
pub(crate) use stand_in::*;
