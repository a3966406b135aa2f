//! The answers: the library's with our body in it, those it gets wrong, and what
//! it leaves out of all of them.

use std::time::SystemTime;

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    LAST_MODIFIED, LOCATION, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt;
use httpdate::HttpDate;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tower_http::services::fs::ServeFileSystemResponseBody;

use super::CHUNK;
use super::exact::Exact;
use crate::body::{Body, BodyError, declared_length};
use crate::fault::Fault;

/// Caches may keep a file but ask before each use, which costs a 304. Without
/// the header they guess a lifetime from `Last-Modified` (RFC 9111 section
/// 4.2.2) and show old files after a deployment. Not `public`: that would let a
/// shared cache keep what a route guards with `Authorization` (section 3.5).
/// Whoever knows that a file never changes may replace the header.
const CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// The library's answer with our body in it.
pub(super) async fn deliver(
    response: Response<ServeFileSystemResponseBody>,
    method: &Method,
    has_variants: bool,
    path: &str,
) -> Result<Response<Body>, Fault> {
    let (mut head, body) = response.into_parts();
    // RFC 9110 section 15.4.5: a 304 carries what the 200 would have carried.
    if head.status == StatusCode::NOT_MODIFIED && has_variants {
        head.headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    let length = match head.status {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT if *method == Method::GET => {
            declared_length(&head.headers)
        }
        _ => None,
    };
    let body = match length {
        None | Some(0) => Body::empty(),
        // Read before the head is sent: both leave in one packet, and what fails
        // can still be said with a status.
        Some(length) if length <= CHUNK as u64 => {
            Body::full(Exact::new(body, length, path).collect().await?.to_bytes())
        }
        Some(length) => Body::stream(Exact::new(body, length, path).map_err(BodyError::from)),
    };
    Ok(Response::from_parts(head, body))
}

/// RFC 9110 section 15.5.17, from the head of the whole file. Its own body is
/// empty, so what describes the file's content goes.
pub(super) fn unsatisfiable(mut headers: HeaderMap, size: u64) -> Response<Body> {
    for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LENGTH] {
        headers.remove(name);
    }
    if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
        headers.insert(CONTENT_RANGE, value);
    }
    let mut response = empty(StatusCode::RANGE_NOT_SATISFIABLE);
    *response.headers_mut() = headers;
    response
}

/// Sends the client to the address it used, with a slash at the end.
///
/// The location is relative to that address and begins with `./`. So it is right
/// below any mount and behind any proxy, and can name no other host, as
/// `//evil/` would. 308 and not the library's 307: the slash will not go away,
/// and with `no-cache` a client still asks again.
pub(super) fn redirect(head: &Parts) -> Response<Body> {
    /// What `http::Uri` lets through though RFC 3986 does not; above all the
    /// backslash, which browsers take for a slash. Escapes stay as they are.
    const UNSAFE: &AsciiSet = &CONTROLS
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
    let path = head.uri.path();
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let mut location = format!("./{}/", utf8_percent_encode(name, UNSAFE));
    if let Some(query) = head.uri.query() {
        location.push('?');
        location.extend(utf8_percent_encode(query, UNSAFE));
    }
    let Ok(location) = HeaderValue::try_from(location) else {
        return empty(StatusCode::NOT_FOUND);
    };
    let mut response = empty(StatusCode::PERMANENT_REDIRECT);
    response.headers_mut().insert(LOCATION, location);
    response
}

pub(super) fn not_allowed() -> Response<Body> {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    let allow = HeaderValue::from_static("GET, HEAD");
    response.headers_mut().insert(ALLOW, allow);
    response
}

pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// What the library leaves out of every answer.
pub(super) fn finish(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, CACHE);
    // A browser must not see a script in what the extension says is an image.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(value) = headers.get(CONTENT_TYPE).and_then(refined_type) {
        headers.insert(CONTENT_TYPE, value);
    }
    if let Some(value) = headers.get(LAST_MODIFIED).and_then(date_to_correct) {
        headers.insert(LAST_MODIFIED, value);
    }
}

/// Text gets its character set, without which a browser guesses. JSON and SVG
/// do not: RFC 8259 section 11 defines none, and XML states its own.
fn refined_type(value: &HeaderValue) -> Option<HeaderValue> {
    match value.to_str().ok()? {
        // What mime_guess says of `.mjs`; RFC 9239 section 6 has one name only.
        "application/javascript" => {
            Some(HeaderValue::from_static("text/javascript; charset=utf-8"))
        }
        text if text.starts_with("text/") && !text.contains(';') => {
            HeaderValue::try_from(format!("{text}; charset=utf-8")).ok()
        }
        _ => None,
    }
}

/// RFC 9110 section 8.8.2.1: a date in the future is replaced by the present.
fn date_to_correct(value: &HeaderValue) -> Option<HeaderValue> {
    let modified: HttpDate = value.to_str().ok()?.parse().ok()?;
    let now = HttpDate::from(SystemTime::now());
    (modified > now).then(|| HeaderValue::try_from(now.to_string()).ok())?
}
