//! What no handler may write: the config, and what handlers are made of. The config's
//! check compares names; here the links are followed. Everything here blocks.

use super::refusal::LoadError;
use super::watch::folders_of;
use crate::config::{Access, Config, Folder, HandlerConfig};
use std::path::PathBuf;

/// Where the precious files of a config really are, with every link on the way.
#[derive(Debug)]
pub(super) struct Precious(Vec<PathBuf>);

impl Precious {
    pub(super) fn of(config: &Config) -> Self {
        if !config.handlers.values().any(|handler| written(handler).next().is_some()) {
            return Precious(Vec::new());
        }
        let of_handlers = config.handlers.values().flat_map(HandlerConfig::precious);
        let places = config.file.iter().cloned().chain(of_handlers).flat_map(|path| {
            let mut places = folders_of(&path);
            places.push(path);
            places
        });
        Precious(places.filter_map(|place| place.canonicalize().ok()).collect())
    }

    /// Refuses a handler that may write any of it.
    pub(super) fn check(&self, config: &HandlerConfig) -> Result<(), LoadError> {
        for folder in written(config) {
            let Ok(place) = folder.host.canonicalize() else { continue };
            if self.0.iter().any(|precious| precious.starts_with(&place)) {
                return Err(LoadError::Grant(folder.why_not_written()));
            }
        }
        Ok(())
    }
}

fn written(config: &HandlerConfig) -> impl Iterator<Item = &Folder> {
    config.grants.folders.iter().filter(|folder| folder.access == Access::ReadWrite)
}
