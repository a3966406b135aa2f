//! Text of strangers in ASCII that neither moves a cursor nor ends a line, and in
//! which nothing looks like something else.

use serde_json::ser::Formatter;
use std::fmt::{self, Write as _};
use std::io::{self, Write};

/// A field of a line of text: all but printable ASCII as `\xNN`, and the backslash
/// itself, so that nobody can write what looks like an escape.
pub(super) struct Plain<'a>(pub(super) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |byte: u8| matches!(byte, 0x21..=0x7e) && byte != b'\\';
        if self.0.bytes().all(is_plain) {
            return f.write_str(self.0);
        }
        for byte in self.0.bytes() {
            match is_plain(byte) {
                true => f.write_char(char::from(byte))?,
                false => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

/// JSON in ASCII. serde_json leaves DEL, the second set of control characters and
/// those that turn the direction of text as they are.
pub(super) struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let is_plain = |c: char| matches!(c, ' '..='~');
        if fragment.chars().all(is_plain) {
            return out.write_all(fragment.as_bytes());
        }
        for c in fragment.chars() {
            match c {
                _ if is_plain(c) => write!(out, "{c}")?,
                _ => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(out, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_printable_ascii_is_escaped() {
        assert_eq!(Plain("/a?b=\"c\"").to_string(), "/a?b=\"c\"");
        assert_eq!(
            Plain("a b\n\x1b[31m\x7f\\x1b").to_string(),
            "a\\x20b\\x0a\\x1b[31m\\x7f\\x5cx1b"
        );
        assert_eq!(Plain("\u{9b}é").to_string(), "\\xc2\\x9b\\xc3\\xa9");
    }

    #[test]
    fn json_is_ascii_and_reads_as_it_was() {
        let text = "a \"b\"\n\u{1b}\u{7f}\u{9b}é\u{202e}𝄞\\";
        let mut out = Vec::new();
        let mut writer = serde_json::Serializer::with_formatter(&mut out, Ascii);
        serde::Serialize::serialize(text, &mut writer).unwrap();
        assert!(out.iter().all(|byte| (0x20..=0x7e).contains(byte)), "{out:?}");
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }
}
