//! Arguments of a handler that are made from the request.

mod client;
mod content;
mod form;
mod json;
mod optional;
mod parts;
mod path;
mod query;
mod rejection;

pub use client::ClientAddress;
pub use form::Form;
pub use path::Path;
pub use query::Query;
pub use rejection::{Rejection, RejectionKind};

use crate::{IntoResponse, Request, Response};

/// What can be made from the head of a request: any argument of a handler.
///
/// | argument | what it is | if not |
/// |---|---|---|
/// | [`Path<T>`](Path) | the parts of the path that the route names | 400 |
/// | [`Query<T>`](Query) | the query | 400 |
/// | [`Method`](http::Method), [`Uri`](http::Uri), [`HeaderMap`](http::HeaderMap) | themselves | |
/// | [`ClientAddress`] | who asks | 500 |
/// | [`Preconditions`](crate::Preconditions) | what is asked of the [`ETag`](crate::ETag) | |
/// | `Cookies` (feature `cookies`) | the cookies | |
/// | `Option<T>` | `None` if the request has nothing of the kind | as for `T` |
/// | `Result<T, T::Rejection>` | the reason, for the handler to look at | |
///
/// The last argument may take the body too, see [`FromRequest`].
///
/// An application adds its own:
///
/// ```
/// use squall_sdk::{Error, FromRequestParts, Request, handler};
///
/// struct Token(String);
///
/// impl FromRequestParts for Token {
///     type Rejection = Error;
///
///     async fn from_request_parts(request: &Request) -> Result<Self, Error> {
///         let value = request.header("authorization").unwrap_or_default();
///         let token = value.strip_prefix("Bearer ").map(str::to_owned);
///         token.map(Token).ok_or_else(|| Error::unauthorized("send a token"))
///     }
/// }
///
/// #[handler]
/// async fn hello(Token(token): Token) -> String {
///     format!("Hello, {token}\n")
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from the head of a request",
    label = "not an argument of a handler, or one that must be the last",
    note = "what takes the body, such as `Request`, `Json`, `Form`, `Bytes` or `String`, comes last",
    note = "a type of your own implements `squall_sdk::FromRequestParts`"
)]
pub trait FromRequestParts: Sized {
    /// What the client is answered if it cannot be made.
    type Rejection: IntoResponse;

    /// Makes it.
    fn from_request_parts(request: &Request)
    -> impl Future<Output = Result<Self, Self::Rejection>>;

    /// Makes an `Option` of it: `None` if the request has nothing that it could be
    /// made of, which is for each type to say. By default it always has.
    fn optional_from_request_parts(
        request: &Request,
    ) -> impl Future<Output = Result<Option<Self>, Self::Rejection>> {
        async { Self::from_request_parts(request).await.map(Some) }
    }
}

/// What can be made from a whole request: the last argument of a handler.
///
/// | argument | what it is | if not |
/// |---|---|---|
/// | [`Request`], [`http::Request<Body>`](http::Request) | all of it | |
/// | [`Body`](crate::Body) | the body, to be read bit by bit | |
/// | [`Bytes`](crate::Bytes) | the body, if it has at most [`DEFAULT_LIMIT`](crate::Body::DEFAULT_LIMIT) bytes | 413 |
/// | `String` | the same as text | 400, 413 |
/// | [`Json<T>`](crate::Json) | a value of JSON | 400, 413, 415, 422 |
/// | [`Form<T>`](Form) | a web form | 400, 413, 415, 422 |
/// | `Multipart` (feature `multipart`) | a web form with files | 400, 413, 415 |
///
/// And everything that is [`FromRequestParts`]. The parameter `M` only tells the two
/// apart: implementations leave it out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from a request",
    label = "not an argument of a handler",
    note = "a handler takes a `Request`, or `Path`, `Query`, `Json`, `Form`, `HeaderMap`, `Bytes`, ...",
    note = "a type of your own implements `squall_sdk::FromRequest` or `FromRequestParts`"
)]
pub trait FromRequest<M = via::Request>: Sized {
    /// What the client is answered if it cannot be made.
    type Rejection: IntoResponse;

    /// Makes it.
    fn from_request(request: Request) -> impl Future<Output = Result<Self, Self::Rejection>>;

    /// Makes an `Option` of it: `None` if the request has nothing that it could be
    /// made of, which is for each type to say. By default it always has.
    fn optional_from_request(
        request: Request,
    ) -> impl Future<Output = Result<Option<Self>, Self::Rejection>> {
        async { Self::from_request(request).await.map(Some) }
    }
}

/// How something is made from a request. Two types, because the compiler would take
/// the two ways of implementing [`FromRequest`] for rivals otherwise.
pub mod via {
    /// By itself.
    #[derive(Debug)]
    pub enum Request {}

    /// As [`FromRequestParts`](super::FromRequestParts).
    #[derive(Debug)]
    pub enum Parts {}
}

#[diagnostic::do_not_recommend]
impl<T: FromRequestParts> FromRequest<via::Parts> for T {
    type Rejection = T::Rejection;

    async fn from_request(request: Request) -> Result<Self, Self::Rejection> {
        T::from_request_parts(&request).await
    }
}

/// An argument of a handler that is not the last; or the response instead of it.
#[doc(hidden)]
pub async fn argument<T: FromRequestParts>(request: &Request) -> Result<T, Response> {
    T::from_request_parts(request).await.map_err(IntoResponse::into_response)
}

/// The last argument of a handler; or the response instead of it.
#[doc(hidden)]
pub async fn last_argument<T: FromRequest<M>, M>(request: Request) -> Result<T, Response> {
    T::from_request(request).await.map_err(IntoResponse::into_response)
}

#[cfg(test)]
mod tests;
