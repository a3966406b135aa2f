//! From the raw file to a valid config: everything that can be refused without
//! opening a component is refused here, and all of it at once.

mod handler;
mod limits;
mod route;

pub(super) use handler::check_name;

use super::place::Problem;
use super::{Access, AccessLog, Config, HandlerConfig, raw};
use crate::id::HandlerName;
use crate::limits::{HandlerLimits, ServerLimits};
use crate::policy::Ranges;
use crate::route::Routes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};

type Checked<T> = Result<T, Problem>;

/// `file` is where `raw` was read from; paths in it are relative to its folder.
pub(super) fn config(raw: raw::Raw, file: &Path) -> Result<Config, Vec<Problem>> {
    let base = file.parent().unwrap_or(Path::new(""));
    let mut problems = Problems::default();
    let outbound_ca = raw.server.outbound_ca.as_ref().map(|path| base.join(path));
    let server = server(raw.server, &mut problems);
    let handler_limits = HandlerLimits::default().with(&raw.limits);
    // A default that no handler uses is no reason to refuse a low ceiling.
    let ceiling = server.limits.memory_ceiling;
    let memory = raw.limits.memory.unwrap_or(handler_limits.memory.min(ceiling));
    let written = HandlerLimits { memory, ..handler_limits.clone() };
    problems.note(limits::of_handler(&server.limits, &written).map_err(|p| p.below("limits")));
    // Of defaults that are wrong, each handler would be wrong again.
    let defaults = if problems.0.is_empty() { handler_limits } else { HandlerLimits::default() };
    let names: Vec<String> = raw.handlers.keys().cloned().collect();
    let mut handlers = BTreeMap::new();
    for (name, handler) in raw.handlers {
        let checked = handler::handler(&name, handler, base, &server.limits, &defaults);
        let checked = checked.map_err(|p| p.below(name.as_str()).below("handlers"));
        if let Some(mut handler) = problems.note(checked) {
            if !handler.grants.outbound.is_empty() {
                handler.grants.outbound_ca.clone_from(&outbound_ca);
            }
            handlers.insert(HandlerName::new(&name), handler);
        }
    }
    problems.note(no_way_to_the_config(&handlers, base));
    let (mut routes, mut places) = (Vec::new(), Vec::new());
    for (i, route) in raw.routes.into_iter().enumerate() {
        let checked = route::route(route, base, &names);
        let checked = checked.map_err(|p| p.below(i).below("routes"));
        if let Some(route) = problems.note(checked) {
            routes.push(route);
            places.push(i);
        }
    }
    if routes.is_empty() && problems.0.is_empty() {
        problems.note::<()>(Err(Problem::new(
            "there is no route; add `[[routes]]` with a `path` or `mount` and where it leads",
        )));
    }
    problems.note(Routes::new(routes.clone()).map_err(|conflict| {
        let (_, target) = &routes[conflict.route];
        let text = format!("{conflict} (this one leads to {target})");
        Problem::new(text).below(places[conflict.route]).below("routes")
    }));
    if problems.0.is_empty() {
        Ok(Config { file: Some(file.to_owned()), handlers, routes, ..server })
    } else {
        Err(problems.0)
    }
}

/// What is wrong so far: one mistake does not hide the next.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn note<T>(&mut self, checked: Checked<T>) -> Option<T> {
        checked.map_err(|problem| self.0.push(problem)).ok()
    }
}

/// A config without handlers and routes.
fn server(raw: raw::Server, problems: &mut Problems) -> Config {
    let limits = ServerLimits::default().with(&raw.limits);
    let at_server = |key: &'static str| move |p: Problem| p.below(key).below("server");
    problems.note(limits::of_server(&limits).map_err(at_server("limits")));
    let listen = problems.note(listen(raw.listen).map_err(at_server("listen")));
    let taken = listen.as_deref().unwrap_or_default();
    let admin = raw.admin.as_deref().map(|text| free_of(admin_address(text)?, taken)).transpose();
    let admin = problems.note(admin.map_err(at_server("admin")));
    let proxies = Ranges::parse(&raw.trusted_proxies).map_err(Problem::new);
    let proxies = problems.note(proxies.map_err(at_server("trusted_proxies")));
    let access_log = raw.access_log.map(|text| text.parse::<AccessLog>()).transpose();
    let access_log = access_log.map_err(Problem::new).map_err(at_server("access_log"));
    Config {
        file: None,
        listen: listen.unwrap_or_default(),
        admin: admin.flatten(),
        trusted_proxies: proxies.unwrap_or_default(),
        access_log: problems.note(access_log).flatten(),
        limits,
        handlers: BTreeMap::new(),
        routes: Vec::new(),
    }
}

fn listen(raw: Option<raw::OneOrMany>) -> Checked<Vec<SocketAddr>> {
    match raw {
        None => Ok(vec![super::source::default_listen()]),
        Some(raw::OneOrMany::One(text)) => Ok(vec![address(&text)?]),
        Some(raw::OneOrMany::Many(list)) if list.is_empty() => {
            Err(Problem::new("`listen` is empty; name at least one address"))
        }
        Some(raw::OneOrMany::Many(list)) => {
            let mut all = Vec::new();
            for (i, text) in list.iter().enumerate() {
                let checked = address(text).and_then(|address| free_of(address, &all));
                all.push(checked.map_err(|p| p.below(i))?);
            }
            Ok(all)
        }
    }
}

/// An address that no other listener has. Each port 0 becomes one of its own.
fn free_of(address: SocketAddr, others: &[SocketAddr]) -> Checked<SocketAddr> {
    if address.port() != 0 && others.contains(&address) {
        return Err(Problem::new(format!("`{address}` is listened on twice; name it once")));
    }
    Ok(address)
}

fn address(text: &str) -> Checked<SocketAddr> {
    let text = text.strip_prefix("http://").unwrap_or(text);
    let with_host = text.replacen("localhost:", "127.0.0.1:", 1);
    with_host.parse().map_err(|_| {
        Problem::new(format!("`{text}` is not an address; write for example `127.0.0.1:3000`"))
    })
}

fn admin_address(text: &str) -> Checked<SocketAddr> {
    super::check_admin(address(text)?).map_err(Problem::new)
}

/// A handler that could write the config or what handlers are made of could give
/// itself every grant. By names only: where they lead is known when they are opened.
fn no_way_to_the_config(
    handlers: &BTreeMap<HandlerName, HandlerConfig>,
    base: &Path,
) -> Checked<()> {
    let mut precious = vec![plain(base)];
    precious.extend(handlers.values().flat_map(HandlerConfig::precious).map(|path| plain(&path)));
    for (name, handler) in handlers {
        for (i, folder) in handler.grants.folders.iter().enumerate() {
            let place = plain(&folder.host);
            if folder.access == Access::ReadWrite && precious.iter().any(|p| p.starts_with(&place))
            {
                let problem = Problem::new(folder.why_not_written());
                let problem = problem.below("host").below(i).below("folders");
                return Err(problem.below(name.as_str()).below("handlers"));
            }
        }
    }
    Ok(())
}

/// An absolute path without `.` and `..`, as far as names alone tell.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}
