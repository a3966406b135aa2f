//! A small site with pages, a form and an API: an axum application as it would be
//! anywhere, but for `#[handler]`.

mod pages;
mod stories;

use axum::Router;
use axum::routing::{get, post};
use pages::Pages;
use squall_sdk::{config, handler};

/// Called once for each instance of the component, and asked by all its requests.
#[handler]
fn app() -> Router {
    router(config::get("title").unwrap_or_else(|| "Stories".to_owned()))
}

fn router(title: String) -> Router {
    Router::new()
        .route("/", get(pages::list))
        .route("/stories/{id}", get(pages::story))
        .route("/search", post(pages::search))
        .route("/api/stories", get(stories::all))
        .route("/api/stories/{id}", get(stories::one))
        .fallback(pages::nothing)
        .with_state(Pages::new(title))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::{Request, Response};
    use futures_executor::block_on;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    fn ask(request: Request<Body>) -> Response<Body> {
        block_on(router("Stories".to_owned()).oneshot(request)).unwrap()
    }

    fn get(path: &str) -> (u16, String) {
        let response = ask(Request::get(path).body(Body::empty()).unwrap());
        let status = response.status().as_u16();
        let bytes = block_on(response.into_body().collect()).unwrap().to_bytes();
        (status, String::from_utf8(bytes.into()).unwrap())
    }

    #[test]
    fn pages_are_made_of_templates() {
        let (status, page) = get("/");
        assert_eq!(status, 200);
        assert!(
            page.contains("<h1>Stories</h1>") && page.contains("href=\"/stories/2\""),
            "{page}"
        );
        let (status, page) = get("/stories/2");
        assert_eq!(status, 200);
        assert!(page.contains("Small &amp; fast"), "escaped: {page}");
        assert_eq!(get("/stories/9").0, 404);
        assert_eq!(get("/nothing").0, 404);
    }

    #[test]
    fn a_search_leads_to_its_page() {
        let form =
            Request::post("/search").header("content-type", "application/x-www-form-urlencoded");
        let response = ask(form.body("words=small+%26".into()).unwrap());
        assert_eq!(response.status(), 303);
        assert_eq!(response.headers()["location"], "/?q=small+%26");
        let (_, page) = get("/?q=small+%26");
        assert!(page.contains("/stories/2") && !page.contains("/stories/1"), "{page}");
        assert!(page.contains("value=\"small &amp;\""), "escaped: {page}");
    }

    #[test]
    fn the_api_speaks_json() {
        assert_eq!(get("/api/stories/1"), (200, r#"{"id":1,"title":"Hello, World"}"#.to_owned()));
        assert_eq!(get("/api/stories/x").0, 400);
        assert_eq!(get("/api/stories/9").0, 404);
    }
}
