//! The request itself, and its body as it is.

use super::{FromRequest, Rejection, RejectionKind};
use crate::{Body, Request};
use bytes::Bytes;
use std::convert::Infallible;

impl FromRequest for Request {
    type Rejection = Infallible;

    async fn from_request(request: Request) -> Result<Self, Infallible> {
        Ok(request)
    }
}

impl FromRequest for http::Request<Body> {
    type Rejection = Infallible;

    async fn from_request(request: Request) -> Result<Self, Infallible> {
        Ok(request.into_http())
    }
}

impl FromRequest for Body {
    type Rejection = Infallible;

    async fn from_request(request: Request) -> Result<Self, Infallible> {
        Ok(request.into_body())
    }
}

impl FromRequest for Bytes {
    type Rejection = Rejection;

    async fn from_request(request: Request) -> Result<Self, Rejection> {
        Ok(request.into_body().bytes(Body::DEFAULT_LIMIT).await?)
    }
}

impl FromRequest for String {
    type Rejection = Rejection;

    async fn from_request(request: Request) -> Result<Self, Rejection> {
        Ok(request.into_body().text().await?)
    }
}

/// Whether the request says that its body is of such a type. Whoever sends a body as
/// something else is told so, with [`RejectionKind::MediaType`].
pub(super) fn expect_type(
    request: &Request,
    wanted: &'static str,
    is_wanted: impl FnOnce(&str) -> bool,
) -> Result<(), Rejection> {
    let given = request.header("content-type").unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if is_wanted(&essence) {
        return Ok(());
    }
    let reason = format!("the header `content-type` must be `{wanted}`");
    Err(Rejection::new(RejectionKind::MediaType, reason))
}

/// A body without a type is taken for none.
pub(super) fn has_type(request: &Request) -> bool {
    request.header("content-type").is_some()
}
