//! The admin listener: `/healthz`, `/readyz`, `/status`, `/metrics`. It reads and
//! never changes anything. It has no authentication: it is bound to loopback, and
//! answers to no name that a page in a browser there could have.

use super::metrics;
use crate::body::Body;
use crate::meter::ServerMeter;
use crate::policy::Host;
use crate::server::{Listener, Stage};
use crate::site::Registry;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tracing_appender::non_blocking::ErrorCounter;

/// What the admin pages show.
#[derive(Clone, Debug)]
pub struct Admin {
    pub registry: Arc<Registry>,
    pub meter: Arc<ServerMeter>,
    pub stage: watch::Receiver<Stage>,
    /// Lines of the log that could not be written in time.
    pub log_dropped: ErrorCounter,
}

/// A scraper and a person or two.
const MAX_CONNECTIONS: usize = 32;

const HEAD_TIME: Duration = Duration::from_secs(5);

/// Answers on `listener` for as long as it is polled.
pub async fn serve(listener: Listener, admin: Admin) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let admin = admin.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let response = answer(&admin, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
            // There is nobody to tell of a connection that broke.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            drop(permit);
        });
    }
}

fn answer(admin: &Admin, request: &Request<Incoming>) -> Response<Body> {
    if !is_addressed_directly(request) {
        let text = "ask by the listener's address, or as `localhost`\n";
        return page(StatusCode::FORBIDDEN, TEXT, text.into());
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response =
            page(StatusCode::METHOD_NOT_ALLOWED, TEXT, "method not allowed\n".into());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/healthz" => page(StatusCode::OK, TEXT, "ok\n".into()),
        "/readyz" => ready(admin),
        "/status" => match serde_json::to_string_pretty(&admin.registry.status()) {
            Ok(json) => page(StatusCode::OK, "application/json", json + "\n"),
            Err(error) => page(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
        },
        "/metrics" => page(StatusCode::OK, metrics::CONTENT_TYPE, metrics::encode(admin)),
        _ => {
            page(StatusCode::NOT_FOUND, TEXT, "try /healthz, /readyz, /status or /metrics\n".into())
        }
    }
}

/// Whether the host is an address or `localhost`. Any other name may be a stranger's,
/// who lets it resolve to loopback so that a browser takes the pages for his own (DNS
/// rebinding).
fn is_addressed_directly(request: &Request<Incoming>) -> bool {
    let field = || request.headers().get(HOST)?.to_str().ok()?.parse::<Authority>().ok();
    let authority = request.uri().authority().cloned().or_else(field);
    authority.is_some_and(|authority| match Host::parse(authority.host()) {
        Ok(Host::Address(_)) => true,
        Ok(host @ Host::Name(_)) => host.is_localhost(),
        Err(_) => false,
    })
}

const TEXT: &str = "text/plain; charset=utf-8";

/// Ready means: new requests are welcome. A handler whose file is broken still
/// serves, so it makes the page say `degraded` and not the server unready.
fn ready(admin: &Admin) -> Response<Body> {
    if *admin.stage.borrow() != Stage::Serving {
        return page(StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n".into());
    }
    let status = admin.registry.status();
    if status.healthy {
        return page(StatusCode::OK, TEXT, "ready\n".into());
    }
    let mut text = String::from("degraded\n");
    for handler in &status.handlers {
        if let Some(trouble) = &handler.trouble {
            text.push_str(&format!("handler `{}`: {trouble}\n", handler.name));
        }
    }
    if let Some(trouble) = &status.config_trouble {
        text.push_str(&format!("config: {trouble}\n"));
    }
    page(StatusCode::OK, TEXT, text)
}

fn page(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
