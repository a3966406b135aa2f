//! Answers that send the client elsewhere.

use crate::{Error, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// Sends the client to another place.
///
/// The place is a URL, or a path on the same host. What cannot be in one (control
/// characters, spaces, backslashes, anything beyond ASCII) is percent-encoded, so no
/// text can end the header. A place that a client has sent, `?next=//evil.example`
/// say, can still lead anywhere: check that before.
///
/// ```
/// use squall_sdk::{handler, Redirect};
///
/// #[handler]
/// async fn create() -> Redirect {
///     // ...
///     Redirect::to("/stories/7")
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    status: StatusCode,
    location: String,
}

impl Redirect {
    /// 303: the client gets the other place, whatever it has sent here. It is the
    /// answer to a form.
    pub fn to(location: &str) -> Self {
        Self::new(StatusCode::SEE_OTHER, location)
    }

    /// 307: the client sends the same request to the other place, this time.
    pub fn temporary(location: &str) -> Self {
        Self::new(StatusCode::TEMPORARY_REDIRECT, location)
    }

    /// 308: the client sends the same request to the other place, and those to come.
    /// Browsers remember it.
    pub fn permanent(location: &str) -> Self {
        Self::new(StatusCode::PERMANENT_REDIRECT, location)
    }

    /// The place, as the client reads it.
    pub fn location(&self) -> &str {
        &self.location
    }

    fn new(status: StatusCode, location: &str) -> Self {
        let location = utf8_percent_encode(location, NOT_IN_A_URL).to_string();
        Self { status, location }
    }
}

/// What RFC 3986 has no place for. `%` stays, because what stands after it is encoded
/// already.
const NOT_IN_A_URL: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

impl IntoResponse for Redirect {
    fn into_response(self) -> Response {
        let location = match HeaderValue::try_from(self.location) {
            Ok(location) => location,
            Err(error) => return Error::internal(error).into_response(),
        };
        let mut response = self.status.into_response();
        response.headers_mut().insert(header::LOCATION, location);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_status() {
        for (redirect, status) in [
            (Redirect::to("/a"), 303),
            (Redirect::temporary("/a"), 307),
            (Redirect::permanent("/a"), 308),
        ] {
            let response = redirect.into_response();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()["location"], "/a");
        }
    }

    #[test]
    fn a_location_is_a_valid_one() {
        for (given, sent) in [
            ("https://a.example/b?c=d&e#f", "https://a.example/b?c=d&e#f"),
            ("http://[::1]:3000/", "http://[::1]:3000/"),
            ("/a%20b", "/a%20b"),
            ("/a b", "/a%20b"),
            ("/é", "/%C3%A9"),
            ("/\\evil.example", "/%5Cevil.example"),
            ("/\r\nset-cookie: a=b", "/%0D%0Aset-cookie:%20a=b"),
            ("/\0\u{7f}", "/%00%7F"),
        ] {
            let response = Redirect::to(given).into_response();
            assert_eq!(response.status(), 303, "{given:?}");
            assert_eq!(response.headers()["location"], sent);
        }
    }
}
