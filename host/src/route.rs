//! Which route a request takes: a pure function of host, method and path.
//!
//! The most specific route wins whatever the order in the file: an exact host
//! before a wildcard host before any host, then a literal segment before a
//! capture before a catch-all, then a route that names the method before one that
//! takes all. Two routes that no request can tell apart are refused.

mod pattern;

pub use pattern::{HostPattern, PathPattern};

use anyhow::{Result, bail};
use http::Method;
use matchit::Router;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// What decides whether a request takes a route.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteKey {
    /// `None` takes every host.
    pub host: Option<HostPattern>,
    /// Empty takes every method. `GET` includes `HEAD`.
    pub methods: Vec<Method>,
    pub path: PathPattern,
}

/// All routes of a site, each leading to a `T`.
#[derive(Debug)]
pub struct Routes<T> {
    exact_hosts: HashMap<String, Table>,
    /// Longest suffix first.
    wildcard_hosts: Vec<(String, Table)>,
    any_host: Table,
    routes: Vec<(RouteKey, T)>,
}

/// Where a request leads.
#[derive(Debug)]
pub enum Found<'r, T> {
    Route {
        key: &'r RouteKey,
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

/// The routes of one host. A number is an index into `Routes::routes`.
#[derive(Debug, Default)]
struct Table {
    any_method: Router<usize>,
    by_method: Vec<(Method, Router<usize>)>,
}

impl<T> Routes<T> {
    /// Builds the table, or says which two routes are in conflict.
    pub fn new(routes: Vec<(RouteKey, T)>) -> Result<Self> {
        let mut all = Routes {
            exact_hosts: HashMap::new(),
            wildcard_hosts: Vec::new(),
            any_host: Table::default(),
            routes,
        };
        for index in 0..all.routes.len() {
            let key = all.routes[index].0.clone();
            let table = all.table_for(key.host.as_ref());
            if let Err(pattern) = table.insert(&key, index) {
                bail!("route `{}` is in conflict with `{pattern}`: no request can tell them apart", key.path);
            }
        }
        all.wildcard_hosts.sort_by_key(|(suffix, _)| Reverse(suffix.len()));
        Ok(all)
    }

    /// Finds the route for a request. `host` is in lower case and without port;
    /// `path` is normalised.
    pub fn find(&self, host: &str, method: &Method, path: &str) -> Found<'_, T> {
        let mut others = Vec::new();
        for table in self.tables(host) {
            if let Some((index, captures)) = table.find(method, path, &self.routes) {
                let (key, target) = &self.routes[index];
                return Found::Route { key, target, captures };
            }
            table.methods_of(path, &mut others);
        }
        if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
    }

    pub fn iter(&self) -> impl Iterator<Item = &(RouteKey, T)> {
        self.routes.iter()
    }

    /// The tables that a host may use, the most specific first.
    fn tables(&self, host: &str) -> impl Iterator<Item = &Table> {
        // A site without host patterns pays nothing for them.
        let exact = if self.exact_hosts.is_empty() { None } else { self.exact_hosts.get(host) };
        let wildcard = self
            .wildcard_hosts
            .iter()
            .filter(|(suffix, _)| HostPattern::suffix_matches(suffix, host))
            .map(|(_, table)| table);
        exact.into_iter().chain(wildcard).chain([&self.any_host])
    }

    fn table_for(&mut self, host: Option<&HostPattern>) -> &mut Table {
        match host {
            None => &mut self.any_host,
            Some(HostPattern::Exact(name)) => self.exact_hosts.entry(name.clone()).or_default(),
            Some(HostPattern::Below(suffix)) => {
                let known = self.wildcard_hosts.iter().position(|(s, _)| s == suffix);
                let index = known.unwrap_or_else(|| {
                    self.wildcard_hosts.push((suffix.clone(), Table::default()));
                    self.wildcard_hosts.len() - 1
                });
                &mut self.wildcard_hosts[index].1
            }
        }
    }
}

impl Table {
    /// On conflict, returns the pattern that was there first.
    fn insert(&mut self, key: &RouteKey, index: usize) -> Result<(), String> {
        let mut methods = key.methods.clone();
        if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
            methods.push(Method::HEAD);
        }
        if methods.is_empty() {
            return insert_all(&mut self.any_method, &key.path, index);
        }
        for method in methods {
            let known = self.by_method.iter().position(|(m, _)| *m == method);
            let at = known.unwrap_or_else(|| {
                self.by_method.push((method, Router::new()));
                self.by_method.len() - 1
            });
            insert_all(&mut self.by_method[at].1, &key.path, index)?;
        }
        Ok(())
    }

    fn find<T>(
        &self,
        method: &Method,
        path: &str,
        routes: &[(RouteKey, T)],
    ) -> Option<(usize, Captures)> {
        let named = self.by_method.iter().find(|(m, _)| m == method);
        let named = named.and_then(|(_, router)| router.at(path).ok());
        let any = self.any_method.at(path).ok();
        let best = match (named, any) {
            (Some(named), Some(any)) => {
                let more_specific = routes[*any.value].0.path.is_more_specific_than(&routes[*named.value].0.path);
                if more_specific { any } else { named }
            }
            (named, any) => named.or(any)?,
        };
        let names = routes[*best.value].0.path.captures();
        let captures = names
            .iter()
            .filter_map(|name| Some((name.clone(), best.params.get(&**name)?.to_owned())))
            .collect();
        Some((*best.value, captures))
    }

    fn methods_of(&self, path: &str, methods: &mut Vec<Method>) {
        for (method, router) in &self.by_method {
            if !methods.contains(method) && router.at(path).is_ok() {
                methods.push(method.clone());
            }
        }
    }
}

fn insert_all(router: &mut Router<usize>, path: &PathPattern, index: usize) -> Result<(), String> {
    for pattern in path.match_patterns() {
        router.insert(pattern, index).map_err(|e| match e {
            matchit::InsertError::Conflict { with } => with,
            other => other.to_string(),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
