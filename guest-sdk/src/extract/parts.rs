//! Parts of the head as they are.

use super::FromRequestParts;
use crate::Request;
use http::{HeaderMap, Method, Uri};
use std::convert::Infallible;

impl FromRequestParts for Method {
    type Rejection = Infallible;

    async fn from_request_parts(request: &Request) -> Result<Self, Infallible> {
        Ok(request.method().clone())
    }
}

impl FromRequestParts for Uri {
    type Rejection = Infallible;

    async fn from_request_parts(request: &Request) -> Result<Self, Infallible> {
        Ok(request.uri().clone())
    }
}

impl FromRequestParts for HeaderMap {
    type Rejection = Infallible;

    async fn from_request_parts(request: &Request) -> Result<Self, Infallible> {
        Ok(request.headers().clone())
    }
}
