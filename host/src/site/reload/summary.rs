//! What a new config changes, in the words of a log line.

use crate::config::Config;
use crate::id::HandlerName;

/// The handlers and the other parts in which `new` differs from `old`.
pub(super) fn summary(old: &Config, new: &Config, folders: StaticFolders) -> String {
    let (mut added, mut changed) = (Vec::new(), Vec::new());
    for (name, handler) in &new.handlers {
        match old.handlers.get(name) {
            Some(before) if before == handler => {}
            Some(_) => changed.push(name.as_str()),
            None => added.push(name.as_str()),
        }
    }
    let is_gone = |name: &&HandlerName| !new.handlers.contains_key(name);
    let gone: Vec<&str> = old.handlers.keys().filter(is_gone).map(HandlerName::as_str).collect();
    let mut parts: Vec<String> = [("new", added), ("changed", changed), ("removed", gone)]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(word, names)| format!("{word} {}", names.join(", ")))
        .collect();
    if new.routes != old.routes {
        parts.push("routes".into());
    }
    if folders == StaticFolders::Replaced {
        parts.push("static folders".into());
    }
    if new.limits != old.limits {
        parts.push("limits of the server".into());
    }
    parts.join("; ")
}

/// Whether the static folders that are served are still those of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StaticFolders {
    Current,
    Replaced,
}
