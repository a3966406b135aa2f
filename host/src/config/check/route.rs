//! One route: its key, and where it leads.

use super::super::{Target, raw};
use super::{Checked, Problem, Problems};
use crate::id::HandlerName;
use crate::route::{HostPattern, PathPattern, RouteKey};
use http::{Method, StatusCode};
use std::path::Path;

pub(super) fn route(
    raw: raw::Route,
    base: &Path,
    handlers: &[String],
) -> Result<(RouteKey, Target), Problems> {
    let mut problems = Problems::default();
    let host = raw.host.as_deref().map(HostPattern::parse).transpose();
    let host = problems.note(host.map_err(|e| Problem::new(e).below("host")));
    let path = problems.note(path(&raw));
    let methods = problems.note(methods(&raw.methods).map_err(|p| p.below("methods")));
    let target = problems.note(target(raw, path.as_ref(), base, handlers));
    match (host, methods, path, target) {
        (Some(host), Some(methods), Some(path), Some(target)) => {
            Ok((RouteKey { host, methods, path }, target))
        }
        _ => Err(problems),
    }
}

fn path(raw: &raw::Route) -> Checked<PathPattern> {
    match (raw.path.as_deref(), raw.mount.as_deref()) {
        (Some(path), None) => PathPattern::path(path).map_err(|e| Problem::new(e).below("path")),
        (None, Some(mount)) => {
            PathPattern::mount(mount).map_err(|e| Problem::new(e).below("mount"))
        }
        _ => Err(Problem::new(
            "a route has either `path`, such as `/users/{id}`, or `mount`, which takes all below it",
        )),
    }
}

fn methods(texts: &[String]) -> Result<Vec<Method>, Problems> {
    let (mut methods, mut problems) = (Vec::new(), Problems::default());
    for (i, text) in texts.iter().enumerate() {
        methods.extend(problems.note(method(text).map_err(|p| p.below(i))));
    }
    if problems.is_empty() { Ok(methods) } else { Err(problems) }
}

fn method(text: &str) -> Checked<Method> {
    let method = text.parse::<Method>().ok().filter(|_| text == text.to_ascii_uppercase());
    method
        .ok_or_else(|| Problem::new(format!("`{text}` is not a method; methods are in upper case")))
}

/// `path` is the route's, if it is right.
fn target(
    raw: raw::Route,
    path: Option<&PathPattern>,
    base: &Path,
    handlers: &[String],
) -> Result<Target, Problems> {
    let mut problems = Problems::default();
    if let Some(name) = &raw.handler {
        problems.note(check_handler(name, handlers).map_err(|p| p.below("handler")));
    }
    let has_captures = path.is_some_and(|path| !path.captures().is_empty());
    if raw.folder.is_some() && (has_captures || raw.path.is_some() && raw.mount.is_none()) {
        let problem = Problem::new("a `folder` is served below a `mount`, not a `path`");
        problems.add(problem.below("folder"));
    }
    if let Some(to) = &raw.redirect {
        problems.note(check_redirect(to, path).map_err(|p| p.below("redirect")));
    }
    let status = raw.status.map(|code| status(code, raw.redirect.is_some())).transpose();
    let status = problems.note(status.map_err(|p| p.below("status"))).flatten();
    let target = match (raw.handler, raw.folder, raw.redirect, raw.status) {
        (Some(name), None, None, None) => Some(Target::Handler(HandlerName::new(&name))),
        (None, Some(folder), None, None) => Some(Target::Static(base.join(folder))),
        (None, None, Some(to), _) => {
            Some(Target::Redirect { to, status: status.unwrap_or(StatusCode::PERMANENT_REDIRECT) })
        }
        (None, None, None, Some(_)) => status.map(Target::Status),
        _ => {
            problems.add(Problem::new(
                "a route leads to exactly one of `handler`, `folder`, `redirect` (with an optional `status`) and `status`",
            ));
            None
        }
    };
    target.filter(|_| problems.is_empty()).ok_or(problems)
}

fn check_handler(name: &str, handlers: &[String]) -> Checked<()> {
    if handlers.iter().any(|known| known == name) {
        return Ok(());
    }
    let known: Vec<String> = handlers.iter().map(|name| format!("`{name}`")).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(Problem::new(format!("there is no handler `{name}`; known are {known}")))
}

fn status(code: u16, is_redirect: bool) -> Checked<StatusCode> {
    let allowed = if is_redirect { 300..400 } else { 200..600 };
    let status = StatusCode::from_u16(code).ok().filter(|_| allowed.contains(&code));
    status.ok_or_else(|| {
        Problem::new(format!("`{code}` is not a status that this route can answer with"))
    })
}

/// A redirect's place is a header value, and its captures are those of its path.
fn check_redirect(to: &str, path: Option<&PathPattern>) -> Result<(), Problems> {
    if to.is_empty() || http::HeaderValue::from_str(to).is_err() || !to.is_ascii() {
        return Err(Problem::new(format!("`{to}` is not a place to redirect to")).into());
    }
    let mut problems = Problems::default();
    let mut rest = to;
    while let Some((_, tail)) = rest.split_once('{') {
        let Some((name, tail)) = tail.split_once('}') else {
            problems.add(Problem::new(format!("`{to}` has a `{{` without its `}}`")));
            break;
        };
        if path.is_some_and(|path| !path.captures().iter().any(|capture| **capture == *name)) {
            problems.add(Problem::new(format!(
                "`{to}` names `{{{name}}}`, which the route's path does not capture"
            )));
        }
        rest = tail;
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}
