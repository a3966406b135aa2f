//! From a file's bytes to a component that can be called: inspected, compiled or
//! taken from the cache, and checked against what the host offers.

use super::cache::{Cache, ContentHash};
use super::data::Data;
use super::engine::{Concurrency, Engines};
use super::imports;
use super::inspect::{NotAHandler, Shape, World, shape_of};
use super::web::WebPre;
use super::wrap::component_of;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use wasmtime::Engine;
use wasmtime::component::{Component as Compiled, Linker};
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p3::bindings::ServicePre;

/// A component that is ready to be instantiated. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    pub hash: ContentHash,
    /// The size of its file, in bytes.
    pub size: u64,
    pub shape: Arc<Shape>,
    pub origin: Origin,
    pub(super) entry: Entry,
}

/// How the compiled code was come by, and how long that took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Compiled(Duration),
    Cached(Duration),
}

impl Origin {
    pub fn took(self) -> Duration {
        match self {
            Origin::Compiled(took) | Origin::Cached(took) => took,
        }
    }
}

/// The export that answers requests, linked.
#[derive(Clone)]
pub(super) enum Entry {
    Http02(ProxyPre<Data>),
    Http03(ServicePre<Data>),
    Web(WebPre<Data>),
}

/// Why a file was refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    NotAHandler(#[from] NotAHandler),
    #[error("{}", missing_text(.0))]
    MissingImports(Vec<String>),
    #[error("it cannot be compiled: {0}")]
    Compile(String),
    #[error("it does not fit what this Squall offers: {0}")]
    Link(String),
    #[error("{0}")]
    Host(String),
}

/// What the component in `bytes` is. Neither compiles nor runs it.
pub fn inspect(bytes: &[u8]) -> Result<Shape, NotAHandler> {
    shape_of(&component_of(bytes)?)
}

/// What a component is, if it is a handler and imports nothing that there is not.
pub fn examine(bytes: &[u8]) -> Result<Shape, Refused> {
    offered(inspect(bytes)?)
}

fn offered(shape: Shape) -> Result<Shape, Refused> {
    let is_missing = |name: &&String| !imports::is_known(shape.world, name);
    let missing: Vec<String> = shape.imports.iter().filter(is_missing).cloned().collect();
    if missing.is_empty() { Ok(shape) } else { Err(Refused::MissingImports(missing)) }
}

/// Loads components for one process.
#[derive(Clone)]
pub struct Loader(Arc<Inner>);

struct Inner {
    engines: Engines,
    cache: Option<Cache>,
    single: OnceLock<Linker<Data>>,
    many: OnceLock<Linker<Data>>,
}

impl Loader {
    pub(super) fn new(engines: Engines, cache: Option<Cache>) -> Self {
        let inner = Inner { engines, cache, single: OnceLock::new(), many: OnceLock::new() };
        Loader(Arc::new(inner))
    }

    /// Does everything short of running the component. Takes seconds for a large
    /// one: call it off the async threads.
    pub fn load(&self, bytes: &[u8]) -> Result<Component, Refused> {
        let size = bytes.len() as u64;
        let component = component_of(bytes)?;
        let shape = offered(shape_of(&component)?)?;
        let concurrency = match shape.world {
            World::Http02 => Concurrency::Single,
            World::Http03 | World::Web => Concurrency::Many,
        };
        let hash = ContentHash::of(bytes);
        let engine =
            self.0.engines.get(concurrency).map_err(|e| Refused::Host(format!("{e:#}")))?;
        let (compiled, origin) = self.compile(&engine, hash, &component)?;
        let entry = self.link(&engine, concurrency, shape.world, &compiled)?;
        Ok(Component { hash, size, shape: Arc::new(shape), origin, entry })
    }

    fn compile(
        &self,
        engine: &Engine,
        hash: ContentHash,
        bytes: &[u8],
    ) -> Result<(Compiled, Origin), Refused> {
        let began = Instant::now();
        if let Some(cached) = self.0.cache.as_ref().and_then(|cache| cache.get(engine, hash)) {
            return Ok((cached, Origin::Cached(began.elapsed())));
        }
        let compiled =
            Compiled::from_binary(engine, bytes).map_err(|e| Refused::Compile(format!("{e:#}")))?;
        let origin = Origin::Compiled(began.elapsed());
        if let Some(cache) = &self.0.cache {
            cache.put(engine, hash, &compiled);
        }
        Ok((compiled, origin))
    }

    fn link(
        &self,
        engine: &Engine,
        concurrency: Concurrency,
        world: World,
        compiled: &Compiled,
    ) -> Result<Entry, Refused> {
        let refuse = |e: wasmtime::Error| Refused::Link(format!("{e:#}"));
        let slot = match concurrency {
            Concurrency::Single => &self.0.single,
            Concurrency::Many => &self.0.many,
        };
        let linker = match slot.get() {
            Some(linker) => linker,
            None => {
                let linker = imports::linker(engine, concurrency).map_err(refuse)?;
                slot.get_or_init(|| linker)
            }
        };
        // Only copies what the first instance would otherwise copy.
        compiled.initialize_copy_on_write_image().map_err(refuse)?;
        let pre = linker.instantiate_pre(compiled).map_err(refuse)?;
        Ok(match world {
            World::Http02 => Entry::Http02(ProxyPre::new(pre).map_err(refuse)?),
            World::Http03 => Entry::Http03(ServicePre::new(pre).map_err(refuse)?),
            World::Web => Entry::Web(WebPre::new(pre).map_err(refuse)?),
        })
    }
}

fn missing_text(missing: &[String]) -> String {
    let names: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
    let newer = missing.iter().any(|name| name.starts_with("wasi:") || name.starts_with("squall:"));
    let hint = if newer { "; it was perhaps built with a newer WIT" } else { "" };
    format!("it imports {}, which this Squall does not offer{hint}", names.join(", "))
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component")
            .field("hash", &self.hash)
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Loader")
    }
}
