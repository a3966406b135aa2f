//! Header fields as the world writes them: all text in one list, all lengths in another.

use super::bindings::squall::web::types::Fields;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Fields that came from the host and were not read yet.
pub(super) struct Unread {
    text: Bytes,
    lengths: Vec<u32>,
}

impl From<Fields> for Unread {
    fn from(fields: Fields) -> Self {
        Self { text: fields.text.into(), lengths: fields.lengths }
    }
}

impl Unread {
    /// The first value of the field `name`.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        let range = self.find(|known| known.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(&self.text[range])
    }

    /// The same, if it is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// The same, without a copy of it being made.
    pub(super) fn bytes(&self, name: &str) -> Option<Bytes> {
        let range = self.find(|known| known == name.as_bytes())?;
        Some(self.text.slice(range))
    }

    /// The rest of the names that begin so, and their values, as far as these are text.
    pub(super) fn starting_with(&self, prefix: &str) -> Vec<(String, String)> {
        let text = |range: Range| std::str::from_utf8(&self.text[range]).ok();
        let pairs = self.ranges().filter_map(|(name, value)| {
            Some((text(name)?.strip_prefix(prefix)?.to_owned(), text(value)?.to_owned()))
        });
        pairs.collect()
    }

    /// All fields but pseudo-fields. The host has parsed them, so none is left out; if one
    /// were, that would be better than ending the component.
    pub(super) fn read(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(self.lengths.len() / 2);
        for (name, value) in self.ranges() {
            if let Ok(name) = HeaderName::from_bytes(&self.text[name])
                && let Ok(value) = HeaderValue::from_maybe_shared(self.text.slice(value))
            {
                headers.append(name, value);
            }
        }
        headers
    }

    fn find(&self, is_named: impl Fn(&[u8]) -> bool) -> Option<Range> {
        let mut fields = self.ranges();
        fields.find(|(name, _)| is_named(&self.text[name.clone()])).map(|(_, value)| value)
    }

    /// Where names and values are.
    fn ranges(&self) -> impl Iterator<Item = (Range, Range)> {
        let (mut at, end) = (0, self.text.len());
        let mut part = move |length: u32| {
            let start = at;
            at = end.min(start + length as usize);
            start..at
        };
        self.lengths.chunks_exact(2).map(move |pair| (part(pair[0]), part(pair[1])))
    }
}

type Range = std::ops::Range<usize>;

/// Header fields for the host.
pub(super) struct Writer(Fields);

impl Writer {
    pub(super) fn with(headers: &HeaderMap) -> Self {
        Self::after(&[], headers)
    }

    /// `pseudo` before `headers`.
    pub(super) fn after(pseudo: &[(&str, &str)], headers: &HeaderMap) -> Self {
        let before = pseudo.iter().map(|(name, value)| name.len() + value.len());
        let size = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        let text = Vec::with_capacity(before.sum::<usize>() + size.sum::<usize>());
        let lengths = Vec::with_capacity(2 * (pseudo.len() + headers.len()));
        let mut writer = Self(Fields { text, lengths });
        for (name, value) in pseudo {
            writer.push(name, value.as_bytes());
        }
        for (name, value) in headers {
            writer.push(name.as_str(), value.as_bytes());
        }
        writer
    }

    pub(super) fn push(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), value] {
            self.0.text.extend_from_slice(part);
            // No part is longer than the memory that it is in.
            self.0.lengths.push(part.len() as u32);
        }
    }

    pub(super) fn finish(self) -> Fields {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{ACCEPT, COOKIE};

    #[test]
    fn what_is_written_is_read() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1"));
        headers.append(COOKIE, HeaderValue::from_bytes(b"b=\xff").unwrap());
        headers.append(ACCEPT, HeaderValue::from_static(""));
        let unread = Unread::from(Writer::after(&[(":path", "/x")], &headers).finish());
        assert_eq!(unread.read(), headers, "a pseudo-field is no header");
        assert_eq!(unread.text("Cookie"), Some("a=1"));
        assert_eq!(unread.text("accept"), Some(""));
        assert_eq!(unread.text("host"), None);
        assert_eq!(unread.bytes(":path").unwrap(), "/x");
    }
}
