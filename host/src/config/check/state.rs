//! What stands under `[server.state]`, and which buckets a handler may have.

use super::super::{Durability, SchemaChange, State, StateUrl, raw};
use super::handler::secret_source;
use super::{Checked, Problem, Problems};
use std::path::Path;

pub(super) fn state(raw: raw::State, base: &Path) -> Result<State, Problems> {
    let raw::State { backend, file, durability, url } = raw;
    let stray = |key: &'static str, backend: &str| {
        Problem::new(format!("`{key}` means nothing to the backend `{backend}`; leave it out"))
            .below(key)
    };
    match backend.as_deref() {
        None | Some("redb") => {
            if url.is_some() {
                return Err(stray("url", "redb").into());
            }
            let durability = durability.as_deref().map(durable).transpose();
            let durability = durability.map_err(|p| p.below("durability"))?.unwrap_or_default();
            let file = file.map(|file| base.join(file));
            let default = State::beside(base);
            Ok(State::Redb {
                file: file.or_else(|| default.file().map(Path::to_owned)).unwrap_or_default(),
                durability,
            })
        }
        Some("redis") => {
            if file.is_some() {
                return Err(stray("file", "redis").into());
            }
            if durability.is_some() {
                return Err(stray("durability", "redis").into());
            }
            let Some(url) = url else {
                let text = "the backend `redis` needs a `url` such as `\"redis://127.0.0.1:6379\"`";
                return Err(Problem::new(text).into());
            };
            Ok(State::Redis { url: state_url(url, base).map_err(|p| p.below("url"))? })
        }
        Some(other) => {
            let text = format!("`{other}` is not `redb` (a file) or `redis` (a server)");
            Err(Problem::new(text).below("backend").into())
        }
    }
}

fn durable(text: &str) -> Checked<Durability> {
    match text {
        "flushed" => Ok(Durability::Flushed),
        "relaxed" => Ok(Durability::Relaxed),
        other => Err(Problem::new(format!(
            "`{other}` is not `flushed` (a write that returns is on the disk) or `relaxed` (a crash may lose the last `state_flush`)"
        ))),
    }
}

fn state_url(raw: raw::TextOrSecret, base: &Path) -> Checked<StateUrl> {
    match raw {
        raw::TextOrSecret::Secret(secret) => Ok(StateUrl::Secret(secret_source(secret, base)?)),
        // Between the scheme and the host.
        raw::TextOrSecret::Text(url) if url.contains('@') => Err(Problem::new(
            "a password does not belong into the config; put the whole address into a file or a variable: `url = { file = \"PATH\" }`",
        )),
        raw::TextOrSecret::Text(url) => Ok(StateUrl::Plain(url)),
    }
}

pub(super) fn schema_change(text: &str) -> Checked<SchemaChange> {
    match text {
        "refuse" => Ok(SchemaChange::Refuse),
        "fresh" => Ok(SchemaChange::Fresh),
        other => Err(Problem::new(format!(
            "`{other}` is not `refuse` (a component of another schema does not serve) or `fresh` (it has state of its own)"
        ))),
    }
}

/// The names of a handler's buckets.
pub(super) fn buckets(raw: Vec<String>) -> Result<Vec<String>, Problems> {
    let mut problems = Problems::default();
    for (i, name) in raw.iter().enumerate() {
        if let Err(problem) = check_bucket(name) {
            problems.add(problem.below(i));
        } else if raw[..i].contains(name) {
            problems.add(Problem::new(format!("`{name}` is in the list twice")).below(i));
        }
    }
    if problems.is_empty() { Ok(raw) } else { Err(problems) }
}

fn check_bucket(name: &str) -> Checked<()> {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(valid) {
        return Ok(());
    }
    Err(Problem::new(format!(
        "`{name}` is not a name for a bucket; use letters, digits, `-`, `_` and `.`, at most 64"
    )))
}
