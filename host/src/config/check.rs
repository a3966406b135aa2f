//! From the raw file to a valid config: everything that can be refused without
//! opening a component is refused here, and all of it at once.

mod handler;
mod limits;
mod problems;
mod route;
mod server;
mod state;

pub(super) use handler::check_name;
pub(super) use problems::Problems;

use super::place::Problem;
use super::{Access, Config, HandlerConfig, Target, raw};
use crate::id::HandlerName;
use crate::limits::{HandlerLimits, PartialHandlerLimits, ServerLimits};
use crate::policy::PolicyError;
use crate::route::{Conflicts, RouteKey, Routes};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::slice;

type Checked<T> = Result<T, Problem>;

/// What of `raw` is right, and what is wrong. `file` is where it was read from; paths in
/// it are relative to its folder.
pub(super) fn config(raw: raw::Raw, file: &Path) -> (Config, Problems) {
    let base = file.parent().unwrap_or(Path::new(""));
    let mut problems = Problems::default();
    let outbound_ca = raw.server.outbound_ca.as_ref().map(|path| base.join(path));
    let server = server::server(raw.server, base, &mut problems);
    let defaults = handler_defaults(&raw.limits, &server.limits, &mut problems);
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
    let server = Config { handlers, ..server };
    let state = server.state_file().map(plain);
    let mut handlers = server.handlers.clone();
    for (name, problem) in ways_to_the_config(&handlers, base, state.as_deref()) {
        handlers.remove(&name);
        problems.add(problem.below(name.as_str()).below("handlers"));
    }
    let mut routes = routes(raw.routes, base, &names, state.as_deref(), &mut problems);
    routes.retain(|(_, target)| match target {
        Target::Handler(name) => handlers.contains_key(name),
        _ => true,
    });
    (Config { file: Some(file.to_owned()), handlers, routes, ..server }, problems)
}

/// The limits of handlers that have none of their own.
fn handler_defaults(
    raw: &PartialHandlerLimits,
    server: &ServerLimits,
    problems: &mut Problems,
) -> HandlerLimits {
    let limits = HandlerLimits::default().with(raw);
    // A default that no handler uses is no reason to refuse a low ceiling.
    let memory = raw.memory.unwrap_or(limits.memory.min(server.memory_ceiling));
    let wrong = limits::of_handler(server, &HandlerLimits { memory, ..limits.clone() });
    // Of defaults that are wrong, each handler would be wrong again.
    let limits = limits.without(&wrong.names());
    problems.add(Problems::from(wrong).below("limits"));
    limits
}

fn routes(
    raw: Vec<raw::Route>,
    base: &Path,
    handlers: &[String],
    state: Option<&Path>,
    problems: &mut Problems,
) -> Vec<(RouteKey, Target)> {
    if raw.is_empty() {
        problems.add(Problem::new(
            "there is no route; add `[[routes]]` with a `path` or `mount` and where it leads",
        ));
    }
    let (mut routes, mut places) = (Vec::new(), Vec::new());
    for (i, route) in raw.into_iter().enumerate() {
        let checked = route::route(route, base, handlers);
        let checked = checked.and_then(|route| match &route.1 {
            Target::Static(folder) if holds_state(&plain(folder), state) => {
                let text = "the folder holds the state of handlers, and everybody could read it; serve another one";
                Err(Problem::new(text).below("folder").into())
            }
            _ => Ok(route),
        });
        let checked = checked.map_err(|p| p.below(i).below("routes"));
        if let Some(route) = problems.note(checked) {
            routes.push(route);
            places.push(i);
        }
    }
    if let Err(Conflicts(conflicts)) = Routes::new(routes.clone()) {
        for conflict in conflicts {
            let (_, target) = &routes[conflict.route];
            let problem = Problem::new(format!("{conflict} (this one leads to {target})"));
            problems.add(problem.below(places[conflict.route]).below("routes"));
        }
    }
    routes
}

/// The handlers that could write the config or what handlers are made of, and so give
/// themselves every grant, or reach what others keep. By names only: where they lead is known when they are opened.
fn ways_to_the_config(
    handlers: &BTreeMap<HandlerName, HandlerConfig>,
    base: &Path,
    state: Option<&Path>,
) -> Vec<(HandlerName, Problem)> {
    let mut precious = vec![plain(base)];
    precious.extend(handlers.values().flat_map(HandlerConfig::precious).map(|path| plain(&path)));
    let mut found = Vec::new();
    for (name, handler) in handlers {
        for (i, folder) in handler.grants.folders.iter().enumerate() {
            let place = plain(&folder.host);
            let holds_precious = precious.iter().any(|path| path.starts_with(&place));
            let why = if holds_state(&place, state) {
                folder.why_not_granted()
            } else if folder.access == Access::ReadWrite && holds_precious {
                folder.why_not_written()
            } else {
                continue;
            };
            let problem = Problem::new(why);
            found.push((name.clone(), problem.below("host").below(i).below("folders")));
        }
    }
    found
}

fn holds_state(place: &Path, state: Option<&Path>) -> bool {
    state.is_some_and(|file| file.starts_with(place))
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

/// Reads a list as a whole, or says which of its entries are wrong.
fn each<T>(
    list: &[String],
    parse: impl Fn(&[String]) -> Result<T, PolicyError>,
) -> Result<T, Problems> {
    parse(list).map_err(|error| {
        let one = |(i, entry)| Some(Problem::new(parse(slice::from_ref(entry)).err()?).below(i));
        let wrong: Problems = list.iter().enumerate().filter_map(one).collect();
        if wrong.is_empty() { Problem::new(error).into() } else { wrong }
    })
}
