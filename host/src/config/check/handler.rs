//! One handler: its component, its grants, its limits.

use super::super::{Access, Folder, Grants, HandlerConfig, Isolation, SecretSource, raw};
use super::limits::of_handler;
use super::{Checked, Problem, Problems, each};
use crate::id::SchemaNumber;
use crate::limits::{HandlerLimits, ServerLimits};
use crate::policy::{OutboundGrants, Ranges, TcpGrants};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(super) fn handler(
    name: &str,
    raw: raw::Handler,
    base: &Path,
    server: &ServerLimits,
    defaults: &HandlerLimits,
) -> Result<HandlerConfig, Problems> {
    let mut problems = Problems::default();
    problems.note(check_name(name).map_err(Problem::new));
    let limits = defaults.clone().with(&raw.limits);
    problems.add(Problems::from(of_handler(server, &limits)).below("limits"));
    let isolation = raw.isolation.as_deref().map(isolation).transpose();
    let isolation = problems.note(isolation.map_err(|p| p.below("isolation")));
    problems
        .note(raw.health.as_deref().map_or(Ok(()), check_health).map_err(|p| p.below("health")));
    let outbound = each(&raw.outbound, OutboundGrants::parse).map_err(|p| p.below("outbound"));
    let outbound = problems.note(outbound);
    let private = each(&raw.outbound_private, Ranges::parse);
    let private = problems.note(private.map_err(|p| p.below("outbound_private")));
    let tcp = each(&raw.outbound_tcp, TcpGrants::parse).map_err(|p| p.below("outbound_tcp"));
    let tcp = problems.note(tcp);
    let secrets = secrets(raw.secrets, &raw.config, base).map_err(|p| p.below("secrets"));
    let secrets = problems.note(secrets);
    let keys = signing_keys(raw.signing_keys, base).map_err(|p| p.below("signing_keys"));
    let keys = problems.note(keys);
    let config = problems.note(config_values(raw.config).map_err(|p| p.below("config")));
    let folders = problems.note(folders(raw.folders, base).map_err(|p| p.below("folders")));
    let buckets = super::state::buckets(raw.key_value).map_err(|p| p.below("key_value"));
    let buckets = problems.note(buckets);
    let change = raw.schema_change.as_deref().map(super::state::schema_change).transpose();
    let change = problems.note(change.map_err(|p| p.below("schema_change")));
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(HandlerConfig {
        component: base.join(&raw.component),
        source: raw.source.map(|source| base.join(source)),
        isolation: isolation.flatten(),
        health: raw.health,
        schema: raw.schema.map(SchemaNumber),
        schema_change: change.flatten().unwrap_or_default(),
        grants: Grants {
            outbound: outbound.unwrap_or_default(),
            outbound_private: private.unwrap_or_default(),
            // Of the server.
            outbound_ca: None,
            outbound_tcp: tcp.unwrap_or_default(),
            secrets: secrets.unwrap_or_default(),
            config: config.unwrap_or_default(),
            folders: folders.unwrap_or_default(),
            signing_keys: keys.unwrap_or_default(),
            key_value: buckets.unwrap_or_default(),
        },
        limits,
    })
}

pub(in crate::config) fn check_name(name: &str) -> Result<(), String> {
    let valid = !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && !name.starts_with('.');
    if valid {
        return Ok(());
    }
    Err(format!(
        "`{name}` is not a name for a handler; use letters, digits, `-`, `_` and `.`, at most 64"
    ))
}

fn isolation(text: &str) -> Checked<Isolation> {
    match text {
        "request" => Ok(Isolation::Request),
        "shared" => Ok(Isolation::Shared),
        other => Err(Problem::new(format!(
            "`{other}` is not `request` (a fresh instance each time) or `shared`"
        ))),
    }
}

fn check_health(path: &str) -> Checked<()> {
    if path.starts_with('/') {
        return Ok(());
    }
    Err(Problem::new(format!("health path `{path}` does not start with `/`")))
}

fn config_values(raw: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Problems> {
    let mut problems = Problems::default();
    for key in raw.keys() {
        problems.note(check_config_key(key).map_err(|p| p.below(key.as_str())));
    }
    if problems.is_empty() { Ok(raw) } else { Err(problems) }
}

fn secrets(
    raw: BTreeMap<String, raw::Secret>,
    config: &BTreeMap<String, String>,
    base: &Path,
) -> Result<BTreeMap<String, SecretSource>, Problems> {
    let (mut found, mut problems) = (BTreeMap::new(), Problems::default());
    for (name, secret) in raw {
        let at = |problem: Problem| problem.below(name.as_str());
        problems.note(check_config_key(&name).map_err(at));
        if config.contains_key(&name) {
            problems.add(at(Problem::new(format!("`{name}` is in `config` too"))));
        }
        if let Some(source) = problems.note(secret_source(secret, base).map_err(at)) {
            found.insert(name, source);
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

pub(super) fn secret_source(secret: raw::Secret, base: &Path) -> Checked<SecretSource> {
    match (secret.env, secret.file) {
        (Some(variable), None) => Ok(SecretSource::Environment(variable)),
        (None, Some(path)) => Ok(SecretSource::File(base.join(path))),
        _ => Err(Problem::new("a secret has either `env`, the variable that holds it, or `file`")),
    }
}

fn signing_keys(raw: Vec<raw::Secret>, base: &Path) -> Result<Vec<SecretSource>, Problems> {
    let (mut found, mut problems) = (Vec::new(), Problems::default());
    for (i, secret) in raw.into_iter().enumerate() {
        found.extend(problems.note(secret_source(secret, base).map_err(|p| p.below(i))));
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn folders(raw: Vec<raw::Folder>, base: &Path) -> Result<Vec<Folder>, Problems> {
    let (mut found, mut problems) = (Vec::new(), Problems::default());
    let mut taken = BTreeSet::new();
    for (i, raw::Folder { host, guest, access }) in raw.into_iter().enumerate() {
        let access = problems.note(folder_access(access).map_err(|p| p.below("access").below(i)));
        problems.note(check_guest(&guest, &taken).map_err(|p| p.below("guest").below(i)));
        taken.insert(guest.clone());
        found.extend(access.map(|access| Folder { host: base.join(host), guest, access }));
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn folder_access(text: Option<String>) -> Checked<Access> {
    match text.as_deref() {
        None | Some("read") => Ok(Access::Read),
        Some("read-write") => Ok(Access::ReadWrite),
        Some(other) => Err(Problem::new(format!("`{other}` is not `read` or `read-write`"))),
    }
}

fn check_guest(guest: &str, taken: &BTreeSet<String>) -> Checked<()> {
    if !guest.starts_with('/') {
        return Err(Problem::new(format!("`{guest}` does not start with `/`")));
    }
    if taken.contains(guest) {
        return Err(Problem::new(format!("there is a folder at `{guest}` already")));
    }
    Ok(())
}

/// Names that a handler's config and secrets may have: they become environment
/// variables too.
fn check_config_key(key: &str) -> Checked<()> {
    if !key.is_empty() && !key.contains(['=', '\0']) && key.len() <= 256 {
        return Ok(());
    }
    Err(Problem::new(format!("`{key}` is not a name for a value")))
}
