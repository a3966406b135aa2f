//! What the server tells of a request beyond what the client sent.

use super::{Request, Source};
use crate::rt::RawRequest;
use std::borrow::Cow;
use std::net::IpAddr;

impl Request {
    /// A part of the path that the route names: `id` where a handler is mounted at
    /// `/stories/{id}`. It is percent-decoded, so it may hold any character, also
    /// a slash.
    pub fn capture(&self, name: &str) -> Option<Cow<'_, str>> {
        let is_named = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        match self.0.made.captures.iter().find(is_named) {
            Some((_, value)) => Some(Cow::Borrowed(value)),
            None => self.raw()?.capture(name),
        }
    }

    /// All parts of the path that the route names: names and values, in their order
    /// in the path, decoded as for [`capture`](Request::capture).
    ///
    /// ```
    /// use squall_sdk::Request;
    ///
    /// let request = Request::from(http::Request::new("")).with_capture("id", "7");
    /// assert_eq!(request.captures(), [("id".to_owned(), "7".to_owned())]);
    /// ```
    pub fn captures(&self) -> Vec<(String, String)> {
        let of_server = self.raw().map(RawRequest::captures).unwrap_or_default();
        self.0.made.captures.iter().cloned().chain(of_server).collect()
    }

    /// The path at which this handler is mounted, without a slash at the end:
    /// `/api`, or nothing at the root. Links within the handler begin with it.
    pub fn base_path(&self) -> Cow<'_, str> {
        match &self.0.made.base_path {
            Some(path) => Cow::Borrowed(path),
            None => self.raw().and_then(RawRequest::base_path).unwrap_or_default(),
        }
    }

    /// The path below [`base_path`](Request::base_path). It always begins with a
    /// slash.
    ///
    /// ```
    /// use squall_sdk::Request;
    ///
    /// let request = Request::from(http::Request::get("/api/users?all").body("").unwrap());
    /// let request = request.with_base_path("/api");
    /// assert_eq!(request.subpath(), "/users");
    /// ```
    pub fn subpath(&self) -> &str {
        let path = self.uri().path();
        match path.strip_prefix(&*self.base_path()) {
            Some("") => "/",
            Some(below) if below.starts_with('/') => below,
            _ => path,
        }
    }

    /// The name that the server has given to this request. It stands in the
    /// server's log, so put it into yours.
    pub fn request_id(&self) -> Option<Cow<'_, str>> {
        self.raw()?.request_id()
    }

    /// The address of the client. The server decides what it is, also if there are
    /// proxies before it: those that it is told to trust say whom they were asked by.
    pub fn client_address(&self) -> Option<IpAddr> {
        self.0.made.client_address.or_else(|| self.raw()?.client_address())
    }

    /// For tests: the same request, with a part of its path as the route names it.
    #[must_use]
    pub fn with_capture(mut self, name: &str, value: &str) -> Self {
        self.0.made.captures.push((name.to_owned(), value.to_owned()));
        self
    }

    /// For tests: the same request to a handler that is mounted at `path`.
    #[must_use]
    pub fn with_base_path(mut self, path: &str) -> Self {
        self.0.made.base_path = Some(path.to_owned());
        self
    }

    /// For tests: the same request from a client at `address`.
    #[must_use]
    pub fn with_client_address(mut self, address: IpAddr) -> Self {
        self.0.made.client_address = Some(address);
        self
    }

    fn raw(&self) -> Option<&RawRequest> {
        match &self.0.source {
            Source::Host(raw) => Some(raw),
            Source::Made(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(uri: &str) -> Request {
        http::Request::get(uri).body("").unwrap().into()
    }

    #[test]
    fn captures_are_found_in_any_case() {
        let request = get("/").with_capture("userId", "a/b é");
        assert_eq!(request.capture("userid").unwrap(), "a/b é");
        assert_eq!(request.capture("other"), None);
    }

    #[test]
    fn what_the_server_adds_is_no_header() {
        let request = get("/").with_capture("id", "7");
        assert!(request.headers().is_empty());
        assert_eq!(request.header("squall-path-id"), None);
        assert!(request.into_http().headers().is_empty());
    }

    #[test]
    fn the_subpath_is_cut_at_a_slash_only() {
        for (path, base, below) in [
            ("/api/users", "/api", "/users"),
            ("/api", "/api", "/"),
            ("/api/", "/api", "/"),
            ("/apiary", "/api", "/apiary"),
            ("/users", "", "/users"),
        ] {
            assert_eq!(get(path).with_base_path(base).subpath(), below, "{path} below {base}");
        }
    }

    #[test]
    fn only_the_server_says_who_the_client_is() {
        let request = http::Request::get("/")
            .header("x-forwarded-for", "192.0.2.1")
            .header("squall-client-address", "192.0.2.1");
        let request = Request::from(request.body("").unwrap());
        assert_eq!(request.client_address(), None);
        let address = "2001:db8::1".parse().unwrap();
        assert_eq!(request.with_client_address(address).client_address(), Some(address));
    }
}
