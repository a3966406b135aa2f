//! Which route a request takes: a pure function of host, method and path.
//!
//! The most specific route wins whatever the order in the file: an exact host
//! before a wildcard host before any host, then a literal segment before a
//! capture before a catch-all, then a route that names the method before one that
//! takes all. Two routes that no request can tell apart are refused.

mod pattern;
mod tree;

pub use pattern::{HostPattern, PathPattern};

use http::Method;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use tree::{Leaf, Tree};

/// What decides whether a request takes a route.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteKey {
    /// `None` takes every host.
    pub host: Option<HostPattern>,
    /// Empty takes every method. `GET` includes `HEAD`.
    pub methods: Vec<Method>,
    pub path: PathPattern,
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for method in &self.methods {
            write!(f, "{method} ")?;
        }
        if let Some(host) = &self.host {
            write!(f, "{host}")?;
        }
        write!(f, "{}", self.path)
    }
}

/// Two routes that no request can tell apart.
#[derive(Debug)]
pub struct Conflict {
    /// The place in the list of the one that came later.
    pub route: usize,
    key: String,
    other: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conflict { key, other, .. } = self;
        write!(f, "route `{key}` is in conflict with `{other}`: no request can tell them apart")
    }
}

/// All conflicts of a list of routes, of which there is at least one.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(Conflict::to_string).collect::<Vec<_>>().join("; "))]
pub struct Conflicts(pub Vec<Conflict>);

/// All routes of a site, each leading to a `T`.
#[derive(Debug)]
pub struct Routes<T> {
    exact_hosts: HashMap<String, Tree>,
    /// Longest suffix first.
    wildcard_hosts: Vec<(String, Tree)>,
    any_host: Tree,
    routes: Vec<(RouteKey, T)>,
}

/// Where a request leads.
#[derive(Debug)]
pub enum Found<'r, T> {
    Route {
        target: &'r T,
        captures: Captures,
    },
    /// The path exists, with other methods: these.
    OtherMethods(Vec<Method>),
    Nothing,
}

/// The captured segments of a path, in the order of the pattern, still
/// percent-encoded.
pub type Captures = Vec<(Arc<str>, String)>;

impl<T> Routes<T> {
    /// Builds the table, or says which routes are in conflict.
    pub fn new(routes: Vec<(RouteKey, T)>) -> Result<Self, Conflicts> {
        let mut conflicts = Vec::new();
        let mut all = Routes {
            exact_hosts: HashMap::new(),
            wildcard_hosts: Vec::new(),
            any_host: Tree::default(),
            routes,
        };
        for index in 0..all.routes.len() {
            let key = all.routes[index].0.clone();
            let leaf = Leaf { methods: with_head(key.methods.clone()), route: index };
            if let Err(other) = all.tree_for(key.host.as_ref()).insert(&key.path, leaf) {
                let other = all.routes[other].0.to_string();
                conflicts.push(Conflict { route: index, key: key.to_string(), other });
            }
        }
        if !conflicts.is_empty() {
            return Err(Conflicts(conflicts));
        }
        all.wildcard_hosts.sort_by_key(|(suffix, _)| Reverse(suffix.len()));
        Ok(all)
    }

    /// Finds the route for a request. `host` is in lower case and without port;
    /// `path` is normalised.
    pub fn find(&self, host: &str, method: &Method, path: &str) -> Found<'_, T> {
        let mut others: Vec<Method> = Vec::new();
        for tree in self.trees(host) {
            let mut found = None;
            tree.visit(path, |leaf, captured| {
                if !leaf.takes(method) {
                    let new = leaf.methods.iter().filter(|m| !others.contains(m)).cloned();
                    others.extend(new.collect::<Vec<_>>());
                    return false;
                }
                let (key, target) = &self.routes[leaf.route];
                let captured = captured.iter().map(|&segment| segment.to_owned());
                let captures = key.path.captures().iter().cloned().zip(captured).collect();
                found = Some(Found::Route { target, captures });
                true
            });
            if let Some(found) = found {
                return found;
            }
        }
        if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
    }

    /// Where the routes lead, in the order of the config.
    pub fn targets(&self) -> impl Iterator<Item = &T> {
        self.routes.iter().map(|(_, target)| target)
    }

    /// The trees that a host may use, the most specific first.
    fn trees(&self, host: &str) -> impl Iterator<Item = &Tree> {
        // A site without host patterns pays nothing for them.
        let exact = if self.exact_hosts.is_empty() { None } else { self.exact_hosts.get(host) };
        let wildcard = self
            .wildcard_hosts
            .iter()
            .filter(|(suffix, _)| HostPattern::suffix_matches(suffix, host))
            .map(|(_, tree)| tree);
        exact.into_iter().chain(wildcard).chain([&self.any_host])
    }

    fn tree_for(&mut self, host: Option<&HostPattern>) -> &mut Tree {
        match host {
            None => &mut self.any_host,
            Some(HostPattern::Exact(name)) => self.exact_hosts.entry(name.clone()).or_default(),
            Some(HostPattern::Below(suffix)) => {
                let known = self.wildcard_hosts.iter().position(|(s, _)| s == suffix);
                let index = known.unwrap_or_else(|| {
                    self.wildcard_hosts.push((suffix.clone(), Tree::default()));
                    self.wildcard_hosts.len() - 1
                });
                &mut self.wildcard_hosts[index].1
            }
        }
    }
}

/// Whoever answers GET answers HEAD (RFC 9110 section 9.3.2).
fn with_head(mut methods: Vec<Method>) -> Vec<Method> {
    if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
        methods.push(Method::HEAD);
    }
    methods
}

#[cfg(test)]
mod tests;
