//! Where the admin pages may be.

use std::net::SocketAddr;

/// Refuses an address for the admin pages that others can reach: the pages have no
/// authentication.
pub fn check_admin(address: SocketAddr) -> Result<SocketAddr, String> {
    if address.ip().to_canonical().is_loopback() {
        return Ok(address);
    }
    let port = address.port();
    Err(format!(
        "`{address}` is not on loopback, and the admin pages have no authentication; bind them to `127.0.0.1:{port}` and put a proxy with authentication before them"
    ))
}
