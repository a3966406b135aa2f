//! What no handler may write: the config, what handlers are made of, and what they keep. The config's
//! check compares names; here the links are followed. Everything here blocks.

use super::refusal::LoadError;
use super::watch::folders_of;
use crate::config::{Access, Config, Folder, HandlerConfig};
use std::path::{Path, PathBuf};

/// Where the precious files of a config really are, with every link on the way.
#[derive(Debug)]
pub(super) struct Precious(Vec<PathBuf>);

impl Precious {
    pub(super) fn of(config: &Config) -> Self {
        if !config.handlers.values().any(|handler| written(handler).next().is_some()) {
            return Precious(Vec::new());
        }
        let of_handlers = config.handlers.values().flat_map(HandlerConfig::precious);
        // It may be made only later, and its folder too.
        let mut state = config.state.file().into_iter().flat_map(Path::ancestors);
        let state = state.find(|path| path.exists()).map(Path::to_owned);
        let whole = config.file.iter().cloned().chain(state);
        let places = whole.chain(of_handlers).flat_map(|path| {
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
