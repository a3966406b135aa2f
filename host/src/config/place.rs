//! Where in the file an error is: `squall.toml:12:5`.

use anyhow::anyhow;
use std::fmt;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// A problem with a value, and the keys that lead to it.
#[derive(Debug)]
pub(super) struct Problem {
    keys: Vec<Key>,
    message: String,
}

#[derive(Clone, Debug)]
pub(super) enum Key {
    Name(String),
    Index(usize),
}

impl Problem {
    pub(super) fn new(message: impl fmt::Display) -> Self {
        Problem { keys: Vec::new(), message: message.to_string() }
    }

    /// The same problem, seen from the table that holds `key`.
    pub(super) fn below(mut self, key: impl Into<Key>) -> Self {
        self.keys.insert(0, key.into());
        self
    }

    /// Words for the operator, with the place in the file.
    pub(super) fn locate(self, file: &Path, text: &str) -> anyhow::Error {
        let offset = offset_of(text, &self.keys);
        anyhow!("{}: {}", place(file, text, offset), self.message)
    }
}

impl From<String> for Problem {
    fn from(message: String) -> Self {
        Problem::new(message)
    }
}

impl From<&str> for Key {
    fn from(name: &str) -> Self {
        Key::Name(name.to_owned())
    }
}

impl From<usize> for Key {
    fn from(index: usize) -> Self {
        Key::Index(index)
    }
}

/// Reads a TOML document, with the place of an error in its message.
pub(super) fn parse<T: serde::de::DeserializeOwned>(file: &Path, text: &str) -> anyhow::Result<T> {
    toml::from_str(text).map_err(|e| {
        let offset = e.span().map_or(0, |span| span.start);
        anyhow!("{}: {}", place(file, text, offset), explain(e.message()))
    })
}

/// Adds to serde's words where they leave the operator alone.
fn explain(message: &str) -> String {
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`'));
    let Some((field, _)) = unknown else { return message.to_owned() };
    use crate::limits::{PartialHandlerLimits, PartialServerLimits};
    if PartialServerLimits::NAMES.contains(&field) {
        return format!("`{field}` is a limit of the server; put it below `[server.limits]`");
    }
    if PartialHandlerLimits::NAMES.contains(&field) {
        return format!(
            "`{field}` is a limit of handlers; put it below `[limits]` or `[handlers.NAME.limits]`"
        );
    }
    message.replacen("unknown field", "unknown key", 1)
}

/// The offset of the deepest key that the file really has: a missing key is
/// reported at the table that lacks it.
fn offset_of(text: &str, keys: &[Key]) -> usize {
    let Ok(document) = DeTable::parse(text) else { return 0 };
    let mut offset = document.span().start;
    let mut value = DeValue::Table(document.into_inner());
    for key in keys {
        let next = match (key, value) {
            (Key::Name(name), DeValue::Table(table)) => table
                .into_iter()
                .find(|(key, _)| key.get_ref() == name)
                .map(|(key, value)| (key.span().start, value)),
            (Key::Index(index), DeValue::Array(array)) => {
                array.into_iter().nth(*index).map(|value| (value.span().start, value))
            }
            _ => None,
        };
        let Some((start, next)) = next else { break };
        offset = start;
        value = next.into_inner();
    }
    offset
}

fn place(file: &Path, text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    format!("{}:{line}:{column}", file.display())
}
