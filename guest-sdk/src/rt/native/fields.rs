//! Header fields as the world writes them: all text in one list, all lengths in another.

use super::bindings::squall::web::types::Fields;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers that came from the host and were not read yet.
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
    pub(super) fn get(&self, name: &str) -> Option<Bytes> {
        let mut fields = self.iter();
        fields
            .find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// All of them. The host has parsed them, so none is left out; if one were, that would be
    /// better than ending the component.
    pub(super) fn read(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(self.lengths.len() / 2 + ADDED);
        for (name, value) in self.iter() {
            if let Ok(name) = HeaderName::from_bytes(&name)
                && let Ok(value) = HeaderValue::from_maybe_shared(value)
            {
                headers.append(name, value);
            }
        }
        headers
    }

    /// Names and values, each a part of the one text.
    fn iter(&self) -> impl Iterator<Item = (Bytes, Bytes)> {
        let mut rest = self.text.clone();
        let mut part = move |length: u32| rest.split_to(rest.len().min(length as usize));
        self.lengths.chunks_exact(2).map(move |pair| (part(pair[0]), part(pair[1])))
    }
}

/// Room for `host`, and for what a handler adds.
const ADDED: usize = 4;

/// Header fields for the host.
pub(super) struct Writer(Fields);

impl Writer {
    pub(super) fn with(headers: &HeaderMap) -> Self {
        let size = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let (text, lengths) = (Vec::with_capacity(size), Vec::with_capacity(2 * headers.len()));
        let mut writer = Self(Fields { text, lengths });
        for (name, value) in headers {
            writer.push(name, value.as_bytes());
        }
        writer
    }

    pub(super) fn push(&mut self, name: &HeaderName, value: &[u8]) {
        for part in [name.as_str().as_bytes(), value] {
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
    use http::header::{ACCEPT, COOKIE, HOST};

    #[test]
    fn what_is_written_is_read() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1"));
        headers.append(COOKIE, HeaderValue::from_bytes(b"b=\xff").unwrap());
        headers.append(ACCEPT, HeaderValue::from_static(""));
        let unread = Unread::from(Writer::with(&headers).finish());
        assert_eq!(unread.read(), headers);
        assert_eq!(unread.get("Cookie").unwrap(), "a=1");
        assert_eq!(unread.get("accept").unwrap(), "");
        assert_eq!(unread.get("host"), None);
        assert!(!headers.contains_key(HOST));
    }
}
