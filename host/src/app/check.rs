//! All that `serve` would refuse, found without binding.

use super::load::{Purpose, load};
use super::{CacheChoice, Options};
use crate::config::{HandlerConfig, Reading, Source};
use crate::id::HandlerName;
use crate::limits::Size;
use crate::offload::SITE;
use crate::site::read_component;
use crate::wasm::{Import, Shape, default_isolation, inspect};
use anyhow::Result;
use std::path::PathBuf;

/// What `squall check` has found.
#[derive(Debug)]
pub struct Report {
    pub handlers: Vec<HandlerReport>,
    /// What `serve` would refuse.
    pub problems: Vec<String>,
}

#[derive(Debug)]
pub struct HandlerReport {
    pub name: HandlerName,
    pub component: PathBuf,
    /// `None` if the file is no component.
    pub shape: Option<Shape>,
    pub isolation: &'static str,
    pub imports: Vec<Import>,
}

/// Does all that comes before binding, and reports on each handler.
pub async fn check(source: Source) -> Result<Report> {
    let read = source.read(&[]);
    let handlers = SITE.run(move || {
        // What cannot be read is among the problems.
        let Ok(Reading { config, .. }) = read else { return Vec::new() };
        let size = config.limits.component_size;
        config.handlers.iter().map(|(name, handler)| report(name, handler, size)).collect()
    });
    let handlers = handlers.await?;
    let options = Options {
        source,
        listen: None,
        admin: None,
        access_log: None,
        cache: CacheChoice::Default,
    };
    let problems = load(options, Purpose::Check).await.err().unwrap_or_default();
    Ok(Report { handlers, problems })
}

fn report(name: &HandlerName, handler: &HandlerConfig, size: Size) -> HandlerReport {
    let bytes = read_component(&handler.component, size);
    let shape = bytes.ok().and_then(|bytes| inspect(&bytes).ok());
    let isolation = match (handler.isolation, &shape) {
        (Some(isolation), _) => isolation.label(),
        (None, Some(shape)) => default_isolation(shape.world).label(),
        (None, None) => "unknown",
    };
    HandlerReport {
        name: name.clone(),
        component: handler.component.clone(),
        imports: shape
            .as_ref()
            .map(|shape| shape.imports_with(&handler.grants))
            .unwrap_or_default(),
        shape,
        isolation,
    }
}
