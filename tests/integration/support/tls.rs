//! A peer for outbound requests over TLS, whose certificate nobody has heard of.

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

/// Answers every request with `text`. Its thread ends with the process.
pub(crate) struct Encrypted {
    address: SocketAddr,
    /// Its certificate.
    pub pem: String,
}

impl Encrypted {
    pub(crate) fn start() -> Self {
        let (pem, config) = identity();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(config.clone()).unwrap();
                answer(StreamOwned::new(connection, stream.unwrap()));
            }
        });
        Encrypted { address, pem }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}

/// A certificate that signs itself, as PEM.
pub(crate) fn certificate() -> String {
    identity().0
}

fn identity() -> (String, Arc<ServerConfig>) {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], PrivateKeyDer::from(private));
    (key.cert.pem(), Arc::new(config.unwrap()))
}

/// A client that does not trust us breaks off.
fn answer(mut stream: impl Read + Write) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let _ = stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ntext")
        .and_then(|()| stream.flush());
}
