//! Cookies: those of the request, and changes to them.

mod signed;

use crate::{Error, FromRequestParts, IntoResponseParts, Request, Response, Result};
use cookie::{Cookie, Expiration, SameSite, time};
use http::{HeaderValue, header};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::convert::Infallible;

/// The cookies of a request, and changes to them for the response.
///
/// Changes reach the client with the response that the jar is a part of:
///
/// ```
/// use squall_sdk::cookie::{Cookie, time::Duration};
/// use squall_sdk::{Cookies, IntoResponse, handler};
///
/// #[handler]
/// async fn visit(cookies: Cookies) -> impl IntoResponse {
///     let visits = cookies.get("visits").and_then(|n| n.parse().ok()).unwrap_or(0) + 1;
///     let cookie = Cookie::build(("visits", visits.to_string())).max_age(Duration::days(30));
///     (cookies.add(cookie), format!("visit {visits}\n"))
/// }
/// ```
///
/// What a cookie does not say of itself is said for it: `HttpOnly` and `SameSite=Lax`,
/// so that neither scripts nor most requests from other sites have it, `Path=/`, and
/// `Secure` if the client came over https. Values may be any text: they are
/// percent-encoded on their way.
///
/// A client can send what it likes. What it must not change or make up is signed, see
/// [`add_signed`](Cookies::add_signed).
#[derive(Debug, Clone)]
#[must_use = "changes reach the client only with the response that the jar is part of"]
pub struct Cookies {
    received: Vec<Cookie<'static>>,
    changes: Vec<Change>,
    secure: Transport,
}

#[derive(Debug, Clone)]
enum Change {
    Set(Cookie<'static>),
    Remove(Cookie<'static>),
}

/// How the client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Plain,
    Secure,
}

impl Cookies {
    /// The value of a cookie, as the client will have it after the changes.
    ///
    /// ```
    /// use squall_sdk::Cookies;
    ///
    /// fn theme(cookies: &Cookies) -> &str {
    ///     cookies.get("theme").unwrap_or("light")
    /// }
    /// ```
    pub fn get(&self, name: &str) -> Option<&str> {
        let change = self.changes.iter().rev().find(|change| change.cookie().name() == name);
        match change {
            Some(Change::Set(cookie)) => Some(cookie.value()),
            Some(Change::Remove(_)) => None,
            // A client sends the one for the longest path first.
            None => self.received.iter().find(|c| c.name() == name).map(Cookie::value),
        }
    }

    /// Sets a cookie, in place of one with the same name, path and domain.
    #[expect(clippy::should_implement_trait, reason = "the name that it has in all jars")]
    pub fn add(self, cookie: impl Into<Cookie<'static>>) -> Self {
        let cookie = self.with_defaults(cookie.into());
        self.change(Change::Set(cookie))
    }

    /// Removes a cookie: one of this name, or with the path and the domain with which it
    /// was set, if there were any.
    ///
    /// ```
    /// use squall_sdk::{Cookies, IntoResponse, Redirect, handler};
    ///
    /// #[handler]
    /// async fn log_out(cookies: Cookies) -> impl IntoResponse {
    ///     (cookies.remove("session"), Redirect::to("/"))
    /// }
    /// ```
    pub fn remove(self, cookie: impl Into<Cookie<'static>>) -> Self {
        let mut cookie = self.with_defaults(cookie.into());
        cookie.set_value("");
        // Not `make_removal`: that asks for the time, which not every world has.
        cookie.set_max_age(time::Duration::ZERO);
        cookie.set_expires(Expiration::DateTime(time::OffsetDateTime::UNIX_EPOCH));
        self.change(Change::Remove(cookie))
    }

    fn change(mut self, change: Change) -> Self {
        let place = |change: &Change| {
            let cookie = change.cookie();
            [Some(cookie.name()), cookie.path(), cookie.domain()]
                .map(|part| part.map(str::to_owned))
        };
        let replaced = place(&change);
        self.changes.retain(|change| place(change) != replaced);
        self.changes.push(change);
        self
    }

    fn with_defaults(&self, mut cookie: Cookie<'static>) -> Cookie<'static> {
        if cookie.http_only().is_none() {
            cookie.set_http_only(true);
        }
        if cookie.same_site().is_none() {
            cookie.set_same_site(SameSite::Lax);
        }
        if cookie.path().is_none() {
            cookie.set_path("/");
        }
        // A browser takes cookies of these names with it only.
        let asks_for_it = ["__Host-", "__Secure-"].iter().any(|p| cookie.name().starts_with(p));
        if cookie.secure().is_none() && (asks_for_it || self.secure == Transport::Secure) {
            cookie.set_secure(true);
        }
        cookie
    }
}

impl Change {
    fn cookie(&self) -> &Cookie<'static> {
        let (Self::Set(cookie) | Self::Remove(cookie)) = self;
        cookie
    }
}

impl FromRequestParts for Cookies {
    type Rejection = Infallible;

    async fn from_request_parts(request: &Request) -> Result<Self, Infallible> {
        let headers = request.headers();
        let fields = headers.get_all(header::COOKIE).iter();
        let texts = fields.filter_map(|field| std::str::from_utf8(field.as_bytes()).ok());
        let received = texts.flat_map(Cookie::split_parse).filter_map(Result::ok);
        // The server lets this one through from proxies that it trusts.
        let forwarded = request.header("x-forwarded-proto");
        let is_secure = match forwarded {
            Some(scheme) => scheme == "https",
            None => request.url().scheme_str() == Some("https"),
        };
        let secure = if is_secure { Transport::Secure } else { Transport::Plain };
        Ok(Self { received: received.filter_map(decoded).collect(), changes: Vec::new(), secure })
    }
}

/// Names stay as they are: a browser guards the name `__Host-a`, and knows nothing of
/// one that only becomes it.
fn decoded(cookie: Cookie<'_>) -> Option<Cookie<'static>> {
    let value = percent_decode_str(cookie.value()).decode_utf8().ok()?.into_owned();
    Some(Cookie::new(cookie.name().to_owned(), value))
}

/// A cookie that cannot be in a header is the handler's fault: 500.
impl IntoResponseParts for Cookies {
    fn into_response_parts(self, response: &mut Response) -> Result<()> {
        for change in &self.changes {
            let field = encoded(change.cookie())?;
            response.headers_mut().append(header::SET_COOKIE, field);
        }
        Ok(())
    }
}

fn encoded(cookie: &Cookie<'static>) -> Result<HeaderValue> {
    let name = cookie.name();
    // The same letters as in the name of a header (RFC 6265, 4.1.1).
    if name.parse::<http::HeaderName>().is_err() {
        return Err(Error::internal(format!("a cookie cannot have the name `{name}`")));
    }
    for attribute in [cookie.path(), cookie.domain()].into_iter().flatten() {
        if attribute.contains(';') {
            let reason = format!("the cookie `{name}` cannot be for `{attribute}`");
            return Err(Error::internal(reason));
        }
    }
    let mut cookie = cookie.clone();
    cookie.set_value(utf8_percent_encode(cookie.value(), NOT_IN_A_VALUE).to_string());
    Ok(HeaderValue::try_from(cookie.to_string())?)
}

/// All but what RFC 6265 (4.1.1) calls a cookie-octet, and `%` so that decoding gives
/// the same again.
const NOT_IN_A_VALUE: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b',').add(b';').add(b'\\').add(b'%');

#[cfg(test)]
mod tests;
