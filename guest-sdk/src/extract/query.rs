//! The query as a value.

use super::{FromRequestParts, Rejection, RejectionKind};
use crate::Request;
use serde::de::DeserializeOwned;

/// The query as a value: a struct, a map, or a list of pairs, as for
/// [`Request::query`].
///
/// ```
/// use serde::Deserialize;
/// use squall_sdk::{Query, handler};
///
/// #[derive(Deserialize)]
/// struct Search {
///     q: String,
///     page: Option<u32>,
/// }
///
/// #[handler]
/// async fn search(Query(Search { q, page }): Query<Search>) -> String {
///     format!("page {} of what is like {q}\n", page.unwrap_or(1))
/// }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts for Query<T> {
    type Rejection = Rejection;

    async fn from_request_parts(request: &Request) -> Result<Self, Rejection> {
        let query = request.uri().query().unwrap_or_default();
        pairs(query.as_bytes()).map(Self).map_err(|fault| {
            let reason = format!("the query is not as expected: {fault}");
            Rejection::new(RejectionKind::Malformed, reason)
        })
    }

    /// `None` if there is no query.
    async fn optional_from_request_parts(request: &Request) -> Result<Option<Self>, Rejection> {
        match request.uri().query() {
            Some(_) => Self::from_request_parts(request).await.map(Some),
            None => Ok(None),
        }
    }
}

/// A value of what is written `name=value&name=value`, or what is wrong with it and
/// at which name.
pub(super) fn pairs<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let pairs = serde_html_form::Deserializer::new(form_urlencoded::parse(text));
    serde_path_to_error::deserialize(pairs).map_err(super::json::at_path)
}
