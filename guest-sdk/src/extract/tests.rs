use super::*;
use crate::{Body, Json};
use bytes::Bytes;
use futures_executor::block_on;
use http::{HeaderMap, Method, Uri};
use serde::Deserialize;
use std::fmt::Debug;

fn request(method: &str, uri: &str, content_type: Option<&str>, body: impl Into<Body>) -> Request {
    let mut request = http::Request::builder().method(method).uri(uri);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    request.body(body.into()).unwrap().into()
}

fn post(content_type: &str, body: impl Into<Body>) -> Request {
    request("POST", "/", Some(content_type), body)
}

fn made<T: FromRequest<M>, M>(request: Request) -> Result<T, T::Rejection> {
    block_on(T::from_request(request))
}

/// What the client reads of it.
fn refused<T: FromRequest<M, Rejection = Rejection> + Debug, M>(request: Request) -> (u16, String) {
    let rejection = made::<T, M>(request).unwrap_err();
    let error = crate::Error::from(rejection);
    (error.status().as_u16(), error.outside().to_owned())
}

#[derive(Debug, PartialEq, Deserialize)]
struct Story {
    title: String,
    #[serde(default)]
    comments: Vec<Comment>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Comment {
    points: i32,
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn json_says_what_is_wrong_and_where() {
    for (body, status, words) in [
        (
            r#"{"title":"a","comments":[{"points":1},{"points":"x"}]}"#,
            422,
            "`comments[1].points`: ",
        ),
        (r#"{"comments":[]}"#, 422, "missing field `title`"),
        ("{x", 400, "no JSON: key must be a string"),
        (r#"{"title":"a"} x"#, 400, "no JSON: trailing characters"),
        (r#"{"title":"a""#, 400, "no JSON: EOF"),
        ("", 400, "no JSON: EOF"),
    ] {
        let (found, text) = refused::<Json<Story>, _>(post(JSON, body));
        assert_eq!(found, status, "{body}: {text}");
        assert!(text.contains(words), "{body}: {text}");
    }
}

#[test]
fn json_is_what_says_so() {
    for (content_type, status) in [
        (Some("application/json"), 200),
        (Some("Application/JSON; charset=utf-8"), 200),
        (Some("application/problem+json"), 200),
        (Some("text/json"), 415),
        (Some("application/jsonp"), 415),
        (Some("application/x-www-form-urlencoded"), 415),
        (None, 415),
    ] {
        let request = request("POST", "/", content_type, "[1]");
        let made = made::<Json<Vec<u8>>, _>(request);
        let found = made.map_or_else(|rejection| rejection.status().as_u16(), |_| 200);
        assert_eq!(found, status, "{content_type:?}");
    }
}

#[test]
fn a_body_is_read_up_to_a_limit() {
    let large = || "9".repeat(Body::DEFAULT_LIMIT + 1);
    assert_eq!(refused::<Json<f64>, _>(post(JSON, large())).0, 413);
    assert_eq!(refused::<Form<Story>, _>(post(FORM, large())).0, 413);
    assert_eq!(refused::<Bytes, _>(post(JSON, large())).0, 413);
    assert_eq!(refused::<String, _>(post(JSON, large())).0, 413);
    assert_eq!(refused::<String, _>(post(JSON, &b"\xff"[..])).0, 400);
    assert_eq!(made::<Bytes, _>(post(JSON, "abc")).unwrap(), "abc");
}

#[test]
fn a_body_that_the_component_breaks_itself_is_not_the_clients_fault() {
    let (sender, body) = Body::channel();
    drop(sender);
    assert_eq!(refused::<Bytes, _>(post(JSON, body)), (500, String::new()));
}

#[test]
fn a_form_is_in_the_body_or_in_the_query() {
    let story = || Story { title: "a b".into(), comments: Vec::new() };
    assert_eq!(made::<Form<Story>, _>(post(FORM, "title=a+b")).unwrap(), Form(story()));
    let search = request("GET", "/?title=a%20b", None, "");
    assert_eq!(made::<Form<Story>, _>(search).unwrap(), Form(story()));
    let (status, text) = refused::<Form<Story>, _>(post(FORM, "titel=a"));
    assert_eq!(status, 422);
    assert!(text.contains("missing field `title`"), "{text}");
    assert_eq!(refused::<Form<Story>, _>(post(JSON, "title=a")).0, 415);
    assert_eq!(refused::<Form<Story>, _>(request("GET", "/", None, "")).0, 400);
}

#[test]
fn a_query_names_what_is_wrong() {
    let (status, text) = refused::<Query<Comment>, _>(request("GET", "/?points=many", None, ""));
    assert_eq!(status, 400);
    assert!(text.contains("`points`: invalid digit"), "{text}");
}

#[test]
fn what_is_missing_is_none_and_what_is_wrong_is_not() {
    let nothing = || request("POST", "/", None, "");
    assert!(made::<Option<Json<Story>>, _>(nothing()).unwrap().is_none());
    assert!(made::<Option<Form<Story>>, _>(nothing()).unwrap().is_none());
    assert!(made::<Option<Query<Comment>>, _>(nothing()).unwrap().is_none());
    assert!(made::<Option<Path<u64>>, _>(nothing()).unwrap().is_none());
    assert!(made::<Option<ClientAddress>, _>(nothing()).unwrap().is_none());
    assert!(made::<Option<Method>, _>(nothing()).unwrap().is_some());

    assert_eq!(refused::<Option<Json<Story>>, _>(post(JSON, "")).0, 400);
    let wrong = request("GET", "/?points=x", None, "");
    assert_eq!(refused::<Option<Query<Comment>>, _>(wrong).0, 400);
    assert_eq!(refused::<Option<Path<u64>>, _>(nothing().with_capture("id", "x")).0, 400);
}

#[test]
fn a_result_has_the_rejection() {
    let made = made::<Result<Json<Story>, Rejection>, _>(post("text/plain", "")).unwrap();
    assert_eq!(made.unwrap_err().kind(), RejectionKind::MediaType);
}

#[test]
fn the_parts_of_a_head_are_themselves() {
    let get = || request("GET", "/a?b", Some("text/plain"), "");
    assert_eq!(made::<Method, _>(get()).unwrap(), Method::GET);
    assert_eq!(made::<Uri, _>(get()).unwrap(), "/a?b");
    assert_eq!(made::<HeaderMap, _>(get()).unwrap().len(), 1);
    let address = [192, 0, 2, 1].into();
    let client = made::<ClientAddress, _>(get().with_client_address(address));
    assert_eq!(client.unwrap(), ClientAddress(address));
    assert_eq!(refused::<ClientAddress, _>(get()), (500, String::new()));
}
