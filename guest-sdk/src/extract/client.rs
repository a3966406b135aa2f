//! Who asks.

use super::{FromRequestParts, Rejection, RejectionKind};
use crate::Request;
use std::net::IpAddr;

/// The address of the client, see [`Request::client_address`].
///
/// In a tower service it is an extension of the request.
///
/// ```
/// use squall_sdk::{ClientAddress, handler};
///
/// #[handler]
/// async fn whoami(ClientAddress(address): ClientAddress) -> String {
///     format!("{address}\n")
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

/// A client over a socket that has no address is [`RejectionKind::Internal`], unless
/// the argument is an `Option`.
impl FromRequestParts for ClientAddress {
    type Rejection = Rejection;

    async fn from_request_parts(request: &Request) -> Result<Self, Rejection> {
        let unknown = || Rejection::new(RejectionKind::Internal, "the client's address is unknown");
        request.client_address().map(Self).ok_or_else(unknown)
    }

    async fn optional_from_request_parts(request: &Request) -> Result<Option<Self>, Rejection> {
        Ok(request.client_address().map(Self))
    }
}
