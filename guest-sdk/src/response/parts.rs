//! What is added to a response that something else makes.

use crate::{Error, IntoResponse, Response, Result};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// What can stand before the content in a tuple that a handler returns: headers,
/// an [`ETag`](crate::ETag), a jar of cookies.
///
/// ```
/// use squall_sdk::{ETag, handler, header, IntoResponse};
///
/// #[handler]
/// async fn page() -> impl IntoResponse {
///     (ETag::strong(7), [(header::CACHE_CONTROL, "no-cache")], "version 7\n")
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be added to a response",
    label = "not a part of a response",
    note = "before the content there may be a `StatusCode`, and then a `HeaderMap`, an array of pairs, an `ETag`, `Cookies`"
)]
pub trait IntoResponseParts {
    /// Adds it. If that fails then the error is the response.
    ///
    /// # Errors
    /// If it cannot be part of a response.
    fn into_response_parts(self, response: &mut Response) -> Result<()>;
}

impl IntoResponseParts for HeaderMap {
    fn into_response_parts(self, response: &mut Response) -> Result<()> {
        response.headers_mut().extend(self);
        Ok(())
    }
}

/// A name or a value that cannot be in a header is the handler's fault: 500.
impl<K, V, const N: usize> IntoResponseParts for [(K, V); N]
where
    K: TryInto<HeaderName, Error: Into<http::Error>>,
    V: TryInto<HeaderValue, Error: Into<http::Error>>,
{
    fn into_response_parts(self, response: &mut Response) -> Result<()> {
        let mut headers = HeaderMap::with_capacity(N);
        for (name, value) in self {
            let name = name.try_into().map_err(|error| Error::internal(error.into()))?;
            let value = value.try_into().map_err(|error| Error::internal(error.into()))?;
            headers.append(name, value);
        }
        headers.into_response_parts(response)
    }
}

impl<P: IntoResponseParts> IntoResponseParts for Option<P> {
    fn into_response_parts(self, response: &mut Response) -> Result<()> {
        self.map_or(Ok(()), |parts| parts.into_response_parts(response))
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        *response.status_mut() = self.0;
        response
    }
}

/// The status is set first, so that it is not in the way of a part's error.
macro_rules! tuples {
    ($(($($part:ident)*))*) => {$(
        #[allow(non_snake_case, reason = "the names of types serve for their values")]
        impl<$($part: IntoResponseParts,)* T: IntoResponse> IntoResponse for ($($part,)* T,) {
            fn into_response(self) -> Response {
                let ($($part,)* content,) = self;
                let mut response = content.into_response();
                $(if let Err(error) = $part.into_response_parts(&mut response) {
                    return error.into_response();
                })*
                response
            }
        }

        #[allow(non_snake_case, reason = "the names of types serve for their values")]
        impl<$($part: IntoResponseParts,)* T: IntoResponse> IntoResponse
            for (StatusCode, $($part,)* T)
        {
            fn into_response(self) -> Response {
                let (status, $($part,)* content) = self;
                ($($part,)* (status, content)).into_response()
            }
        }
    )*};
}
tuples!((A)(A B)(A B C));
