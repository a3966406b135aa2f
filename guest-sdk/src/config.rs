//! Values that the operator gives to this handler.
//!
//! They are part of the handler's entry in `squall.toml`, so the same component
//! serves different places without being built anew.

use crate::{Error, rt};

/// The value of a key, if it has one.
///
/// It is a call to the server. A value stays the same as long as the component
/// lives, so where speed counts keep it in a [`std::sync::OnceLock`].
///
/// ```
/// use squall_sdk::{config, handler};
///
/// #[handler]
/// async fn hello() -> String {
///     config::get("greeting").unwrap_or_else(|| "Hello".to_owned())
/// }
/// ```
pub fn get(key: &str) -> Option<String> {
    rt::config(key).unwrap_or_else(|reason| {
        rt::log(format_args!("the config key `{key}` could not be read: {reason}"));
        None
    })
}

/// The value of a key that must have one.
///
/// ```
/// use squall_sdk::{config, fetch, handler, Response, Result};
///
/// #[handler]
/// async fn front() -> Result<Response> {
///     let upstream = config::required("upstream")?;
///     Ok(fetch::get(upstream).send().await?)
/// }
/// ```
///
/// # Errors
/// If it has none. With `?` the client reads no more than status 500, and the log
/// which key it is.
pub fn required(key: &str) -> Result<String, Error> {
    match rt::config(key) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(Error::internal(format!("the config key `{key}` is missing"))),
        Err(reason) => {
            Err(Error::internal(format!("the config key `{key}` could not be read: {reason}")))
        }
    }
}
