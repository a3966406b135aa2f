//! What stands under `[server]`.

use super::super::address::{parse_admin, parse_listen};
use super::super::source::default_listen;
use super::super::{AccessLog, Config, State, raw};
use super::{Checked, Problem, Problems, each, limits};
use crate::limits::ServerLimits;
use crate::policy::Ranges;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

/// A config without handlers and routes.
pub(super) fn server(raw: raw::Server, base: &Path, problems: &mut Problems) -> Config {
    let limits = ServerLimits::default().with(&raw.limits);
    let wrong = limits::of_server(&limits);
    // No handler is judged by what is wrong here.
    let limits = limits.without(&wrong.names());
    problems.add(Problems::from(wrong).below("limits").below("server"));
    let at_server = |key: &'static str| move |p: Problem| p.below(key).below("server");
    let listen = listen(raw.listen).map_err(|p| p.below("listen").below("server"));
    let listen = problems.note(listen);
    let taken = listen.as_deref().unwrap_or_default();
    let admin = raw.admin.as_deref().map(|text| free_of(parse_admin(text)?, taken)).transpose();
    let admin = problems.note(admin.map_err(at_server("admin")));
    let proxies = each(&raw.trusted_proxies, Ranges::parse);
    let proxies = proxies.map_err(|p| p.below("trusted_proxies").below("server"));
    let proxies = problems.note(proxies);
    let access_log = raw.access_log.map(|text| text.parse::<AccessLog>()).transpose();
    let access_log = access_log.map_err(Problem::new).map_err(at_server("access_log"));
    let state = super::state::state(raw.state, base).map_err(|p| p.below("state").below("server"));
    let state = problems.note(state);
    Config {
        file: None,
        listen: listen.unwrap_or_default(),
        admin: admin.flatten(),
        trusted_proxies: proxies.unwrap_or_default(),
        access_log: problems.note(access_log).flatten(),
        state: state.unwrap_or_else(|| State::beside(base)),
        limits,
        handlers: BTreeMap::new(),
        routes: Vec::new(),
    }
}

fn listen(raw: Option<raw::OneOrMany>) -> Result<Vec<SocketAddr>, Problems> {
    let list = match raw {
        None => return Ok(vec![default_listen()]),
        Some(raw::OneOrMany::One(text)) => {
            return Ok(vec![parse_listen(&text).map_err(Problem::new)?]);
        }
        Some(raw::OneOrMany::Many(list)) => list,
    };
    if list.is_empty() {
        return Err(Problem::new("`listen` is empty; name at least one address").into());
    }
    let (mut all, mut problems) = (Vec::new(), Problems::default());
    for (i, text) in list.iter().enumerate() {
        let address = parse_listen(text).map_err(Problem::new);
        let address = address.and_then(|address| free_of(address, &all));
        all.extend(problems.note(address.map_err(|p| p.below(i))));
    }
    if problems.is_empty() { Ok(all) } else { Err(problems) }
}

/// An address that no other listener has. Each port 0 becomes one of its own.
fn free_of(address: SocketAddr, others: &[SocketAddr]) -> Checked<SocketAddr> {
    if address.port() != 0 && others.contains(&address) {
        return Err(Problem::new(format!("`{address}` is listened on twice; name it once")));
    }
    Ok(address)
}
