//! Header fields as two lists, and back.

use super::Fields;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Why a guest's fields are none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::wasm) enum BadFields {
    #[error("the lengths of header fields do not fit their text")]
    Lengths,
    #[error("a header field has the name `{0}`")]
    Name(String),
    /// What it should have been, and what it is.
    #[error("`{1}` is no {0}")]
    Pseudo(&'static str, String),
    #[error("the header field `{0}` has a value with bytes that none may have")]
    Value(HeaderName),
    #[error("header fields have more than {0} bytes")]
    TooLarge(usize),
    #[error("there are more header fields than anybody takes")]
    TooMany,
}

/// Writes fields one after the other.
pub(in crate::wasm) struct Writer(Fields);

impl Writer {
    /// With room for so many fields, and so many bytes.
    pub(in crate::wasm) fn with_capacity(fields: usize, bytes: usize) -> Self {
        let (text, lengths) = (Vec::with_capacity(bytes), Vec::with_capacity(fields * 2));
        Writer(Fields { text, lengths })
    }

    pub(in crate::wasm) fn push(&mut self, name: &[u8], value: &[u8]) {
        for part in [name, value] {
            self.0.text.extend_from_slice(part);
            // Bounded by the limits of a head, which are far below.
            self.0.lengths.push(u32::try_from(part.len()).unwrap_or(u32::MAX));
        }
    }

    pub(in crate::wasm) fn finish(self) -> Fields {
        self.0
    }
}

pub(in crate::wasm) fn to_fields(headers: &HeaderMap) -> Fields {
    let mut writer = Writer::with_capacity(headers.len(), text_of(headers));
    for (name, value) in headers {
        writer.push(name.as_str().as_bytes(), value.as_bytes());
    }
    writer.finish()
}

/// The bytes of all names and values.
pub(in crate::wasm) fn text_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// The headers that a guest has put into `fields`, if they are ones. `limit` is for
/// their text, in bytes.
pub(in crate::wasm) fn from_fields(fields: Fields, limit: usize) -> Result<HeaderMap, BadFields> {
    let mut headers = HeaderMap::with_capacity((fields.lengths.len() / 2).min(USUAL));
    for_each(fields, limit, |name, value| append(&mut headers, &name, value))?;
    Ok(headers)
}

/// Gives each name and value of a guest's `fields` to `take`.
pub(in crate::wasm) fn for_each(
    fields: Fields,
    limit: usize,
    mut take: impl FnMut(Bytes, Bytes) -> Result<(), BadFields>,
) -> Result<(), BadFields> {
    let Fields { text, lengths } = fields;
    if text.len() > limit {
        return Err(BadFields::TooLarge(limit));
    }
    let mut text = Bytes::from(text);
    let mut pairs = lengths.chunks_exact(2);
    for pair in &mut pairs {
        let name = part(&mut text, pair[0])?;
        let value = part(&mut text, pair[1])?;
        take(name, value)?;
    }
    if pairs.remainder().is_empty() && text.is_empty() { Ok(()) } else { Err(BadFields::Lengths) }
}

pub(in crate::wasm) fn append(
    headers: &mut HeaderMap,
    name: &[u8],
    value: Bytes,
) -> Result<(), BadFields> {
    let name = HeaderName::from_bytes(name)
        .map_err(|_| BadFields::Name(String::from_utf8_lossy(name).into_owned()))?;
    let value =
        HeaderValue::from_maybe_shared(value).map_err(|_| BadFields::Value(name.clone()))?;
    headers.try_append(name, value).map_err(|_| BadFields::TooMany)?;
    Ok(())
}

fn part(text: &mut Bytes, length: u32) -> Result<Bytes, BadFields> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > text.len() { Err(BadFields::Lengths) } else { Ok(text.split_to(length)) }
}

/// Room for so many is made at once. A guest names a number before it names a field.
const USUAL: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(parts: &[&[u8]]) -> Fields {
        let lengths = parts.iter().map(|part| part.len() as u32).collect();
        Fields { text: parts.concat(), lengths }
    }

    fn value() -> impl Strategy<Value = Vec<u8>> {
        let byte = any::<u8>().prop_filter("a value's", |b| *b == b'\t' || (*b >= 32 && *b != 127));
        prop::collection::vec(byte, 0..20)
    }

    proptest! {
        #[test]
        fn any_headers_come_back_in_their_order(
            parts in prop::collection::vec(("[a-zA-Z0-9!#$&'*+.^_`|~-]{1,12}", value()), 0..20),
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in &parts {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                headers.append(name, HeaderValue::from_bytes(value).unwrap());
            }
            let back = from_fields(to_fields(&headers), usize::MAX).unwrap();
            prop_assert_eq!(back, headers);
        }

        #[test]
        fn no_fields_of_a_guest_do_harm(
            text in prop::collection::vec(any::<u8>(), 0..60),
            lengths in prop::collection::vec(prop_oneof![0u32..20, any::<u32>()], 0..8),
        ) {
            if let Ok(headers) = from_fields(Fields { text: text.clone(), lengths }, 1000) {
                prop_assert_eq!(text_of(&headers), text.len());
            }
        }
    }

    #[test]
    fn what_is_no_field_is_told() {
        let bad = |parts: &[&[u8]]| from_fields(fields(parts), 100).unwrap_err();
        assert_eq!(bad(&[b"a b", b"1"]), BadFields::Name("a b".into()));
        assert_eq!(bad(&[b"", b"1"]), BadFields::Name(String::new()));
        assert_eq!(bad(&[b":path", b"/"]), BadFields::Name(":path".into()));
        assert_eq!(bad(&[b"x", b"1\r\ny: 2"]), BadFields::Value(HeaderName::from_static("x")));
        assert_eq!(bad(&[b"x", b"1", b"y"]), BadFields::Lengths);
        assert_eq!(bad(&[b"x", &[b'a'; 100]]), BadFields::TooLarge(100));
        let short = Fields { text: b"xy".to_vec(), lengths: vec![1, 2] };
        assert_eq!(from_fields(short, 100).unwrap_err(), BadFields::Lengths);
        let long = Fields { text: b"xyz".to_vec(), lengths: vec![1, 1] };
        assert_eq!(from_fields(long, 100).unwrap_err(), BadFields::Lengths);
        let names: Vec<String> = (0..33_000).map(|i| format!("x{i}")).collect();
        let many: Vec<&[u8]> = names.iter().flat_map(|name| [name.as_bytes(), b""]).collect();
        let many = fields(&many);
        assert_eq!(from_fields(many, usize::MAX).unwrap_err(), BadFields::TooMany);
    }
}
