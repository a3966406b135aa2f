//! Answers with what it was sent. See the README.

use serde::Serialize;
use squall_sdk::{HeaderMap, IntoResponse, Json, Method, Request, Response, handler, header};
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Reflection<'a> {
    method: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    headers: BTreeMap<&'a str, String>,
}

#[handler]
async fn echo(request: Request) -> Response {
    if brings_nothing(&request) {
        return reflect(&request);
    }
    // The body brings its trailers, but HTTP/1 wants their names said before.
    let kept = [header::CONTENT_TYPE, header::TRAILER];
    let kept = kept.map(|name| (request.headers().get(&name).cloned(), name));
    let mut response = Response::new(request.into_body());
    for (value, name) in kept {
        if let Some(value) = value {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// These two mostly have no body, and no length is how they say so.
fn brings_nothing(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
        && request.header("content-length").is_none_or(|length| length == "0")
}

fn reflect(request: &Request) -> Response {
    Json(Reflection {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query(),
        headers: joined(request.headers()),
    })
    .into_response()
}

/// One line for each name, as RFC 9110 (5.3) lets a proxy do it.
fn joined(headers: &HeaderMap) -> BTreeMap<&str, String> {
    let mut lines = BTreeMap::<&str, String>::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        lines
            .entry(name.as_str())
            .and_modify(|line| {
                line.push_str(", ");
                line.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_executor::block_on;
    use squall_sdk::{Body, ResponseExt, http};

    #[test]
    fn a_request_without_a_body_is_described() {
        let request = http::Request::get("/a?b=c").header("x-a", "1").header("x-a", "2");
        let response = block_on(echo(request.body("").unwrap().into()));
        assert_eq!(
            block_on(response.text()).unwrap(),
            r#"{"method":"GET","path":"/a","query":"b=c","headers":{"x-a":"1, 2"}}"#
        );
    }

    #[test]
    fn a_body_comes_back_with_its_type_and_trailers() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "7".parse().unwrap());
        let body = Body::from("hello").with_trailers(trailers);
        let request = http::Request::post("/").header("content-type", "text/x-test");
        let response = block_on(echo(request.body(body).unwrap().into()));
        assert_eq!(response.headers()["content-type"], "text/x-test");
        let mut body = response.into_body();
        assert_eq!(block_on(body.chunk()).unwrap().unwrap(), "hello");
        let trailers = block_on(body.trailers()).unwrap().unwrap();
        assert_eq!(trailers["x-sum"], "7");
    }
}
