//! What a client asks of the version that there is.

use super::{ETag, Strength};
use crate::{Error, FromRequestParts, Request, Result};
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use std::convert::Infallible;

/// The headers `if-match` and `if-none-match` of a request.
///
/// Check them once the version is known, and before anything is changed:
///
/// ```
/// use squall_sdk::{ETag, Preconditions, Result, StatusCode, handler};
///
/// #[handler]
/// async fn save(preconditions: Preconditions, text: String) -> Result<StatusCode> {
///     let present = Some(ETag::strong(7)); // or `None`, if there is nothing yet
///     preconditions.check(present.as_ref())?; // 412 if somebody was quicker
///     // ...
///     # _ = text;
///     Ok(StatusCode::NO_CONTENT)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Preconditions {
    method: Method,
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

#[derive(Debug, Clone)]
enum Tags {
    /// `*`
    Any,
    These(Vec<ETag>),
}

impl Preconditions {
    /// Whether the request is to be done, with this version being there or none.
    ///
    /// # Errors
    /// If it is not: 304 for a GET or HEAD of what the client has already, and 412
    /// otherwise. Both come with the tag.
    pub fn check<'a>(&self, present: impl Into<Option<&'a ETag>>) -> Result<()> {
        let present = present.into();
        if self.if_match.as_ref().is_some_and(|tags| !tags.have(present, strongly)) {
            return Err(unmet(StatusCode::PRECONDITION_FAILED, present));
        }
        if self.if_none_match.as_ref().is_some_and(|tags| tags.have(present, weakly)) {
            let is_read = matches!(self.method, Method::GET | Method::HEAD);
            let status = match is_read {
                true => StatusCode::NOT_MODIFIED,
                false => StatusCode::PRECONDITION_FAILED,
            };
            return Err(unmet(status, present));
        }
        Ok(())
    }
}

fn unmet(status: StatusCode, present: Option<&ETag>) -> Error {
    let error = Error::new(status, "there is another version than the request is for");
    match present {
        Some(tag) => error.with_header(header::ETAG, tag.to_string()),
        None => error,
    }
}

impl Tags {
    fn have(&self, present: Option<&ETag>, same: fn(&ETag, &ETag) -> bool) -> bool {
        match (self, present) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::These(tags), Some(present)) => tags.iter().any(|tag| same(tag, present)),
        }
    }

    /// Several fields count as one list. From where it is none it is not read.
    fn read(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut tags = Vec::new();
        let mut fields = headers.get_all(name).iter().peekable();
        fields.peek()?;
        for field in fields {
            let mut rest = String::from_utf8_lossy(field.as_bytes());
            if rest.trim() == "*" {
                return Some(Self::Any);
            }
            while let Some((tag, after)) = first_tag(&rest) {
                tags.push(tag);
                rest = after.to_owned().into();
            }
        }
        Some(Self::These(tags))
    }
}

fn first_tag(list: &str) -> Option<(ETag, &str)> {
    let list = list.trim_start_matches([' ', '\t', ',']);
    let (strength, quoted) = match list.strip_prefix("W/") {
        Some(quoted) => (Strength::Weak, quoted),
        None => (Strength::Strong, list),
    };
    let (opaque, rest) = quoted.strip_prefix('"')?.split_once('"')?;
    Some((ETag { strength, opaque: opaque.to_owned() }, rest))
}

fn strongly(one: &ETag, other: &ETag) -> bool {
    one == other && one.strength == Strength::Strong
}

fn weakly(one: &ETag, other: &ETag) -> bool {
    one.opaque == other.opaque
}

impl FromRequestParts for Preconditions {
    type Rejection = Infallible;

    async fn from_request_parts(request: &Request) -> Result<Self, Infallible> {
        let headers = request.headers();
        Ok(Self {
            method: request.method().clone(),
            if_match: Tags::read(headers, &header::IF_MATCH),
            if_none_match: Tags::read(headers, &header::IF_NONE_MATCH),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IntoResponse;
    use futures_executor::block_on;

    fn status(method: &str, headers: &[(&str, &str)], present: Option<&ETag>) -> u16 {
        let mut request = http::Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = Request::from(request.body("").unwrap());
        let preconditions = block_on(Preconditions::from_request_parts(&request)).unwrap();
        preconditions.check(present).map_or_else(|error| error.status().as_u16(), |()| 200)
    }

    #[test]
    fn if_none_match_compares_weakly() {
        let (strong, weak) = (ETag::strong("a"), ETag::weak("a"));
        for (list, present, expected) in [
            ("\"a\"", Some(&strong), 304),
            ("W/\"a\"", Some(&strong), 304),
            ("\"a\"", Some(&weak), 304),
            ("\"b\", W/\"c,d\" ,\"a\"", Some(&strong), 304),
            ("\"b\"", Some(&strong), 200),
            ("*", Some(&strong), 304),
            ("*", None, 200),
            ("\"a\"", None, 200),
            ("a", Some(&strong), 200),
            ("\"a", Some(&strong), 200),
            ("", Some(&strong), 200),
        ] {
            assert_eq!(status("GET", &[("if-none-match", list)], present), expected, "{list}");
            let otherwise = if expected == 304 { 412 } else { 200 };
            assert_eq!(status("PUT", &[("if-none-match", list)], present), otherwise, "{list}");
        }
    }

    #[test]
    fn if_match_compares_strongly() {
        let (strong, weak) = (ETag::strong("a"), ETag::weak("a"));
        for (list, present, expected) in [
            ("\"a\"", Some(&strong), 200),
            ("\"b\",\"a\"", Some(&strong), 200),
            ("W/\"a\"", Some(&weak), 412),
            ("\"a\"", Some(&weak), 412),
            ("\"b\"", Some(&strong), 412),
            ("*", Some(&weak), 200),
            ("*", None, 412),
            ("nonsense", Some(&strong), 412),
        ] {
            assert_eq!(status("PUT", &[("if-match", list)], present), expected, "{list}");
        }
    }

    #[test]
    fn if_match_comes_first_and_fields_are_joined() {
        let tag = ETag::strong("a");
        let both = [("if-match", "\"b\""), ("if-none-match", "\"a\"")];
        assert_eq!(status("GET", &both, Some(&tag)), 412);
        let two = [("if-none-match", "\"b\""), ("if-none-match", "\"a\"")];
        assert_eq!(status("GET", &two, Some(&tag)), 304);
        assert_eq!(status("GET", &[], Some(&tag)), 200);
    }

    #[test]
    fn not_modified_has_the_tag_and_no_content() {
        let response = unmet(StatusCode::NOT_MODIFIED, Some(&ETag::strong("a"))).into_response();
        assert_eq!(response.headers().len(), 1);
        assert_eq!(response.headers()["etag"], "\"a\"");
        assert!(http_body::Body::is_end_stream(response.body()));
    }
}
