//! Patterns for hosts and paths, as written in `squall.toml`.

use anyhow::{Result, bail, ensure};
use std::fmt;
use std::sync::Arc;

/// `api.example.com`, or `*.example.com` for every name below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    Exact(String),
    /// `.example.com`, with its dot.
    Below(String),
}

impl HostPattern {
    pub fn parse(text: &str) -> Result<Self> {
        // An absolute name is the same name; requests have lost its dot too.
        let host = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let name = host.strip_prefix("*.").unwrap_or(&host);
        let valid = !name.is_empty()
            && name.bytes().all(|b| {
                b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':' | b'[' | b']')
            })
            && !name.starts_with('.')
            && !name.ends_with('.');
        ensure!(
            valid,
            "`{text}` is not a host; write `api.example.com` or `*.example.com`, without port"
        );
        let has_port = !name.starts_with('[') && name.contains(':');
        ensure!(!has_port, "host `{text}` has a port; routes match the host alone");
        Ok(if host.starts_with("*.") {
            HostPattern::Below(host[1..].to_owned())
        } else {
            HostPattern::Exact(host)
        })
    }

    /// Whether `host` is below `suffix` (`.example.com`).
    pub(super) fn suffix_matches(suffix: &str, host: &str) -> bool {
        host.len() > suffix.len() && host.ends_with(suffix)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exact(name) => f.write_str(name),
            HostPattern::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// `/users/{id}`, `/files/{*rest}`, or a mount that takes a path and all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    /// As written; for a mount without its trailing slash (empty for the root).
    text: String,
    mount: bool,
    captures: Arc<[Arc<str>]>,
}

impl PathPattern {
    /// Reads a pattern whose segments are literals, `{name}` or a last `{*name}`.
    pub fn path(text: &str) -> Result<Self> {
        ensure!(text.starts_with('/'), "path `{text}` does not start with `/`");
        let mut captures: Vec<Arc<str>> = Vec::new();
        let segments: Vec<&str> = text.split('/').skip(1).collect();
        for (i, segment) in segments.iter().enumerate() {
            let last = i + 1 == segments.len();
            let Some(name) = segment.strip_prefix('{') else {
                ensure!(last || !segment.is_empty(), "path `{text}` has an empty segment");
                check_literal(text, segment)?;
                continue;
            };
            let Some(name) = name.strip_suffix('}') else {
                bail!("path `{text}`: a capture is a whole segment, such as `{{id}}`");
            };
            let name = match name.strip_prefix('*') {
                Some(rest) if last => rest,
                Some(_) => {
                    bail!("path `{text}`: `{segment}` takes all that follows, so it must come last")
                }
                None => name,
            };
            let valid = !name.is_empty()
                && name.len() <= 32
                && name.bytes().all(|b| {
                    b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_'
                });
            ensure!(
                valid,
                "path `{text}`: a capture's name is made of `a-z`, `0-9`, `-` and `_`, at most 32 of them"
            );
            ensure!(
                !captures.iter().any(|c| **c == *name),
                "path `{text}`: capture `{name}` occurs twice"
            );
            captures.push(name.into());
        }
        Ok(PathPattern { text: text.to_owned(), mount: false, captures: captures.into() })
    }

    /// A mount: `text` itself, with or without a slash at its end, and all below.
    pub fn mount(text: &str) -> Result<Self> {
        ensure!(text.starts_with('/'), "mount `{text}` does not start with `/`");
        let base = text.trim_end_matches('/');
        for segment in base.split('/').skip(1) {
            ensure!(
                !segment.contains(['{', '}']),
                "mount `{text}` has a capture; use `path` for that"
            );
            check_literal(text, segment)?;
        }
        Ok(PathPattern { text: base.to_owned(), mount: true, captures: Arc::new([]) })
    }

    /// The path that a guest is mounted at, without a trailing slash: empty unless
    /// this is a mount below the root.
    pub fn base(&self) -> &str {
        if self.mount { &self.text } else { "" }
    }

    pub fn captures(&self) -> &[Arc<str>] {
        &self.captures
    }

    pub(super) fn is_mount(&self) -> bool {
        self.mount
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.text.split('/').skip(1).map(|segment| match segment {
            s if s.starts_with("{*") => Segment::Rest,
            s if s.starts_with('{') => Segment::Capture,
            literal => Segment::Literal(literal),
        })
    }
}

/// A piece of a path pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Segment<'p> {
    Literal(&'p str),
    Capture,
    Rest,
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.mount { f.write_str("/") } else { Ok(()) }
    }
}

/// Requests are normalised before they are routed, so a pattern that is not
/// normal could never match.
fn check_literal(text: &str, segment: &str) -> Result<()> {
    ensure!(
        !segment.contains(['{', '}']),
        "path `{text}`: a capture is a whole segment, such as `{{id}}`"
    );
    let path = format!("/{segment}");
    match crate::path::normalise(&path) {
        Ok(normal) if normal == path => Ok(()),
        Ok(normal) => {
            bail!("path `{text}`: no request has the segment `{segment}`; write `{}`", &normal[1..])
        }
        Err(_) => bail!("path `{text}`: `{segment}` is not a valid segment"),
    }
}
