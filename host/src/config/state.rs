//! Where the state of handlers is kept, and what becomes of it when a component
//! understands another one.

use super::SecretSource;
use std::fmt;
use std::path::{Path, PathBuf};

/// The store of a server.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    Redb { file: PathBuf, durability: Durability },
    Redis { url: StateUrl },
}

/// What it means that a write has returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It is on the disk.
    #[default]
    Flushed,
    /// It is in memory, and on the disk within `state_flush`.
    Relaxed,
}

/// The address of a server, which may hold a password.
#[derive(Clone, Debug, PartialEq)]
pub enum StateUrl {
    /// One without.
    Plain(String),
    Secret(SecretSource),
}

/// What is done with a generation whose schema is not the one that served last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchemaChange {
    #[default]
    Refuse,
    /// It has state of its own.
    Fresh,
}

impl State {
    /// The file of a config that names none. In a folder of its own, because the config's
    /// is watched, and each write would be news.
    pub(super) fn beside(base: &Path) -> Self {
        State::Redb { file: base.join("state/squall.redb"), durability: Durability::default() }
    }

    /// The file, if it is in one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            State::Redb { file, .. } => Some(file),
            State::Redis { .. } => None,
        }
    }
}

/// For an operator, without what is secret.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Redb { file, durability: Durability::Flushed } => {
                write!(f, "redb in `{}`, flushed", file.display())
            }
            State::Redb { file, durability: Durability::Relaxed } => {
                write!(f, "redb in `{}`, relaxed", file.display())
            }
            State::Redis { url: StateUrl::Plain(url) } => write!(f, "redis at `{url}`"),
            State::Redis { url: StateUrl::Secret(_) } => f.write_str("redis"),
        }
    }
}
