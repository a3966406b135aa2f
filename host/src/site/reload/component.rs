//! A look at a handler: its component, its secrets and its folders.

use super::super::handler::{Generation, Handler};
use super::super::load::{Workshop, blocking};
use super::super::precious::Precious;
use super::super::refusal::LoadError;
use super::depends::Marks;
use super::look::{Look, Looked};
use crate::config::Config;
use crate::offload::SITE;
use crate::wasm::ContentHash;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a look at a handler came to.
pub(super) struct Examined {
    pub(super) marks: Marks,
    pub(super) took: Duration,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    /// It is what serves.
    Unchanged,
    /// It is what was refused.
    StillRefused,
    New(Arc<Generation>),
    Refused {
        error: LoadError,
        /// Of the file, if it could be read.
        content: Option<ContentHash>,
    },
}

/// Reads the handler's files and, if what they say is new, makes a generation of it.
pub(super) async fn examine(
    look: Look,
    workshop: Workshop,
    handler: Arc<Handler>,
    current: Arc<Generation>,
    site: Arc<Config>,
) -> Looked<Examined> {
    let began = Instant::now();
    let refused = look.refused;
    let marks = match SITE.run(move || look.glance()).await {
        Ok(Looked::Judged(marks)) => marks,
        Ok(Looked::Growing(marks)) => return Looked::Growing(marks),
        Ok(Looked::Nothing) | Err(_) => return Looked::Nothing,
    };
    let outcome = judge(&workshop, &handler, &current, site, refused).await;
    Looked::Judged(Examined { marks, took: began.elapsed(), outcome })
}

async fn judge(
    workshop: &Workshop,
    handler: &Arc<Handler>,
    current: &Generation,
    site: Arc<Config>,
    refused: Option<ContentHash>,
) -> Outcome {
    let config = &current.config;
    let (bytes, given) = match workshop.read(config, site.limits.component_size).await {
        Ok(read) => read,
        Err(error) => return Outcome::Refused { error, content: None },
    };
    let hash = ContentHash::of(&bytes);
    if Some(hash) == refused {
        return Outcome::StillRefused;
    }
    let granted = config.clone();
    let reach = blocking(move || Precious::of(&site).check(&granted)).await;
    let given = match reach.and(given) {
        Ok(given) => given,
        Err(error) => return Outcome::Refused { error, content: None },
    };
    let made = if hash != current.component.hash {
        workshop.make(handler, config, bytes, given).await
    } else if given != current.given {
        workshop.prepare(handler, config, current.component.clone(), given).await
    } else {
        return Outcome::Unchanged;
    };
    match made {
        Ok(generation) => Outcome::New(generation),
        Err(error) => Outcome::Refused { error, content: Some(hash) },
    }
}
