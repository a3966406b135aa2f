//! One route: its key, and where it leads.

use super::super::{Target, raw};
use super::{Checked, Problem};
use crate::id::HandlerName;
use crate::route::{HostPattern, PathPattern, RouteKey};
use http::{Method, StatusCode};
use std::path::{Path, PathBuf};

pub(super) fn route(
    raw: raw::Route,
    base: &Path,
    handlers: &[String],
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

fn known_handler(name: &str, handlers: &[String]) -> Checked<HandlerName> {
    if handlers.iter().any(|known| known == name) {
        return Ok(HandlerName::new(name));
    }
    let known: Vec<String> = handlers.iter().map(|name| format!("`{name}`")).collect();
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
