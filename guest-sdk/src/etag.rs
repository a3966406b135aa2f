//! Versions of what is answered, and requests that depend on them (RFC 9110, 8.8.3
//! and 13).

mod preconditions;

pub use preconditions::Preconditions;

use crate::{IntoResponseParts, Response, Result};
use http::{HeaderValue, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::fmt::{self, Display};
use std::hash::{DefaultHasher, Hasher};

/// Names a version of what is answered, so that a client that has it need not get it
/// again, and one that changes it need not overwrite what it has not seen.
///
/// ```
/// use squall_sdk::{ETag, IntoResponse, Preconditions, Result, handler};
///
/// #[handler]
/// async fn page(preconditions: Preconditions) -> Result<impl IntoResponse> {
///     let version = ETag::strong(7); // whatever is cheap to know
///     preconditions.check(&version)?; // 304 or 412, and nothing more to do
///     Ok((version, "what is dear to make\n"))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ETag {
    strength: Strength,
    /// Without quotes, and with nothing that cannot stand between them.
    opaque: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Strength {
    Strong,
    Weak,
}

impl ETag {
    /// Answers with the same tag have the same bytes. The version is a number or a
    /// text that changes with them.
    pub fn strong(version: impl Display) -> Self {
        Self::new(Strength::Strong, version)
    }

    /// Answers with the same tag mean the same, though their bytes may differ. It is
    /// good for `if-none-match`, and never enough for `if-match`.
    pub fn weak(version: impl Display) -> Self {
        Self::new(Strength::Weak, version)
    }

    /// A strong tag made of the bytes themselves: of their length and a hash.
    ///
    /// ```
    /// use squall_sdk::ETag;
    ///
    /// assert_eq!(ETag::of("a page"), ETag::of("a page"));
    /// assert_ne!(ETag::of("a page"), ETag::of("another"));
    /// ```
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        Self::strong(format_args!("{:x}-{:016x}", bytes.len(), hasher.finish()))
    }

    fn new(strength: Strength, version: impl Display) -> Self {
        let opaque = utf8_percent_encode(&version.to_string(), NOT_IN_A_TAG).to_string();
        Self { strength, opaque }
    }
}

/// What cannot stand between the quotes, and `%` so that two versions remain two.
const NOT_IN_A_TAG: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

impl IntoResponseParts for ETag {
    fn into_response_parts(self, response: &mut Response) -> Result<()> {
        response.headers_mut().insert(header::ETAG, HeaderValue::try_from(self.to_string())?);
        Ok(())
    }
}

/// As it stands in the header.
impl Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.strength {
            Strength::Strong => write!(f, "\"{}\"", self.opaque),
            Strength::Weak => write!(f, "W/\"{}\"", self.opaque),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IntoResponse;

    #[test]
    fn a_tag_fits_into_its_header_whatever_the_version() {
        for (tag, text) in [
            (ETag::strong(7), "\"7\""),
            (ETag::weak("v7"), "W/\"v7\""),
            (ETag::strong("a\" b\r\n"), "\"a%22%20b%0D%0A\""),
            (ETag::strong("é%"), "\"%C3%A9%25\""),
        ] {
            let response = (tag, "text").into_response();
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["etag"], text);
        }
    }
}
