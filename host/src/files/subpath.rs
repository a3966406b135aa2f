//! A request's path as names below the root.
//!
//! The router has normalised the path already. This reads it as if nobody had:
//! what could mean something else to a file system than to a URL is refused.
//! Pure; whether something is there is not asked here.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

/// The one folder with a dot that strangers may see (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

/// Names, each decoded once and harmless, from the root down.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Subpath {
    names: Vec<String>,
    ends_with_slash: bool,
}

impl Subpath {
    /// `None` is answered with 404.
    pub(super) fn parse(path: &str) -> Option<Subpath> {
        let path = path.strip_prefix('/')?;
        if path.is_empty() {
            return Some(Subpath { names: Vec::new(), ends_with_slash: true });
        }
        let without_slash = path.strip_suffix('/');
        let names: Vec<String> =
            without_slash.unwrap_or(path).split('/').map(decode).collect::<Option<_>>()?;
        let hidden = |(depth, name): (usize, &String)| {
            // With it go `.` and `..`, `.git`, `.env` and `.htaccess`.
            name.starts_with('.') && !(depth == 0 && name == WELL_KNOWN)
        };
        if names.iter().enumerate().any(hidden) {
            return None;
        }
        Some(Subpath { names, ends_with_slash: without_slash.is_some() })
    }

    /// True if the path cannot name a file.
    pub(super) fn ends_with_slash(&self) -> bool {
        self.ends_with_slash
    }

    /// `./a/b`, the form in which tower-http asks for a path too.
    pub(super) fn to_path(&self) -> PathBuf {
        let mut path = PathBuf::from(".");
        path.extend(&self.names);
        path
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }
}

/// One segment as a name, or `None` if it is not a plain one.
fn decode(segment: &str) -> Option<String> {
    // The decoder passes a broken escape through, so that `%zz` and `%25zz`
    // would be one name.
    let broken = segment.split('%').skip(1).any(|escape| {
        let digits = escape.as_bytes().get(..2);
        !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if broken {
        return None;
    }
    let name = percent_decode_str(segment).decode_utf8().ok()?;
    // An escaped slash is a character of the name, which no file has. The
    // backslash separates on some systems, and clients take it for a slash.
    let strange = |c: char| c == '/' || c == '\\' || c.is_control();
    if name.is_empty() || name.contains(strange) {
        return None;
    }
    Some(name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_its_names() {
        let cases: [(&str, &[&str], bool); 9] = [
            ("/", &[], true),
            ("/a", &["a"], false),
            ("/a/", &["a"], true),
            ("/a/b.txt", &["a", "b.txt"], false),
            ("/a%20b", &["a b"], false),
            ("/caf%C3%A9", &["caf\u{e9}"], false),
            ("/100%25", &["100%"], false),
            // Decoded once: a name with a percent sign, which climbs nowhere.
            ("/%252e%252e/a", &["%2e%2e", "a"], false),
            ("/.well-known/x", &[".well-known", "x"], false),
        ];
        for (path, names, slash) in cases {
            let subpath = Subpath::parse(path).expect(path);
            assert_eq!(subpath.names(), names, "{path}");
            assert_eq!(subpath.ends_with_slash(), slash, "{path}");
        }
    }

    #[test]
    fn what_is_no_plain_name_is_refused() {
        let paths = [
            "",
            "a",
            "*",
            "//",
            "//a",
            "/a//b",
            "/a//",
            "/.",
            "/..",
            "/a/.",
            "/a/..",
            "/a/../b",
            "/%2e",
            "/%2e%2e",
            "/%2E%2e/a",
            "/.%2e/a",
            "/a%2fb",
            "/a%2Fb",
            "/%2fetc",
            "/a%5cb",
            "/a\\b",
            "/..\\a",
            "/%00",
            "/a%00.txt",
            "/a%0ab",
            "/a\u{7f}",
            "/%",
            "/%2",
            "/%zz",
            "/a%+1",
            "/%ff",
            "/%c0%ae%c0%ae/a",
            "/%ed%a0%80",
            "/.git",
            "/.git/config",
            "/a/.env",
            "/%2egit",
            "/...",
            "/a/.well-known/x",
            "/.well-known/.x",
            "/.well-knownx",
        ];
        for path in paths {
            assert_eq!(Subpath::parse(path), None, "{path}");
        }
    }
}
