//! A new config: the whole of it or nothing.

use super::super::handler::Handler;
use super::super::load::{Workshop, describe};
use super::super::registry::{Registry, Site};
use crate::config::{Config, Source};
use crate::id::HandlerName;
use std::sync::Arc;

/// What came of reading the config again.
pub(super) enum Applied {
    Unchanged,
    Site { site: Site, summary: String },
    Refused(String),
}

/// Reads the config, and makes a site of it if it says something new. Handlers
/// whose part did not change keep their generation.
pub(super) async fn run(source: Source, workshop: Workshop, registry: Arc<Registry>) -> Applied {
    let current = registry.site().clone();
    let keep: Vec<HandlerName> =
        current.handlers().map(|(handler, _)| handler.name.clone()).collect();
    let loaded = tokio::task::spawn_blocking(move || source.load(&keep)).await;
    let config = match loaded {
        Ok(Ok(config)) => config,
        Ok(Err(error)) => return Applied::Refused(format!("{error:#}")),
        Err(error) => return Applied::Refused(format!("the host panicked: {error}")),
    };
    if config == *current.config {
        return Applied::Unchanged;
    }
    if let Some(key) = fixed_part(&current.config, &config) {
        return Applied::Refused(format!(
            "`{key}` cannot change while the server runs; restart it"
        ));
    }
    match build(&workshop, &current, config).await {
        Ok((site, summary)) => Applied::Site { site, summary },
        Err(reason) => Applied::Refused(reason),
    }
}

/// What was settled when the process started.
fn fixed_part(old: &Config, new: &Config) -> Option<&'static str> {
    let parts = [
        ("server.listen", old.listen != new.listen),
        ("server.admin", old.admin != new.admin),
        ("server.trusted_proxies", old.trusted_proxies != new.trusted_proxies),
        ("server.access_log", old.access_log != new.access_log),
        ("server.outbound_ca", old.outbound_ca != new.outbound_ca),
        ("server.limits", old.limits != new.limits),
    ];
    parts.into_iter().find(|(_, changed)| *changed).map(|(key, _)| key)
}

async fn build(
    workshop: &Workshop,
    current: &Site,
    config: Config,
) -> Result<(Site, String), String> {
    let mut generations = Vec::new();
    let (mut new, mut changed) = (Vec::new(), Vec::new());
    for (name, wanted) in &config.handlers {
        let known = current.find(name);
        if let Some((handler, generation)) = known.filter(|(_, g)| g.config == *wanted) {
            generations.push((handler.clone(), generation.clone()));
            continue;
        }
        let handler = match known {
            Some((handler, _)) => {
                changed.push(name.to_string());
                handler.clone()
            }
            None => {
                new.push(name.to_string());
                Handler::new(name.clone())
            }
        };
        let generation = workshop
            .load(&handler, wanted)
            .await
            .map_err(|error| describe(name, &wanted.component.display().to_string(), &error))?;
        handler.reloads.succeeded(&generation, generation.component.origin.took());
        generations.push((handler, generation));
    }
    let gone: Vec<String> = current
        .handlers()
        .map(|(handler, _)| &handler.name)
        .filter(|name| !config.handlers.contains_key(name))
        .map(ToString::to_string)
        .collect();
    let summary = summary(&new, &changed, &gone);
    let site = Site::new(Arc::new(config), generations).map_err(|e| format!("{e:#}"))?;
    Ok((site, summary))
}

fn summary(new: &[String], changed: &[String], gone: &[String]) -> String {
    let parts = [("new", new), ("changed", changed), ("removed", gone)];
    let texts: Vec<String> = parts
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(word, names)| format!("{word} {}", names.join(", ")))
        .collect();
    if texts.is_empty() { "routes".into() } else { texts.join("; ") }
}
