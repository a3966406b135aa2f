//! From the raw file to a valid config: everything that can be refused without
//! opening a component is refused here.

use super::place::Problem;
use super::{Access, Config, Folder, Grants, HandlerConfig, Isolation, SecretSource, Target, raw};
use crate::id::HandlerName;
use crate::limits::{HandlerLimits, ServerLimits};
use crate::policy::{OutboundGrants, Ranges, TcpGrants};
use crate::route::{HostPattern, PathPattern, RouteKey, Routes};
use http::{Method, StatusCode};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

type Checked<T> = Result<T, Problem>;

/// Names that a handler's config and secrets may have: they become environment
/// variables too.
fn is_config_key(key: &str) -> bool {
    !key.is_empty() && !key.contains(['=', '\0']) && key.len() <= 256
}

pub(super) fn config(raw: raw::Raw, base: &Path) -> Checked<Config> {
    let server = raw.server;
    let limits = ServerLimits::default().with(&server.limits);
    let handler_limits = HandlerLimits::default().with(&raw.limits);
    // A default that no handler uses is no reason to refuse a low ceiling.
    let memory = raw.limits.memory.unwrap_or(handler_limits.memory.min(limits.memory_ceiling));
    let written = HandlerLimits { memory, ..handler_limits.clone() };
    check_limits(&limits, &written).map_err(|p| p.below("limits"))?;
    let mut handlers = BTreeMap::new();
    for (name, handler) in raw.handlers {
        let checked = self::handler(&name, handler, base, &limits, &handler_limits);
        let checked = checked.map_err(|p| p.below(name.as_str()).below("handlers"))?;
        handlers.insert(HandlerName::new(&name), checked);
    }
    let mut routes = Vec::new();
    for (i, route) in raw.routes.into_iter().enumerate() {
        let checked = self::route(route, base, &handlers);
        routes.push(checked.map_err(|p| p.below(i).below("routes"))?);
    }
    if routes.is_empty() {
        return Err(Problem::new(
            "there is no route; add `[[routes]]` with a `path` or `mount` and where it leads",
        ));
    }
    Routes::new(routes.clone()).map_err(|e| Problem::new(e).below("routes"))?;
    let at_server = |key: &'static str| move |p: Problem| p.below(key).below("server");
    Ok(Config {
        listen: listen(server.listen).map_err(at_server("listen"))?,
        admin: server.admin.as_deref().map(admin).transpose().map_err(at_server("admin"))?,
        trusted_proxies: Ranges::parse(&server.trusted_proxies)
            .map_err(Problem::new)
            .map_err(at_server("trusted_proxies"))?,
        access_log: server
            .access_log
            .map(|text| text.parse())
            .transpose()
            .map_err(Problem::new)
            .map_err(at_server("access_log"))?,
        outbound_ca: server.outbound_ca.map(|path| base.join(path)),
        limits,
        handlers,
        routes,
    })
}

fn listen(raw: Option<raw::OneOrMany>) -> Checked<Vec<std::net::SocketAddr>> {
    match raw {
        None => Ok(vec![super::source::default_listen()]),
        Some(raw::OneOrMany::One(text)) => Ok(vec![address(&text)?]),
        Some(raw::OneOrMany::Many(list)) if list.is_empty() => {
            Err(Problem::new("`listen` is empty; name at least one address"))
        }
        Some(raw::OneOrMany::Many(list)) => list.iter().map(|text| address(text)).collect(),
    }
}

fn address(text: &str) -> Checked<std::net::SocketAddr> {
    let text = text.strip_prefix("http://").unwrap_or(text);
    let with_host = text.replacen("localhost:", "127.0.0.1:", 1);
    with_host.parse().map_err(|_| {
        Problem::new(format!("`{text}` is not an address; write for example `127.0.0.1:3000`"))
    })
}

fn admin(text: &str) -> Checked<std::net::SocketAddr> {
    super::check_admin(address(text)?).map_err(Problem::new)
}

fn handler(
    name: &str,
    raw: raw::Handler,
    base: &Path,
    server: &ServerLimits,
    defaults: &HandlerLimits,
) -> Checked<HandlerConfig> {
    check_name(name)?;
    let limits = defaults.clone().with(&raw.limits);
    check_limits(server, &limits).map_err(|p| p.below("limits"))?;
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
            outbound_tcp: TcpGrants::parse(&raw.outbound_tcp)
                .map_err(|e| Problem::new(e).below("outbound_tcp"))?,
            secrets: secrets(raw.secrets, &raw.config, base).map_err(|p| p.below("secrets"))?,
            config: config_values(raw.config).map_err(|p| p.below("config"))?,
            folders: folders(raw.folders, base).map_err(|p| p.below("folders"))?,
        },
        limits,
    })
}

pub(super) fn check_name(name: &str) -> Checked<()> {
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

/// Limits that would make every request fail are an operator's slip, not a wish.
fn check_limits(server: &ServerLimits, handler: &HandlerLimits) -> Checked<()> {
    let positive = [
        ("in_flight", handler.in_flight),
        ("instances", handler.instances),
        ("instance_requests", handler.instance_requests),
        ("instance_concurrency", handler.instance_concurrency),
        ("memories", handler.memories),
        ("memory", handler.memory.get()),
        ("head_fields", server.head_fields),
        ("connection_requests", server.connection_requests),
    ];
    if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
        return Err(Problem::new(format!("`{name}` is 0, so nothing could be served")).below(*name));
    }
    if handler.memory > server.memory_ceiling {
        let problem = format!(
            "`memory` is {}, above the server's `memory_ceiling` of {}",
            handler.memory, server.memory_ceiling
        );
        return Err(Problem::new(problem).below("memory"));
    }
    if server.head_size.get() < 8 << 10 {
        return Err(Problem::new(
            "`head_size` is below `8 KiB`, the smallest that HTTP/1 can be read with",
        )
        .below("head_size"));
    }
    Ok(())
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
    raw.into_iter().enumerate().map(check).collect()
}

fn route(
    raw: raw::Route,
    base: &Path,
    handlers: &BTreeMap<HandlerName, HandlerConfig>,
) -> Checked<(RouteKey, Target)> {
    let host = raw.host.as_deref().map(HostPattern::parse).transpose();
    let host = host.map_err(|e| Problem::new(e).below("host"))?;
    let path = match (raw.path.as_deref(), raw.mount.as_deref()) {
        (Some(path), None) => PathPattern::path(path).map_err(|e| Problem::new(e).below("path"))?,
        (None, Some(mount)) => {
            PathPattern::mount(mount).map_err(|e| Problem::new(e).below("mount"))?
        }
        _ => {
            return Err(Problem::new(
                "a route has either `path`, such as `/users/{id}`, or `mount`, which takes all below it",
            ));
        }
    };
    let method = |text: &String| {
        let method = text.parse::<Method>().ok().filter(|_| *text == text.to_ascii_uppercase());
        method.ok_or_else(|| {
            Problem::new(format!("`{text}` is not a method; methods are in upper case"))
                .below("methods")
        })
    };
    let methods = raw.methods.iter().map(method).collect::<Checked<_>>()?;
    let is_redirect = raw.redirect.is_some();
    let status = raw.status.map(|code| status(code, is_redirect)).transpose();
    let status = status.map_err(|p| p.below("status"))?;
    let target = match (raw.handler, raw.folder, raw.redirect, status) {
        (Some(name), None, None, None) => Target::Handler(known_handler(&name, handlers)?),
        (None, Some(folder), None, None) => {
            if !path.captures().is_empty() || raw.mount.is_none() {
                return Err(Problem::new("a `folder` is served below a `mount`, not a `path`")
                    .below("folder"));
            }
            Target::Static(base.join(PathBuf::from(folder)))
        }
        (None, None, Some(to), status) => {
            check_redirect(&to, &path).map_err(|p| p.below("redirect"))?;
            Target::Redirect { to, status: status.unwrap_or(StatusCode::PERMANENT_REDIRECT) }
        }
        (None, None, None, Some(status)) => Target::Status(status),
        _ => {
            return Err(Problem::new(
                "a route leads to exactly one of `handler`, `folder`, `redirect` (with an optional `status`) and `status`",
            ));
        }
    };
    Ok((RouteKey { host, methods, path }, target))
}

fn known_handler(
    name: &str,
    handlers: &BTreeMap<HandlerName, HandlerConfig>,
) -> Checked<HandlerName> {
    let wanted = HandlerName::new(name);
    if handlers.contains_key(&wanted) {
        return Ok(wanted);
    }
    let known: Vec<String> = handlers.keys().map(|name| format!("`{name}`")).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(Problem::new(format!("there is no handler `{name}`; known are {known}")).below("handler"))
}

fn status(code: u16, is_redirect: bool) -> Checked<StatusCode> {
    let allowed = if is_redirect { 300..400 } else { 200..600 };
    let status = StatusCode::from_u16(code).ok().filter(|_| allowed.contains(&code));
    status.ok_or_else(|| {
        Problem::new(format!("`{code}` is not a status that this route can answer with"))
    })
}

/// A redirect's place is a header value, and its captures are those of its path.
fn check_redirect(to: &str, path: &PathPattern) -> Checked<()> {
    if to.is_empty() || http::HeaderValue::from_str(to).is_err() || !to.is_ascii() {
        return Err(Problem::new(format!("`{to}` is not a place to redirect to")));
    }
    let mut rest = to;
    while let Some((_, tail)) = rest.split_once('{') {
        let Some((name, tail)) = tail.split_once('}') else {
            return Err(Problem::new(format!("`{to}` has a `{{` without its `}}`")));
        };
        if !path.captures().iter().any(|capture| **capture == *name) {
            return Err(Problem::new(format!(
                "`{to}` names `{{{name}}}`, which the route's path does not capture"
            )));
        }
        rest = tail;
    }
    Ok(())
}
