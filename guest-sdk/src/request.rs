//! What a client asks.

mod server;

use crate::rt::RawRequest;
use crate::{Body, Error, Result};
use http::{HeaderMap, Method, Uri, header};
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;
use std::net::IpAddr;

/// A request from a client.
///
/// Its parts are the types of the [`http`] crate, but they are read from the
/// server only when they are asked for: most handlers look at a fraction of what
/// a browser sends. For code that wants an [`http::Request`] there is
/// [`into_http`](Request::into_http), and a handler may also take one in place of
/// this type.
///
/// Reading the body takes the request, so look at the rest of it first.
///
/// ```
/// use serde::Deserialize;
/// use squall_sdk::{handler, Method, Request, Result};
///
/// #[derive(Deserialize)]
/// struct Comment { text: String }
///
/// #[handler]
/// async fn comment(request: Request) -> Result<String> {
///     let story = request.capture("id").unwrap_or_default().into_owned();
///     let comment: Comment = request.json().await?;
///     Ok(format!("on {story}: {}", comment.text))
/// }
///
/// // In a test a request is made by hand.
/// # futures_executor::block_on(async {
/// let request = http::Request::post("/stories/7/comments").body(r#"{"text":"Nice"}"#).unwrap();
/// let request = Request::from(request).with_capture("id", "7");
/// assert_eq!(comment(request).await.unwrap(), "on 7: Nice");
/// # });
/// ```
// Boxed, because it changes hands several times, and futures keep room for each.
pub struct Request(Box<Parts>);

struct Parts {
    method: OnceCell<Method>,
    uri: OnceCell<Uri>,
    headers: OnceCell<HeaderMap>,
    source: Source,
    /// What a test says of it in the server's place.
    made: Told,
}

/// Where the parts come from that are not read yet.
enum Source {
    Host(RawRequest),
    /// The component made the request itself, so all of it is here already.
    Made(Body),
}

/// What the server tells of a request beyond what the client sent.
#[derive(Default)]
struct Told {
    captures: Vec<(String, String)>,
    base_path: Option<String>,
    client_address: Option<IpAddr>,
}

impl Request {
    pub(crate) fn from_raw(raw: RawRequest) -> Self {
        Self(Box::new(Parts {
            method: OnceCell::new(),
            uri: OnceCell::new(),
            headers: OnceCell::new(),
            source: Source::Host(raw),
            made: Told::default(),
        }))
    }

    /// The method.
    pub fn method(&self) -> &Method {
        self.0.method.get_or_init(|| match &self.0.source {
            Source::Host(raw) => raw.method(),
            Source::Made(_) => Method::GET,
        })
    }

    /// The path and the query, as the client sent them. For the whole address see
    /// [`url`](Request::url).
    pub fn uri(&self) -> &Uri {
        self.0.uri.get_or_init(|| match &self.0.source {
            Source::Host(raw) => raw.uri(),
            Source::Made(_) => Uri::default(),
        })
    }

    /// The whole address, with the host that the client used and the scheme that the
    /// server speaks, which is `http` also behind a proxy that speaks `https`.
    ///
    /// ```
    /// use squall_sdk::Request;
    ///
    /// let request = http::Request::get("/a?b").header("host", "example.org").body("").unwrap();
    /// assert_eq!(Request::from(request).url(), "http://example.org/a?b");
    /// ```
    pub fn url(&self) -> Uri {
        match &self.0.source {
            Source::Host(raw) => raw.url(),
            Source::Made(_) => {
                let host = self.header(header::HOST.as_str());
                let uri = self.uri().clone();
                let Some(host) = host.filter(|_| uri.authority().is_none()) else {
                    return uri;
                };
                let path = uri.path_and_query().map_or("/", |path| path.as_str());
                Uri::builder()
                    .scheme("http")
                    .authority(&*host)
                    .path_and_query(path)
                    .build()
                    .unwrap_or(uri)
            }
        }
    }

    /// All headers that the client sent. To look at one or two of many,
    /// [`header`](Request::header) costs less.
    ///
    /// What the server itself adds to tell the handler things (`squall-*`) is not
    /// among them; there are methods for that.
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers.get_or_init(|| match &self.0.source {
            Source::Host(raw) => raw.headers(),
            Source::Made(_) => HeaderMap::new(),
        })
    }

    /// The first value of one header, if it is text.
    ///
    /// ```
    /// use squall_sdk::Request;
    ///
    /// let request = http::Request::get("/").header("accept", "text/html").body("").unwrap();
    /// let request = Request::from(request);
    /// assert_eq!(request.header("accept").as_deref(), Some("text/html"));
    /// assert_eq!(request.header("cookie"), None);
    /// ```
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        if self.0.headers.get().is_none()
            && let Source::Host(raw) = &self.0.source
        {
            return raw.header(name).and_then(text).map(Cow::Owned);
        }
        let value = self.headers().get(name)?.as_bytes();
        std::str::from_utf8(value).ok().map(Cow::Borrowed)
    }

    /// The query as a value: a struct, a map, or a list of pairs. A field that is
    /// a `Vec` takes a key that comes more than once.
    ///
    /// ```
    /// use serde::Deserialize;
    /// use squall_sdk::Request;
    ///
    /// #[derive(Deserialize)]
    /// struct Search {
    ///     q: String,
    ///     page: Option<u32>,
    ///     #[serde(default)]
    ///     tag: Vec<String>,
    /// }
    ///
    /// let request = http::Request::get("/?q=a+b&tag=x&tag=y").body("").unwrap();
    /// let search: Search = Request::from(request).query().unwrap();
    /// assert_eq!((search.q.as_str(), search.page, search.tag.len()), ("a b", None, 2));
    /// ```
    ///
    /// # Errors
    /// If the query is not such a value. The client reads what was expected, with
    /// status 400.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T> {
        serde_html_form::from_str(self.uri().query().unwrap_or_default())
            .map_err(|error| Error::bad_request(format!("the query is not as expected: {error}")))
    }

    /// The body, to be read chunk by chunk or passed on.
    pub fn into_body(self) -> Body {
        match self.0.source {
            Source::Host(raw) => raw.into_body(),
            Source::Made(body) => body,
        }
    }

    /// The body as a value of JSON, see [`Body::json`].
    ///
    /// # Errors
    /// As there. With `?` the client reads what was expected, with status 400.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T> {
        Ok(self.into_body().json().await?)
    }

    /// The body as a web form, see [`Body::form`].
    ///
    /// # Errors
    /// As there. With `?` the client reads what was expected, with status 400.
    pub async fn form<T: DeserializeOwned>(self) -> Result<T> {
        Ok(self.into_body().form().await?)
    }

    /// The body as text, see [`Body::text`].
    ///
    /// # Errors
    /// As there. With `?` they are the client's, with status 400 or 413.
    pub async fn text(self) -> Result<String> {
        Ok(self.into_body().text().await?)
    }

    /// The same as a type of the [`http`] crate. All parts are read for that.
    pub fn into_http(mut self) -> http::Request<Body> {
        let mut request = http::Request::default();
        *request.method_mut() = self.method().clone();
        *request.uri_mut() = self.uri().clone();
        self.headers();
        if let Some(headers) = self.0.headers.take() {
            *request.headers_mut() = headers;
        }
        *request.body_mut() = self.into_body();
        request
    }
}

fn text(value: Vec<u8>) -> Option<String> {
    String::from_utf8(value).ok()
}

impl<B: Into<Body>> From<http::Request<B>> for Request {
    fn from(request: http::Request<B>) -> Self {
        let (head, body) = request.into_parts();
        Self(Box::new(Parts {
            method: head.method.into(),
            uri: head.uri.into(),
            headers: head.headers.into(),
            source: Source::Made(body.into()),
            made: Told::default(),
        }))
    }
}

/// Shows what has been read already, for looking must not change what it costs.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.0.method.get())
            .field("uri", &self.0.uri.get())
            .field("headers", &self.0.headers.get())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(uri: &str) -> Request {
        http::Request::get(uri).body("").unwrap().into()
    }

    #[test]
    fn a_bad_query_is_the_clients_fault() {
        #[derive(Debug, serde::Deserialize)]
        struct Page {
            #[allow(dead_code)]
            page: u32,
        }
        let error = get("/?page=x").query::<Page>().unwrap_err();
        assert_eq!(error.status(), 400);
        assert!(error.outside().contains("query"), "{error}");
    }
}
