//! Arguments that may be missing, and those whose fault the handler looks at.

use super::{FromRequest, FromRequestParts, via};
use crate::Request;
use std::convert::Infallible;

impl<T: FromRequestParts> FromRequestParts for Option<T> {
    type Rejection = T::Rejection;

    async fn from_request_parts(request: &Request) -> Result<Self, T::Rejection> {
        T::optional_from_request_parts(request).await
    }
}

impl<T: FromRequest<via::Request>> FromRequest for Option<T> {
    type Rejection = T::Rejection;

    async fn from_request(request: Request) -> Result<Self, T::Rejection> {
        T::optional_from_request(request).await
    }
}

impl<T: FromRequestParts> FromRequestParts for Result<T, T::Rejection> {
    type Rejection = Infallible;

    async fn from_request_parts(request: &Request) -> Result<Self, Infallible> {
        Ok(T::from_request_parts(request).await)
    }
}

impl<T: FromRequest<via::Request>> FromRequest for Result<T, T::Rejection> {
    type Rejection = Infallible;

    async fn from_request(request: Request) -> Result<Self, Infallible> {
        Ok(T::from_request(request).await)
    }
}
