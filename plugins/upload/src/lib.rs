//! Counts and hashes a body of any size. See the README.

use serde::Serialize;
use sha2::{Digest, Sha256};
use squall_sdk::{Body, Error, Json, Method, Result, StatusCode, handler, header};
use std::fmt::Write;

#[derive(Serialize)]
struct Receipt {
    bytes: u64,
    chunks: u64,
    sha256: String,
    crc32: String,
}

#[handler]
async fn upload(method: Method, mut body: Body) -> Result<Json<Receipt>> {
    if !matches!(method, Method::POST | Method::PUT) {
        let refusal = Error::new(StatusCode::METHOD_NOT_ALLOWED, "send a body");
        return Err(refusal.with_header(header::ALLOW, "POST, PUT"));
    }
    let (mut bytes, mut chunks) = (0, 0);
    let (mut sha256, mut crc32) = (Sha256::new(), crc32fast::Hasher::new());
    while let Some(chunk) = body.chunk().await? {
        bytes += chunk.len() as u64;
        chunks += 1;
        sha256.update(&chunk);
        crc32.update(&chunk);
    }
    Ok(Json(Receipt {
        bytes,
        chunks,
        sha256: hex(&sha256.finalize()),
        crc32: hex(&crc32.finalize().to_be_bytes()),
    }))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A `String` takes whatever is written to it.
        _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_executor::block_on;
    use squall_sdk::{IntoResponse, ResponseExt};

    #[test]
    fn the_receipt_has_the_known_sums() {
        let receipt = block_on(upload(Method::POST, "abc".into())).unwrap();
        let receipt = block_on(receipt.into_response().text()).unwrap();
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(
            receipt,
            format!(r#"{{"bytes":3,"chunks":1,"sha256":"{sha256}","crc32":"352441c2"}}"#)
        );
    }

    #[test]
    fn only_uploads_are_taken() {
        let response = block_on(upload(Method::GET, Body::empty())).into_response();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()["allow"], "POST, PUT");
    }
}
