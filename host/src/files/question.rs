//! What the library is shown of a request: only what it judges rightly, in the
//! form in which it does.
//!
//! Ranges are not among it: it answers 416 to what RFC 9110 section 14.2 says to
//! ignore, takes ranges of HEAD requests, and does not know `If-Range`.

use http::header::{
    ACCEPT_ENCODING, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request};

/// The question after `uri` that `head` asks, without any range.
pub(super) fn ask(head: &Parts, uri: &str) -> Request<()> {
    let mut question = Request::new(());
    *question.method_mut() = head.method.clone();
    // Always a URI: what has been opened has a name of at most 4 KiB.
    if let Ok(uri) = uri.parse() {
        *question.uri_mut() = uri;
    }
    let headers = question.headers_mut();
    for value in head.headers.get_all(ACCEPT_ENCODING) {
        headers.append(ACCEPT_ENCODING, value.clone());
    }
    for name in [IF_MATCH, IF_NONE_MATCH] {
        if let Some(value) = joined(&head.headers, &name) {
            headers.insert(name, value);
        }
    }
    for name in [IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
        if let Some(value) = only(&head.headers, &name) {
            headers.insert(name, value.clone());
        }
    }
    question
}

/// The value of a header that may be there once. Twice is as good as malformed.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// All lines of a list as one (RFC 9110 section 5.3): the library reads the
/// first line only.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    if lines.is_empty() {
        return None;
    }
    HeaderValue::from_bytes(&lines.join(&b", "[..])).ok()
}
