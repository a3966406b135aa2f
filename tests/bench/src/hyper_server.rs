//! Bare hyper: what a server in Rust can do without WebAssembly, limits or routes.

use crate::order::Order;
use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// Where it says how many requests sleep.
pub(crate) const SUSPENDED: &str = "/suspended";

static ASLEEP: AtomicU64 = AtomicU64::new(0);

/// Answers every GET like the `hello` guests, at once or below `/sleep` after a second,
/// and every POST like the guest `json`. Runs until it is killed.
pub(crate) fn serve(port: u16) -> Result<()> {
    // The same choice as Squall's, which is a faster runtime on one core.
    let mut builder = match std::env::var("TOKIO_WORKER_THREADS").as_deref() {
        Ok("1") => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move {
                // A client that leaves is no concern of this server.
                let service = service_fn(answer);
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::POST {
        return Ok(order(request).await.unwrap_or_else(|_| refusal()));
    }
    let path = request.uri().path();
    if path == SUSPENDED {
        return Ok(Response::new(ASLEEP.load(Relaxed).to_string().into()));
    }
    if path.starts_with("/sleep") {
        ASLEEP.fetch_add(1, Relaxed);
        tokio::time::sleep(Duration::from_secs(1)).await;
        ASLEEP.fetch_sub(1, Relaxed);
    }
    Ok(of_type("text/plain", Bytes::from_static(b"Hello, World!\n")))
}

async fn order(request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
    let body = request.into_body().collect().await?.to_bytes();
    let order: Order = serde_json::from_slice(&body)?;
    let confirmation = order.confirm().map_err(anyhow::Error::msg)?;
    Ok(of_type("application/json", serde_json::to_vec(&confirmation)?.into()))
}

fn of_type(name: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(name));
    response
}

fn refusal() -> Response<Full<Bytes>> {
    let mut response = Response::default();
    *response.status_mut() = hyper::StatusCode::UNPROCESSABLE_ENTITY;
    response
}
