//! Normalises a request's path, once, before anything looks at it.
//!
//! Router, static files and guest then see the same path, so no spelling reaches
//! what another spelling would not. The result is stable: normalising it again
//! changes nothing.

use std::borrow::Cow;

/// A path that has no meaning: not absolute, a broken percent escape, or a NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPath;

/// Returns `path` with unreserved characters decoded, other escapes in upper
/// case, bytes above ASCII escaped, repeated slashes merged and dot segments
/// removed (RFC 3986 sections 2.3, 5.2.4 and 6.2.2).
///
/// An escaped slash (`%2F`) stays escaped: it is a character of a segment, not a
/// separator.
pub fn normalise(path: &str) -> Result<Cow<'_, str>, BadPath> {
    if !path.starts_with('/') {
        return Err(BadPath);
    }
    if is_normal(path.as_bytes()) {
        return Ok(Cow::Borrowed(path));
    }
    Ok(Cow::Owned(remove_dot_segments(&unescape(path.as_bytes())?)))
}

/// True if nothing in `path` needs work. Most paths are normal, so this decides
/// without an allocation.
fn is_normal(path: &[u8]) -> bool {
    let plain = path.iter().all(|&b| b != b'%' && b != b'\\' && (0x21..0x7f).contains(&b));
    plain && !path.windows(2).any(|pair| pair == b"//" || pair == b"/.")
}

/// Decodes what needs no escape and escapes what does.
fn unescape(path: &[u8]) -> Result<String, BadPath> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = byte == b'%';
        let byte = if escaped {
            let [high, low, tail @ ..] = rest else { return Err(BadPath) };
            rest = tail;
            hex(*high)? << 4 | hex(*low)?
        } else {
            byte
        };
        match byte {
            0 => return Err(BadPath),
            b if is_unreserved(b) => out.push(b as char),
            b if escaped || b == b'\\' || !(0x21..0x7f).contains(&b) => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(HEX[(b >> 4) as usize] as char);
                out.push(HEX[(b & 15) as usize] as char);
            }
            b => out.push(b as char),
        }
    }
    Ok(out)
}

fn hex(digit: u8) -> Result<u8, BadPath> {
    (digit as char).to_digit(16).map(|d| d as u8).ok_or(BadPath)
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 section 5.2.4, with empty segments dropped on the way. A path never
/// climbs above the root.
fn remove_dot_segments(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_with_slash = false;
    for segment in path.split('/').skip(1) {
        ends_with_slash = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut out = String::with_capacity(path.len());
    for segment in &segments {
        out.push('/');
        out.push_str(segment);
    }
    if ends_with_slash || out.is_empty() {
        out.push('/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_path_are_one_path() {
        let cases = [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a//b", "/a/b"),
            ("//a", "/a"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/../../etc/passwd", "/etc/passwd"),
            ("/a/%2e%2e/b", "/b"),
            ("/a/%2E/b", "/a/b"),
            ("/%61%62", "/ab"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%252e", "/a%252e"),
            ("/a\\b", "/a%5Cb"),
            ("/caf\u{e9}", "/caf%C3%A9"),
            ("/a/", "/a/"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/a/..", "/"),
            ("/...", "/..."),
            ("/.well-known/x", "/.well-known/x"),
            ("/a;x=1/b", "/a;x=1/b"),
            ("/A", "/A"),
        ];
        for (from, to) in cases {
            assert_eq!(normalise(from).unwrap(), to, "{from}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for path in ["", "*", "a", "/%", "/%2", "/%zz", "/%00", "/a%00b"] {
            assert_eq!(normalise(path), Err(BadPath), "{path}");
        }
    }

    proptest! {
        #[test]
        fn is_idempotent_and_never_leaves_the_root(path in "/[a-z/.%25eEfF;\\\\]{0,24}") {
            if let Ok(once) = normalise(&path) {
                prop_assert_eq!(normalise(&once).unwrap(), once.clone());
                prop_assert!(!once.split('/').any(|segment| segment == ".." || segment == "."));
                prop_assert!(!once.contains("//"));
            }
        }
    }
}
