//! From options to a site that could be served, or to all that stands in its way.

use super::{App, CacheChoice, Options};
use crate::config::{Config, Reading};
use crate::limits::{LiveLimits, raise_descriptors};
use crate::meter::ServerMeter;
use crate::offload::SITE;
use crate::site::{Place, Registry, State, Workshop, inspect_site, load_site};
use crate::wasm::{Cache, Runtime, default_folder};
use anyhow::{Context, Result};
use std::sync::Arc;

/// Loads a site, or says all that is wrong with it. Nothing of it is run while its config
/// is wrong: what it may reach is then not known for sure.
pub(super) async fn load(options: Options, purpose: Purpose) -> Result<App, Vec<String>> {
    let tell = |error: anyhow::Error| format!("{error:#}");
    let read = options.source.read(&[]).map_err(|error| vec![tell(error)])?;
    let Reading { config, mut problems } = read;
    let limits = LiveLimits::new(&config.limits, raise_descriptors());
    let limits = limits.map_err(|error| problems.push(tell(error)));
    let (Ok(limits), true) = (limits, problems.is_empty()) else {
        return Err(and_of_files(problems, config).await);
    };
    let meter = Arc::new(ServerMeter::default());
    let place = match purpose {
        Purpose::Serve => Place::Configured(config.state.clone()),
        Purpose::Check => Place::Nowhere,
    };
    let state = State::new(place, &limits, &meter);
    let workshop = workshop(&options.cache, state, &limits).map_err(|error| vec![tell(error)])?;
    match load_site(&workshop, config.clone()).await {
        Ok(site) => {
            let registry = Registry::new(site, limits);
            Ok(App { options, config, registry, workshop, meter })
        }
        Err(problems) => {
            workshop.close().await;
            Err(and_of_files(problems, config).await)
        }
    }
}

/// What a site is loaded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Serve,
    /// To see whether it could be served, perhaps while it is.
    Check,
}

/// These problems, and what else is wrong with the files of a site.
async fn and_of_files(mut problems: Vec<String>, config: Config) -> Vec<String> {
    let inspected = SITE.run(move || inspect_site(&config)).await;
    for problem in inspected.unwrap_or_default() {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    problems
}

fn workshop(cache: &CacheChoice, state: State, limits: &LiveLimits) -> Result<Workshop> {
    let cache = open_cache(cache, limits)?;
    let runtime = Runtime::new(limits, cache).context("cannot start the clock of guests")?;
    Ok(Workshop::new(runtime, state, limits))
}

fn open_cache(choice: &CacheChoice, limits: &LiveLimits) -> Result<Option<Cache>> {
    match choice {
        CacheChoice::Off => Ok(None),
        // Asked for by name: it must work.
        CacheChoice::Folder(folder) => Cache::open(folder, limits).map(Some),
        CacheChoice::Default => {
            let Some(folder) = default_folder() else { return Ok(None) };
            match Cache::open(&folder, limits) {
                Ok(cache) => Ok(Some(cache)),
                Err(error) => {
                    tracing::warn!("compiling without cache: {error:#}");
                    Ok(None)
                }
            }
        }
    }
}
