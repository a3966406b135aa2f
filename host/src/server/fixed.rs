//! Answers that no handler gives: a status, a redirect, a refusal of the method.

use crate::body::Body;
use crate::route::Captures;
use http::header::{ALLOW, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, Response, StatusCode};

/// The status, in words.
pub(super) fn status(code: StatusCode) -> Response<Body> {
    let reason = code.canonical_reason().unwrap_or("status").to_ascii_lowercase();
    let mut response = Response::new(Body::full(format!("{reason}\n")));
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// 405 with the methods that the path has (RFC 9110 section 15.5.6).
pub(super) fn not_allowed(methods: &[Method]) -> Response<Body> {
    let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if let Ok(value) = HeaderValue::try_from(names.join(", ")) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

/// To `to`, with the captures of the route in their places.
pub(super) fn redirect(to: &str, code: StatusCode, captures: &Captures) -> Response<Body> {
    let place = filled(to, captures);
    let mut response = status(code);
    if let Ok(value) = HeaderValue::try_from(place) {
        response.headers_mut().insert(LOCATION, value);
    }
    response
}

/// Replaces each `{name}` of `template` once: what was captured is not a template.
fn filled(template: &str, captures: &Captures) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let named = after.split_once('}').and_then(|(name, behind)| {
            let (_, value) = captures.iter().find(|(known, _)| **known == *name)?;
            Some((value, behind))
        });
        match named {
            Some((value, behind)) => {
                out.push_str(value);
                rest = behind;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_are_put_in_their_places_once() {
        let captures: Captures = vec![("a".into(), "{b}".into()), ("b".into(), "2".into())];
        let cases = [("/x/{a}/{b}", "/x/{b}/2"), ("/{c}/{", "/{c}/{"), ("/", "/")];
        for (template, place) in cases {
            assert_eq!(filled(template, &captures), place);
        }
    }
}
