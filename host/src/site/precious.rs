//! What no handler may write: the config, and what handlers are made of; and what none may
//! even read: what all of them keep. The config's check compares names; here the links are
//! followed. Everything here blocks.

use super::refusal::LoadError;
use super::watch::folders_of;
use crate::config::{Access, Config, Folder, HandlerConfig};
use std::path::{Path, PathBuf};

/// Where the precious files of a config really are, with every link on the way.
#[derive(Debug)]
pub(super) struct Precious {
    files: Vec<PathBuf>,
    /// The state's file, or where it is going to be.
    state: Option<PathBuf>,
}

impl Precious {
    pub(super) fn of(config: &Config) -> Self {
        let mut state = config.state_file().into_iter().flat_map(Path::ancestors);
        let state = state.find_map(|path| path.canonicalize().ok());
        if !config.handlers.values().any(|handler| written(handler).next().is_some()) {
            return Precious { files: Vec::new(), state };
        }
        let of_handlers = config.handlers.values().flat_map(HandlerConfig::precious);
        let places = config.file.iter().cloned().chain(of_handlers).flat_map(|path| {
            let mut places = folders_of(&path);
            places.push(path);
            places
        });
        let files = places.filter_map(|place| place.canonicalize().ok()).collect();
        Precious { files, state }
    }

    /// Refuses a handler that may write what decides on grants, or reach what others keep.
    pub(super) fn check(&self, config: &HandlerConfig) -> Result<(), LoadError> {
        for folder in &config.grants.folders {
            let Ok(place) = folder.host.canonicalize() else { continue };
            if self.state.as_ref().is_some_and(|state| state.starts_with(&place)) {
                return Err(LoadError::Grant(folder.why_not_granted()));
            }
        }
        for folder in written(config) {
            let Ok(place) = folder.host.canonicalize() else { continue };
            if self.files.iter().any(|precious| precious.starts_with(&place)) {
                return Err(LoadError::Grant(folder.why_not_written()));
            }
        }
        Ok(())
    }
}

fn written(config: &HandlerConfig) -> impl Iterator<Item = &Folder> {
    config.grants.folders.iter().filter(|folder| folder.access == Access::ReadWrite)
}
