//! Bare hyper: what a server in Rust can do without WebAssembly, limits or routes.

use anyhow::Result;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, header::HeaderValue};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::time::Duration;
use tokio::net::TcpListener;

/// Answers every request like the `hello` guests: at once, or below `/sleep` after
/// a second. Runs until it is killed.
pub(crate) fn serve(port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move {
                let service = service_fn(|request| async move {
                    if hyper::Request::uri(&request).path().starts_with("/sleep") {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                    let mut response =
                        Response::new(Full::new(Bytes::from_static(b"Hello, World!\n")));
                    let text = HeaderValue::from_static("text/plain");
                    response.headers_mut().insert(CONTENT_TYPE, text);
                    Ok::<_, Infallible>(response)
                });
                // A client that leaves is no concern of this server.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}
