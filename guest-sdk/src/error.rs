//! An error that becomes a response.
//!
//! It has two texts: the outside one goes to the client, the inside one to the
//! log. So what a client may read is decided where the error is made, and an
//! error that merely passes through with `?` tells the client nothing.

use crate::extract::Rejection;
use crate::fetch::FetchError;
use crate::state::StateError;
use crate::time::Elapsed;
use crate::{Body, BodyError, IntoResponse, Response, rt};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::borrow::Cow;
use std::fmt;

/// The error of any origin that [`Error`] is made of, as the standard library's
/// `Box<dyn Error>`.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a handler mostly returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that becomes a response: a status and a text for the client, and
/// what really happened for the log.
///
/// Any other error turns into one with `?`. Its status is then 500, its text
/// stays in the log, and the client reads no more than "Internal Server Error".
/// Those are told apart for which somebody else is to blame: a request that is not as
/// the handler wants it is 400, 413, 415 or 422, and a failed
/// [`fetch`](crate::fetch()) is 502 or 504.
///
/// The body is a problem document (RFC 9457, `application/problem+json`):
/// `{"title":"Not Found","status":404,"detail":"no such story"}`.
///
/// ```
/// use squall_sdk::{Error, Result, handler, Request, Response, Body};
///
/// #[handler]
/// async fn story(request: Request) -> Result<String> {
///     let id: u64 = request
///         .capture("id")
///         .and_then(|id| id.parse().ok())
///         .ok_or_else(|| Error::not_found("no such story"))?;
///     let score: i32 = "12".parse()?; // if this fails: 500, and the log says why
///     Ok(format!("story {id} has {score} points"))
/// }
/// ```
pub struct Error {
    status: StatusCode,
    outside: Cow<'static, str>,
    inside: Option<BoxError>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Error {
    /// An error with a status, and the text that the client reads.
    ///
    /// ```
    /// use squall_sdk::{Error, StatusCode};
    ///
    /// let error = Error::new(StatusCode::IM_A_TEAPOT, "no coffee here");
    /// assert_eq!(error.status(), 418);
    /// ```
    pub fn new(status: StatusCode, outside: impl Into<Cow<'static, str>>) -> Self {
        Self { status, outside: outside.into(), inside: None, headers: Vec::new() }
    }

    /// 400: the request makes no sense.
    pub fn bad_request(outside: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, outside)
    }

    /// 401: it is not known who asks.
    pub fn unauthorized(outside: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, outside)
    }

    /// 403: it is known who asks, and they may not.
    pub fn forbidden(outside: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, outside)
    }

    /// 404: there is no such thing.
    pub fn not_found(outside: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, outside)
    }

    /// 409: the request does not fit the state that the thing is in.
    pub fn conflict(outside: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, outside)
    }

    /// 500, with a text for the log only.
    ///
    /// ```
    /// use squall_sdk::Error;
    ///
    /// let error = Error::internal("the index has no first page");
    /// assert_eq!(error.status(), 500);
    /// assert_eq!(error.outside(), "");
    /// ```
    pub fn internal(inside: impl Into<BoxError>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "").because(inside)
    }

    /// Adds what really happened, for the log.
    ///
    /// ```
    /// use squall_sdk::{Error, StatusCode};
    ///
    /// fn parse(text: &str) -> Result<u32, Error> {
    ///     text.parse()
    ///         .map_err(|error| Error::bad_request("`page` is not a number").because(error))
    /// }
    /// assert_eq!(parse("x").unwrap_err().status(), 400);
    /// ```
    #[must_use]
    pub fn because(mut self, inside: impl Into<BoxError>) -> Self {
        self.inside = Some(inside.into());
        self
    }

    /// Adds a header to the response. A value that cannot be in one makes it a 500.
    ///
    /// ```
    /// use squall_sdk::{Error, StatusCode, header};
    ///
    /// let error = Error::new(StatusCode::METHOD_NOT_ALLOWED, "POST only")
    ///     .with_header(header::ALLOW, "POST");
    /// ```
    #[must_use]
    pub fn with_header<V>(mut self, name: HeaderName, value: V) -> Self
    where
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        match value.try_into() {
            Ok(value) => {
                self.headers.push((name, value));
                self
            }
            Err(error) => Self::internal(error.into()),
        }
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The text that the client reads. Empty if there is nothing to tell beyond
    /// the status.
    pub fn outside(&self) -> &str {
        &self.outside
    }

    /// What really happened, if more is known than the client is told.
    pub fn inside(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.inside.as_deref()
    }
}

impl<E: Into<BoxError>> From<E> for Error {
    fn from(error: E) -> Self {
        let inside = error.into();
        match blame(&*inside) {
            // The client is told all there is to know. Not the log too: it would
            // be for the client to say how fast it grows.
            (status, outside) if status.is_client_error() => Self::new(status, outside),
            (status, outside) => Self::new(status, outside).because(inside),
        }
    }
}

/// Who is to blame for an error that came by `?`, and what the client may read.
fn blame(error: &(dyn std::error::Error + 'static)) -> (StatusCode, Cow<'static, str>) {
    let mut link = Some(error);
    while let Some(error) = link {
        if let Some(error) = error.downcast_ref::<BodyError>() {
            return (error.status(), error.outside().into());
        }
        if let Some(error) = error.downcast_ref::<FetchError>() {
            return (error.status(), error.outside().into());
        }
        if let Some(error) = error.downcast_ref::<StateError>() {
            return (error.status(), error.outside().into());
        }
        if let Some(error) = error.downcast_ref::<Rejection>() {
            return (error.status(), error.outside().to_owned().into());
        }
        if error.is::<Elapsed>() {
            return (StatusCode::GATEWAY_TIMEOUT, "it took too long".into());
        }
        link = error.source();
    }
    (StatusCode::INTERNAL_SERVER_ERROR, "".into())
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Some(inside) = &self.inside {
            rt::log(format_args!("{}: {}", self.status.as_u16(), Chain(&**inside)));
        }
        let mut response = Response::default();
        *response.status_mut() = self.status;
        // A 304 is no problem, and has no content.
        if self.status.is_client_error() || self.status.is_server_error() {
            *response.body_mut() = Body::from(self.problem());
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        }
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

impl Error {
    fn problem(&self) -> Vec<u8> {
        // A few plain fields: there is nothing that could fail.
        serde_json::to_vec(&Problem(self)).unwrap_or_default()
    }
}

/// By hand, because the derive macro would be the only use of it in this crate,
/// and every plugin would have to compile it.
struct Problem<'a>(&'a Error);

impl Serialize for Problem<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(error) = self;
        let mut map = serializer.serialize_map(None)?;
        if let Some(title) = error.status.canonical_reason() {
            map.serialize_entry("title", title)?;
        }
        map.serialize_entry("status", &error.status.as_u16())?;
        if !error.outside.is_empty() {
            map.serialize_entry("detail", &error.outside)?;
        }
        map.end()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if !self.outside.is_empty() {
            write!(f, ": {}", self.outside)?;
        }
        match &self.inside {
            Some(inside) => write!(f, " ({})", Chain(&**inside)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An error and its sources, in one line.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passing_error_tells_the_client_nothing() {
        let error = Error::from("secret".parse::<u32>().unwrap_err());
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let problem = String::from_utf8(error.problem()).unwrap();
        assert_eq!(problem, r#"{"title":"Internal Server Error","status":500}"#);
        assert!(error.to_string().contains("invalid digit"));
    }

    #[test]
    fn a_text_is_an_inside_text() {
        assert_eq!(Error::from("no first page").outside(), "");
    }

    #[test]
    fn blame_is_found_behind_a_wrapper() {
        #[derive(Debug)]
        struct Wrapper(BodyError);
        impl fmt::Display for Wrapper {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("wrapped")
            }
        }
        impl std::error::Error for Wrapper {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let error = Error::from(Wrapper(BodyError::too_large()));
        assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
