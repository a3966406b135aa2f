use super::*;
use futures_executor::block_on;
use squall_sdk::{FromRequestParts, ResponseExt, http};

/// Status, version and body of the answer. Each test has notes of its own.
fn ask(method: &str, id: Option<u64>, version: Option<&str>, body: &str) -> (u16, String, String) {
    let mut request = http::Request::builder().method(method).uri("/notes");
    request = request.header("content-type", "application/json");
    if let Some(version) = version {
        request = request.header("if-match", version);
    }
    let mut request = Request::from(request.body(body.to_owned()).unwrap());
    if let Some(id) = id {
        request = request.with_capture("id", &id.to_string());
    }
    block_on(async {
        let arguments = async {
            let id = Option::<Path<u64>>::from_request_parts(&request).await?;
            let preconditions = Preconditions::from_request_parts(&request).await?;
            notes(request.method().clone(), id, preconditions, request).await
        };
        let response = arguments.await.into_response();
        let version = response.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        (response.status().as_u16(), version.unwrap_or_default(), response.text().await.unwrap())
    })
}

const TEA: &str = r#"{"title":"Tea","text":"Green"}"#;
const MILK: &str = r#"{"title":"Milk","text":""}"#;

#[test]
fn a_note_is_made_read_changed_and_removed() {
    let (status, version, body) = ask("POST", None, None, TEA);
    assert_eq!((status, body.as_str()), (201, TEA));
    assert_eq!(ask("GET", Some(1), None, ""), (200, version.clone(), TEA.to_owned()));
    let (status, newer, body) = ask("PUT", Some(1), Some(&version), r#"{"title":"Milk"}"#);
    assert_eq!((status, body.as_str()), (200, MILK));
    let (status, told, _) = ask("PUT", Some(1), Some(&version), TEA);
    assert_eq!((status, &told), (412, &newer), "somebody was quicker");
    assert_eq!(ask("DELETE", Some(1), Some(&version), "").0, 412);
    assert_eq!(ask("DELETE", Some(1), Some(&newer), "").0, 204);
    assert_eq!(ask("GET", Some(1), None, "").0, 404);
}

#[test]
fn the_list_has_pages() {
    assert_eq!(ask("GET", None, None, "").2, r#"{"notes":[]}"#);
    for _ in 0..11 {
        ask("POST", None, None, TEA);
    }
    let (_, _, list) = ask("GET", None, None, "");
    assert!(list.starts_with(r#"{"notes":[{"id":1,"title":"Tea"},{"id":2,"#), "{list}");
    assert!(list.ends_with(r#"{"id":10,"title":"Tea"}],"next":"?after=00000000000000000010"}"#));
}

#[test]
fn what_is_no_note_is_refused() {
    for (body, status) in [
        (r#"{"title":" "}"#, 400),
        (r#"{"title":"Tea","colour":"green"}"#, 422),
        (r#"{}"#, 422),
        ("tea", 400),
    ] {
        assert_eq!(ask("POST", None, None, body).0, status, "{body}");
    }
    assert_eq!(ask("DELETE", None, None, "").0, 405);
    assert_eq!(ask("POST", Some(1), None, TEA).0, 405);
}
