//! Cookies that a client can neither change nor make up.

use super::Cookies;
use crate::rt::signing::{self, NoKey};
use crate::{Error, Result};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cookie::Cookie;

impl Cookies {
    /// The value of a cookie that [`add_signed`](Cookies::add_signed) has set. A cookie
    /// that somebody else has made, or changed, or moved here from another name, is none.
    ///
    /// ```
    /// use squall_sdk::{Cookies, Error, Result, handler};
    ///
    /// #[handler]
    /// async fn account(cookies: Cookies) -> Result<String> {
    ///     let user = cookies.get_signed("user")?;
    ///     let user = user.ok_or_else(|| Error::unauthorized("log in first"))?;
    ///     Ok(format!("the account of {user}\n"))
    /// }
    /// ```
    ///
    /// # Errors
    /// If the operator has given this handler no signing key.
    pub fn get_signed(&self, name: &str) -> Result<Option<&str>> {
        let Some((value, signature)) = self.get(name).and_then(|text| text.rsplit_once('.')) else {
            return Ok(None);
        };
        let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(signature) else { return Ok(None) };
        let is_ours = signing::verify(&purpose(name), value.as_bytes(), &signature);
        Ok(is_ours.map_err(no_key)?.then_some(value))
    }

    /// Sets a cookie with a signature. The client can read its value, and send it for as
    /// long as it likes: what must end sooner has its time in the value.
    ///
    /// The keys are the server's and never enter the component. The operator replaces
    /// them without a new version of it: the newest one signs, and all of them are good.
    ///
    /// # Errors
    /// If the operator has given this handler no signing key.
    pub fn add_signed(self, cookie: impl Into<Cookie<'static>>) -> Result<Self> {
        let mut cookie = cookie.into();
        let signature = signing::sign(&purpose(cookie.name()), cookie.value().as_bytes());
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature.map_err(no_key)?);
        cookie.set_value(format!("{}.{signature}", cookie.value()));
        Ok(self.add(cookie))
    }
}

/// With the name in it, so that one cookie's value is not good as another's.
fn purpose(name: &str) -> String {
    format!("cookie:{name}")
}

fn no_key(NoKey: NoKey) -> Error {
    Error::internal("this handler has no signing key for cookies")
}
