//! What a client is answered.

mod parts;

pub use parts::IntoResponseParts;

use crate::{Body, BodyError, Error};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::convert::Infallible;

/// A response, as the [`http`] crate has it.
///
/// ```
/// use squall_sdk::{Body, Response};
///
/// let response: Response = Response::builder()
///     .status(201)
///     .header("location", "/stories/7")
///     .body(Body::empty())
///     .unwrap();
/// ```
pub type Response<T = Body> = http::Response<T>;

/// What a handler can return.
///
/// | returned | response |
/// |---|---|
/// | `&'static str`, `String`, `Cow<'static, str>` | the text, as `text/plain` |
/// | [`Html`] | the text, as `text/html` |
/// | [`Json`] | the value, as `application/json` |
/// | `&'static [u8]`, `Vec<u8>`, [`Bytes`], [`Body`] | the bytes, as `application/octet-stream` |
/// | `()` | nothing, with status 200 |
/// | [`StatusCode`] | nothing, with that status |
/// | `(StatusCode, T)` | `T`, with that status |
/// | `(parts, T)`, `(StatusCode, parts, T)` | `T`, with up to three parts such as a [`HeaderMap`](http::HeaderMap), an array of pairs or an [`ETag`](crate::ETag): see [`IntoResponseParts`] |
/// | [`Redirect`](crate::Redirect) | the place to go to |
/// | [`Response`] | itself |
/// | `Result<T, E>` | either of them |
///
/// ```
/// use squall_sdk::{header, IntoResponse, Json, StatusCode};
///
/// let response = (
///     StatusCode::CREATED,
///     [(header::LOCATION, "/stories/7")],
///     Json([1, 2, 3]),
/// )
///     .into_response();
/// assert_eq!(response.status(), 201);
/// assert_eq!(response.headers()["content-type"], "application/json");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a response",
    label = "not a response",
    note = "a handler returns text, bytes, `Json`, a `StatusCode`, a `Response`, or a `Result` of these",
    note = "one that makes a tower service is no `async fn`"
)]
pub trait IntoResponse {
    /// Makes the response.
    fn into_response(self) -> Response;
}

/// A value that is sent as JSON, or as an argument of a handler comes as JSON.
///
/// ```
/// use serde::Serialize;
/// use squall_sdk::{handler, Json};
///
/// #[derive(Serialize)]
/// struct Story { id: u64, title: &'static str }
///
/// #[handler]
/// async fn story() -> Json<Story> {
///     Json(Story { id: 7, title: "Hello" })
/// }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// A text that is sent as HTML.
///
/// ```
/// use squall_sdk::{handler, Html};
///
/// #[handler]
/// async fn page() -> Html<&'static str> {
///     Html("<!doctype html><title>Hello</title><p>Hello")
/// }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Html<T>(pub T);

/// Reads the body of a [`Response`] that [`fetch`](crate::fetch()) has got.
pub trait ResponseExt: private::Sealed {
    /// The whole body, if it has at most `limit` bytes, see [`Body::bytes`].
    fn bytes(self, limit: usize) -> impl Future<Output = Result<Bytes, BodyError>>;

    /// The whole body as text, see [`Body::text`].
    fn text(self) -> impl Future<Output = Result<String, BodyError>>;

    /// The whole body as a value of JSON, see [`Body::json`].
    fn json<T: DeserializeOwned>(self) -> impl Future<Output = Result<T, BodyError>>;
}

impl ResponseExt for Response {
    fn bytes(self, limit: usize) -> impl Future<Output = Result<Bytes, BodyError>> {
        self.into_body().bytes(limit)
    }

    fn text(self) -> impl Future<Output = Result<String, BodyError>> {
        self.into_body().text()
    }

    fn json<T: DeserializeOwned>(self) -> impl Future<Output = Result<T, BodyError>> {
        self.into_body().json()
    }
}

mod private {
    /// So that a method can be added.
    pub trait Sealed {}
    impl Sealed for crate::Response {}
}

impl<B: Into<Body>> IntoResponse for http::Response<B> {
    fn into_response(self) -> Response {
        self.map(Into::into)
    }
}

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(value) => value.into_response(),
            Err(error) => error.into_response(),
        }
    }
}

impl IntoResponse for Infallible {
    fn into_response(self) -> Response {
        match self {}
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::default()
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        *response.status_mut() = self;
        response
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(json) => with_type("application/json", json),
            Err(error) => Error::internal(error).into_response(),
        }
    }
}

impl<T: Into<Body>> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        with_type("text/html; charset=utf-8", self.0)
    }
}

macro_rules! into_response {
    ($content_type:literal: $($body:ty),*) => {$(
        impl IntoResponse for $body {
            fn into_response(self) -> Response {
                with_type($content_type, self)
            }
        }
    )*};
}
into_response!("text/plain; charset=utf-8": &'static str, String);
into_response!("application/octet-stream": &'static [u8], Vec<u8>, Bytes, Body);

impl IntoResponse for Cow<'static, str> {
    fn into_response(self) -> Response {
        match self {
            Cow::Borrowed(text) => text.into_response(),
            Cow::Owned(text) => text.into_response(),
        }
    }
}

fn with_type(content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_replace_those_of_the_value() {
        let response = ([(header::CONTENT_TYPE, "text/csv")], "a,b").into_response();
        assert_eq!(response.headers().len(), 1);
        assert_eq!(response.headers()["content-type"], "text/csv");
    }

    #[test]
    fn a_header_may_come_twice() {
        let response = ([("set-cookie", "a=1"), ("set-cookie", "b=2")], ()).into_response();
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
    }

    #[test]
    fn a_bad_header_is_a_500() {
        for response in [
            ([("two words", "a")], "text").into_response(),
            ([("name", "a\nb")], "text").into_response(),
        ] {
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        }
    }

    #[test]
    fn the_status_of_a_tuple_wins() {
        let response = (StatusCode::ACCEPTED, [("x-a", "b")], Html("text")).into_response();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        assert_eq!(response.headers()["x-a"], "b");
    }
}
