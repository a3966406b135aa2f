//! Where a server may listen: as the config and the command line spell it.

use std::net::SocketAddr;

/// Reads an address to listen on: `127.0.0.1:3000`, `[::1]:3000`, `localhost:3000`, also
/// as a browser shows it.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let bare = text.strip_prefix("http://").unwrap_or(text);
    let address = match bare.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}").parse(),
        None => bare.parse(),
    };
    address.map_err(|_| format!("`{text}` is not an address; write for example `127.0.0.1:3000`"))
}

/// Reads an address for the admin pages, and refuses one that others can reach: the
/// pages have no authentication.
pub fn parse_admin(text: &str) -> Result<SocketAddr, String> {
    let address = parse_listen(text)?;
    if address.ip().to_canonical().is_loopback() {
        return Ok(address);
    }
    let port = address.port();
    Err(format!(
        "`{address}` is not on loopback, and the admin pages have no authentication; bind them to `127.0.0.1:{port}` and put a proxy with authentication before them"
    ))
}
