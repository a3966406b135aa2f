//! One handler: its component, its grants, its limits.

use super::super::{Access, Folder, Grants, HandlerConfig, Isolation, SecretSource, raw};
use super::{Checked, Problem, limits};
use crate::limits::{HandlerLimits, ServerLimits};
use crate::policy::{OutboundGrants, Ranges, TcpGrants};
use std::collections::BTreeMap;
use std::path::Path;

pub(super) fn handler(
    name: &str,
    raw: raw::Handler,
    base: &Path,
    server: &ServerLimits,
    defaults: &HandlerLimits,
) -> Checked<HandlerConfig> {
    check_name(name)?;
    let own = defaults.clone().with(&raw.limits);
    limits::of_handler(server, &own).map_err(|p| p.below("limits"))?;
    let isolation = match raw.isolation.as_deref() {
        None => None,
        Some("request") => Some(Isolation::Request),
        Some("shared") => Some(Isolation::Shared),
        Some(other) => {
            let problem =
                format!("`{other}` is not `request` (a fresh instance each time) or `shared`");
            return Err(Problem::new(problem).below("isolation"));
        }
    };
    if let Some(path) = raw.health.as_deref().filter(|path| !path.starts_with('/')) {
        return Err(
            Problem::new(format!("health path `{path}` does not start with `/`")).below("health")
        );
    }
    Ok(HandlerConfig {
        component: base.join(&raw.component),
        source: raw.source.map(|source| base.join(source)),
        isolation,
        health: raw.health,
        grants: Grants {
            outbound: OutboundGrants::parse(&raw.outbound)
                .map_err(|e| Problem::new(e).below("outbound"))?,
            outbound_private: Ranges::parse(&raw.outbound_private)
                .map_err(|e| Problem::new(e).below("outbound_private"))?,
            // Of the server.
            outbound_ca: None,
            outbound_tcp: TcpGrants::parse(&raw.outbound_tcp)
                .map_err(|e| Problem::new(e).below("outbound_tcp"))?,
            secrets: secrets(raw.secrets, &raw.config, base).map_err(|p| p.below("secrets"))?,
            config: config_values(raw.config).map_err(|p| p.below("config"))?,
            folders: folders(raw.folders, base).map_err(|p| p.below("folders"))?,
        },
        limits: own,
    })
}

pub(in crate::config) fn check_name(name: &str) -> Checked<()> {
    let valid = !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && !name.starts_with('.');
    if valid {
        return Ok(());
    }
    Err(Problem::new(format!(
        "`{name}` is not a name for a handler; use letters, digits, `-`, `_` and `.`, at most 64"
    )))
}

fn config_values(raw: BTreeMap<String, String>) -> Checked<BTreeMap<String, String>> {
    match raw.keys().find(|key| !is_config_key(key)) {
        Some(key) => {
            Err(Problem::new(format!("`{key}` is not a name for a value")).below(key.as_str()))
        }
        None => Ok(raw),
    }
}

fn secrets(
    raw: BTreeMap<String, raw::Secret>,
    config: &BTreeMap<String, String>,
    base: &Path,
) -> Checked<BTreeMap<String, SecretSource>> {
    let check = |(name, secret): (String, raw::Secret)| {
        let source = match (secret.env, secret.file) {
            (Some(variable), None) => Ok(SecretSource::Environment(variable)),
            (None, Some(path)) => Ok(SecretSource::File(base.join(path))),
            _ => Err("a secret has either `env`, the variable that holds it, or `file`".to_owned()),
        };
        let source = match source {
            Ok(_) if config.contains_key(&name) => Err(format!("`{name}` is in `config` too")),
            Ok(_) if !is_config_key(&name) => Err(format!("`{name}` is not a name for a value")),
            other => other,
        };
        let source = source.map_err(|e| Problem::new(e).below(name.as_str()))?;
        Ok((name, source))
    };
    raw.into_iter().map(check).collect()
}

fn folders(raw: Vec<raw::Folder>, base: &Path) -> Checked<Vec<Folder>> {
    let check = |(i, folder): (usize, raw::Folder)| {
        let access = match folder.access.as_deref() {
            None | Some("read") => Access::Read,
            Some("read-write") => Access::ReadWrite,
            Some(other) => {
                let problem = format!("`{other}` is not `read` or `read-write`");
                return Err(Problem::new(problem).below("access").below(i));
            }
        };
        if !folder.guest.starts_with('/') {
            let problem = format!("`{}` does not start with `/`", folder.guest);
            return Err(Problem::new(problem).below("guest").below(i));
        }
        Ok(Folder { host: base.join(folder.host), guest: folder.guest, access })
    };
    let folders: Vec<Folder> = raw.into_iter().enumerate().map(check).collect::<Checked<_>>()?;
    for (i, folder) in folders.iter().enumerate() {
        if folders[..i].iter().any(|other| other.guest == folder.guest) {
            let problem = format!("there is a folder at `{}` already", folder.guest);
            return Err(Problem::new(problem).below("guest").below(i));
        }
    }
    Ok(folders)
}

/// Names that a handler's config and secrets may have: they become environment
/// variables too.
fn is_config_key(key: &str) -> bool {
    !key.is_empty() && !key.contains(['=', '\0']) && key.len() <= 256
}
