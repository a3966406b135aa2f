//! What the server tells of a request beyond what the client sent. It comes in
//! headers of the server's own; it lets none of those of a client through.

use super::{Request, Source, text};
use percent_encoding::{percent_decode, percent_decode_str};
use std::borrow::Cow;
use std::net::IpAddr;

impl Request {
    /// A part of the path that the route names: `id` where a handler is mounted at
    /// `/stories/{id}`. It is percent-decoded, so it may hold any character, also
    /// a slash.
    pub fn capture(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = self.host_header(&format!("squall-path-{name}"))?;
        Some(match value {
            Cow::Borrowed(value) => percent_decode_str(value).decode_utf8_lossy(),
            Cow::Owned(value) => percent_decode_str(&value).decode_utf8_lossy().into_owned().into(),
        })
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
        let decoded = |value: &[u8]| percent_decode(value).decode_utf8_lossy().into_owned();
        let headers = self.all_headers().host.iter();
        headers
            .filter_map(|(name, value)| {
                Some((name.strip_prefix("squall-path-")?.to_owned(), decoded(value)))
            })
            .collect()
    }

    /// The path at which this handler is mounted, without a slash at the end:
    /// `/api`, or nothing at the root. Links within the handler begin with it.
    pub fn base_path(&self) -> Cow<'_, str> {
        self.host_header("squall-base-path").unwrap_or_default()
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
        self.host_header("squall-request-id")
    }

    /// The address of the client. The server decides what it is, also if there are
    /// proxies before it: those that it is told to trust say whom they were asked by.
    pub fn client_address(&self) -> Option<IpAddr> {
        self.host_header("squall-client-address")?.parse().ok()
    }

    /// For tests: the same request, with a part of its path as the route names it.
    #[must_use]
    pub fn with_capture(self, name: &str, value: &str) -> Self {
        self.with_host_header(format!("squall-path-{name}"), value)
    }

    /// For tests: the same request to a handler that is mounted at `path`.
    #[must_use]
    pub fn with_base_path(self, path: &str) -> Self {
        self.with_host_header("squall-base-path".to_owned(), path)
    }

    /// For tests: the same request from a client at `address`.
    #[must_use]
    pub fn with_client_address(self, address: IpAddr) -> Self {
        self.with_host_header("squall-client-address".to_owned(), &address.to_string())
    }

    fn with_host_header(mut self, name: String, value: &str) -> Self {
        self.all_headers();
        if let Some(headers) = self.headers.get_mut() {
            headers.host.push((name.to_ascii_lowercase(), value.into()));
        }
        self
    }

    /// What the server tells of this request in a header of its own.
    fn host_header(&self, name: &str) -> Option<Cow<'_, str>> {
        if self.headers.get().is_none()
            && let Source::Host(raw) = &self.source
        {
            return raw.header(name).and_then(text).map(Cow::Owned);
        }
        let headers = &self.all_headers().host;
        let (_, value) = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok().map(Cow::Borrowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(uri: &str) -> Request {
        http::Request::get(uri).body("").unwrap().into()
    }

    #[test]
    fn captures_are_decoded_and_found_in_any_case() {
        let request = get("/").with_capture("userId", "a%2Fb%20%C3%A9");
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
