//! A web form as a value.

use super::content::{expect_type, has_type};
use super::query::pairs;
use super::{FromRequest, FromRequestParts, Query, Rejection, RejectionKind};
use crate::{Body, Request};
use http::Method;
use serde::de::DeserializeOwned;

const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// A web form as a value: the body, or of a GET or HEAD request the query, as browsers
/// send it. A form with files is a `Multipart`.
///
/// ```
/// use serde::Deserialize;
/// use squall_sdk::{Form, Redirect, handler};
///
/// #[derive(Deserialize)]
/// struct Comment {
///     text: String,
/// }
///
/// #[handler]
/// async fn comment(Form(Comment { text }): Form<Comment>) -> Redirect {
///     // ...
///     # _ = text;
///     Redirect::to("/comments")
/// }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Form<T> {
    type Rejection = Rejection;

    async fn from_request(request: Request) -> Result<Self, Rejection> {
        if is_in_query(&request) {
            let Query(value) = Query::from_request_parts(&request).await?;
            return Ok(Self(value));
        }
        expect_type(&request, MEDIA_TYPE, |given| given == MEDIA_TYPE)?;
        let bytes = request.into_body().bytes(Body::DEFAULT_LIMIT).await?;
        pairs(&bytes).map(Self).map_err(|fault| {
            let reason = format!("the form is not as expected: {fault}");
            Rejection::new(RejectionKind::Unprocessable, reason)
        })
    }

    /// `None` if there is no query, or the header `content-type` is missing.
    async fn optional_from_request(request: Request) -> Result<Option<Self>, Rejection> {
        let is_there = match is_in_query(&request) {
            true => request.uri().query().is_some(),
            false => has_type(&request),
        };
        if !is_there {
            return Ok(None);
        }
        Self::from_request(request).await.map(Some)
    }
}

fn is_in_query(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}
