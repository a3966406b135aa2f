//! Requests to other servers.
//!
//! A component reaches only the hosts that the operator grants to it. Redirects
//! are not followed.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use squall_sdk::{fetch, handler, Json, ResponseExt, Result};
//!
//! #[derive(Deserialize, Serialize)]
//! struct Weather { temperature: f32 }
//!
//! #[handler]
//! async fn weather() -> Result<Json<Weather>> {
//!     let response = fetch::get("https://weather.example/now?city=Oslo")
//!         .header("accept", "application/json")
//!         .send()
//!         .await?;
//!     Ok(Json(response.json().await?))
//! }
//! ```
//!
//! Several at once are a matter of the usual futures: `futures_util::join!`,
//! `join_all`, or a stream with `buffered` to limit how many are under way.
//!
//! ```
//! use futures_util::future::try_join;
//! use squall_sdk::{fetch, handler, ResponseExt, Result};
//!
//! #[handler]
//! async fn both() -> Result<String> {
//!     let (one, two) = try_join(
//!         fetch::get("https://one.example/").send(),
//!         fetch::get("https://two.example/").send(),
//!     )
//!     .await?;
//!     Ok(one.text().await? + &two.text().await?)
//! }
//! ```

mod error;

pub use error::{FetchError, FetchErrorKind};

use crate::{Body, Response, rt, time};
use http::{HeaderName, HeaderValue, Method, Uri, header};
use serde::Serialize;
use std::time::Duration;

/// Sends a request, and waits for the head of the response. Its body is read from
/// there on as it comes.
///
/// Dropping the future gives the request up.
///
/// ```
/// use squall_sdk::{fetch, handler, Request, Response, Result};
///
/// /// Passes every request on, in both directions as a stream.
/// #[handler]
/// async fn proxy(request: Request) -> Result<Response> {
///     let mut request = request.into_http();
///     *request.uri_mut() = format!("http://backend.internal{}", request.uri()).parse()?;
///     Ok(fetch(request).await?)
/// }
/// ```
///
/// # Errors
/// If there is no response. A response of any status is none of that.
pub async fn fetch<B: Into<Body>>(request: http::Request<B>) -> Result<Response, FetchError> {
    rt::send(request.map(Into::into)).await
}

/// Begins a GET request.
pub fn get<U: TryInto<Uri, Error: Into<http::Error>>>(url: U) -> RequestBuilder {
    RequestBuilder::new(Method::GET, url)
}

/// Begins a POST request.
pub fn post<U: TryInto<Uri, Error: Into<http::Error>>>(url: U) -> RequestBuilder {
    RequestBuilder::new(Method::POST, url)
}

/// Begins a PUT request.
pub fn put<U: TryInto<Uri, Error: Into<http::Error>>>(url: U) -> RequestBuilder {
    RequestBuilder::new(Method::PUT, url)
}

/// Begins a DELETE request.
pub fn delete<U: TryInto<Uri, Error: Into<http::Error>>>(url: U) -> RequestBuilder {
    RequestBuilder::new(Method::DELETE, url)
}

/// Builds a request and sends it. What is wrong with a part of it is told by
/// [`send`](RequestBuilder::send).
#[derive(Debug)]
#[must_use = "a request is sent by `send`"]
pub struct RequestBuilder {
    request: Result<http::Request<Body>, FetchError>,
    timeout: Option<Duration>,
}

impl RequestBuilder {
    /// Begins a request of any method.
    ///
    /// ```no_run
    /// # async fn example() -> squall_sdk::Result<()> {
    /// use squall_sdk::{fetch::RequestBuilder, Method};
    ///
    /// let response = RequestBuilder::new(Method::PATCH, "https://stories.example/7")
    ///     .json(&[("title", "Hello")])
    ///     .send()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn new<U: TryInto<Uri, Error: Into<http::Error>>>(method: Method, url: U) -> Self {
        let request = url.try_into().map_err(FetchError::invalid).map(|uri| {
            let mut request = http::Request::new(Body::empty());
            *request.method_mut() = method;
            *request.uri_mut() = uri;
            request
        });
        Self { request, timeout: None }
    }

    /// Adds a header.
    pub fn header<K, V>(self, name: K, value: V) -> Self
    where
        K: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        self.and_then(|request| {
            let name = name.try_into().map_err(FetchError::invalid)?;
            let value = value.try_into().map_err(FetchError::invalid)?;
            request.headers_mut().append(name, value);
            Ok(())
        })
    }

    /// Sets the query: a struct, a map, or a list of pairs.
    ///
    /// ```no_run
    /// # async fn example() -> squall_sdk::Result<()> {
    /// use squall_sdk::fetch;
    ///
    /// let found = fetch::get("https://search.example/")
    ///     .query(&[("q", "cats & dogs"), ("page", "2")])
    ///     .send()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn query<T: Serialize + ?Sized>(self, query: &T) -> Self {
        self.and_then(|request| {
            let query = serde_html_form::to_string(query).map_err(FetchError::invalid_value)?;
            let mut parts = request.uri().clone().into_parts();
            let path = format!("{}?{query}", request.uri().path());
            parts.path_and_query = Some(path.parse().map_err(FetchError::invalid)?);
            *request.uri_mut() = Uri::from_parts(parts).map_err(FetchError::invalid)?;
            Ok(())
        })
    }

    /// Sets the body. A streamed one is sent while the response is waited for.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.and_then(|request| {
            *request.body_mut() = body.into();
            Ok(())
        })
    }

    /// Sets the body to a value of JSON.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        self.and_then(|request| {
            let json = serde_json::to_vec(value).map_err(FetchError::invalid_value)?;
            set_body(request, "application/json", json);
            Ok(())
        })
    }

    /// Sets the body to a web form (`application/x-www-form-urlencoded`).
    pub fn form<T: Serialize + ?Sized>(self, value: &T) -> Self {
        self.and_then(|request| {
            let form = serde_html_form::to_string(value).map_err(FetchError::invalid_value)?;
            set_body(request, "application/x-www-form-urlencoded", form);
            Ok(())
        })
    }

    /// Gives up if the head of the response has not come by then. The server has
    /// limits of its own, too.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the request, as [`fetch`](fetch()) does.
    ///
    /// # Errors
    /// If the request cannot be built, or there is no response.
    pub async fn send(self) -> Result<Response, FetchError> {
        let response = fetch(self.request?);
        match self.timeout {
            None => response.await,
            Some(timeout) => time::timeout(timeout, response).await.unwrap_or_else(|elapsed| {
                Err(FetchError::new(FetchErrorKind::Timeout, elapsed.to_string()))
            }),
        }
    }

    fn and_then(
        mut self,
        set: impl FnOnce(&mut http::Request<Body>) -> Result<(), FetchError>,
    ) -> Self {
        if let Ok(request) = &mut self.request
            && let Err(error) = set(request)
        {
            self.request = Err(error);
        }
        self
    }
}

fn set_body(request: &mut http::Request<Body>, content_type: &'static str, body: impl Into<Body>) {
    *request.body_mut() = body.into();
    let content_type = HeaderValue::from_static(content_type);
    request.headers_mut().entry(header::CONTENT_TYPE).or_insert(content_type);
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_executor::block_on;

    #[test]
    fn the_first_fault_is_told() {
        let builder = get("http://one.example/").header("two words", "a").json(&1);
        let error = block_on(builder.send()).unwrap_err();
        assert_eq!(error.kind(), FetchErrorKind::InvalidRequest);
        assert!(error.to_string().contains("header name"), "{error}");
    }

    #[test]
    fn the_query_replaces_only_the_query() {
        let request = get("http://one.example/a?b").query(&[("c", "d e"), ("c", "f")]).request;
        assert_eq!(request.unwrap().uri(), "http://one.example/a?c=d+e&c=f");
    }

    #[test]
    fn a_content_type_of_ones_own_stays() {
        let builder = post("http://one.example/").header("content-type", "application/x+json");
        let request = builder.json(&[1]).request.unwrap();
        assert_eq!(request.headers()["content-type"], "application/x+json");
        assert_eq!(block_on(request.into_body().text()).unwrap(), "[1]");
    }
}
