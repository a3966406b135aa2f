//! A body of JSON as a value.

use super::content::{expect_type, has_type};
use super::{FromRequest, Rejection, RejectionKind};
use crate::{Body, Json, Request};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use std::fmt;

/// As an argument it is the body of a request, which must be `application/json` or
/// like `application/geo+json`. What is no JSON is 400; what is JSON but not a `T` is
/// 422, and the client reads where in it the fault is.
impl<T: DeserializeOwned> FromRequest for Json<T> {
    type Rejection = Rejection;

    async fn from_request(request: Request) -> Result<Self, Rejection> {
        expect_type(&request, "application/json", is_json)?;
        let bytes = request.into_body().bytes(Body::DEFAULT_LIMIT).await?;
        parse(&bytes).map(Self)
    }

    /// `None` if the header `content-type` is missing.
    async fn optional_from_request(request: Request) -> Result<Option<Self>, Rejection> {
        if !has_type(&request) {
            return Ok(None);
        }
        Self::from_request(request).await.map(Some)
    }
}

fn is_json(media_type: &str) -> bool {
    let subtype = media_type.strip_prefix("application/");
    subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

/// Where in a value the fault is costs a text for each name in it, so it is looked for
/// only when there is one.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Rejection> {
    serde_json::from_slice(bytes).map_err(|fault| match fault.classify() {
        Category::Data => {
            let reason = format!("the body is not the expected JSON: {}", place::<T>(bytes, fault));
            Rejection::new(RejectionKind::Unprocessable, reason)
        }
        _ => Rejection::new(RejectionKind::Malformed, format!("the body is no JSON: {fault}")),
    })
}

#[cold]
fn place<T: DeserializeOwned>(bytes: &[u8], fault: serde_json::Error) -> String {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => fault.to_string(),
        Err(fault) => at_path(fault),
    }
}

/// What is wrong, and at which part of the value.
pub(super) fn at_path<E: fmt::Display>(fault: serde_path_to_error::Error<E>) -> String {
    match fault.path().to_string().as_str() {
        // The value as a whole.
        "." => fault.inner().to_string(),
        path => format!("`{path}`: {}", fault.inner()),
    }
}
