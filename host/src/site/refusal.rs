//! Why something does not serve, and what must change before it can.

use super::read::ReadError;
use crate::config::HandlerConfig;
use crate::id::{HandlerName, SchemaNumber};
use crate::wasm::{NotAHandler, Refused};

/// Why a file does not become a generation.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    File(#[from] ReadError),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("{0}")]
    Grant(String),
    #[error(
        "its state is of schema {served}, and this component is of schema {schema}; put back one of schema {served}, or give this one state of its own with `schema_change = \"fresh\"`"
    )]
    Schema { served: SchemaNumber, schema: SchemaNumber },
    #[error("it cannot be instantiated: {0}")]
    Instance(String),
    #[error("health request `{path}`: {problem}")]
    Health { path: String, problem: String },
}

/// What must change before trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Blame {
    /// The content of the file.
    Content,
    /// Something else: a secret, a folder, an upstream, the state of the process.
    Surroundings,
    /// The file looks as if somebody were writing it.
    Unfinished,
}

impl LoadError {
    pub(super) fn blame(&self) -> Blame {
        match self {
            LoadError::Refused(Refused::NotAHandler(
                NotAHandler::Empty | NotAHandler::Truncated(_) | NotAHandler::Invalid(_),
            )) => Blame::Unfinished,
            LoadError::Refused(Refused::Host(_)) => Blame::Surroundings,
            LoadError::Refused(_) | LoadError::Schema { .. } => Blame::Content,
            LoadError::File(_)
            | LoadError::Grant(_)
            | LoadError::Instance(_)
            | LoadError::Health { .. } => Blame::Surroundings,
        }
    }
}

/// Why one part of a config cannot be served, in the words of a log.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) text: String,
    pub(super) blame: Blame,
}

impl Problem {
    pub(super) fn of(name: &HandlerName, config: &HandlerConfig, error: &LoadError) -> Self {
        let hint = match (error, &config.source) {
            (LoadError::File(ReadError::Missing), Some(source)) => {
                format!("; `squall build` makes it of `{}`", source.display())
            }
            _ => String::new(),
        };
        let text = format!("handler `{name}`: `{}`: {error}{hint}", config.component.display());
        Problem { text, blame: error.blame() }
    }

    /// One that stays until a file has another name or is gone.
    pub(super) fn of_name(text: String) -> Self {
        Problem { text, blame: Blame::Content }
    }

    /// One that may pass without a change of the config.
    pub(super) fn around(text: String) -> Self {
        Problem { text, blame: Blame::Surroundings }
    }
}
