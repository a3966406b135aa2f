//! One request: which route it takes, and the answer of what the route leads to.

use super::Server;
use super::clock::{ConnectionClock, Protocol};
use super::exchange::Exchange;
use super::incoming::{BodyWatch, bounded};
use super::outgoing::{Bounds, Outgoing, check_head, outgoing};
use super::request::{BASE_PATH, CAPTURE_PREFIX, REQUEST_ID, cleanse, compact, normalise_head};
use crate::body::Body;
use crate::fault::{self, Fault, FaultKind};
use crate::id::RequestId;
use crate::route::{Captures, Found};
use crate::site::{Generation, Goal};
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

/// What hyper calls for each request of one connection.
pub(super) struct Service {
    server: Arc<Server>,
    peer: IpAddr,
    /// The peer as a header's value, made once.
    peer_value: HeaderValue,
    clock: Arc<ConnectionClock>,
    protocol: Protocol,
}

impl Service {
    pub(super) fn new(
        server: Arc<Server>,
        peer: SocketAddr,
        clock: Arc<ConnectionClock>,
        protocol: Protocol,
    ) -> Self {
        let peer = peer.ip().to_canonical();
        let peer_value = HeaderValue::try_from(peer.to_string());
        let peer_value = peer_value.unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Service { server, peer, peer_value, clock, protocol }
    }
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Outgoing>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Outgoing>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let served = self.clock.begin_request();
        let last = served + 1 >= self.server.limits.connection_requests;
        let exchange = Exchange::new(
            &head,
            self.peer,
            self.protocol,
            self.clock.clone(),
            self.server.access.clone(),
            self.server.meter.other.clone(),
        );
        // Before hyper reads on, which is as soon as this returns.
        compact(&mut head.headers);
        let prepared = normalise_head(&mut head, self.protocol, &self.server.limits);
        if prepared.is_ok() {
            cleanse(&mut head.headers, self.peer, &self.peer_value, &self.server.trusted_proxies);
        }
        let (server, protocol) = (self.server.clone(), self.protocol);
        Box::pin(async move {
            let mut exchange = Box::new(exchange);
            let mut response = match prepared {
                Ok(host) => route(&server, host, head, body, exchange).await,
                Err(fault) => {
                    exchange.fail(&fault);
                    let response = fault::respond(fault.kind, exchange.id);
                    outgoing(response, exchange, None, None, None)
                }
            };
            match protocol {
                Protocol::Http1 if last => {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                // HTTP/2 has no such field (RFC 9113 section 8.2.2).
                Protocol::Http2 => {
                    response.headers_mut().remove(CONNECTION);
                }
                Protocol::Http1 => {}
            }
            Ok(response)
        })
    }
}

/// Takes the request where its route leads.
async fn route(
    server: &Server,
    host: String,
    head: Parts,
    body: Incoming,
    mut exchange: Box<Exchange>,
) -> Response<Outgoing> {
    let site = server.registry.site();
    let found = site.routes.find(&host, &head.method, head.uri.path());
    exchange.host = host;
    let (goal, captures) = match found {
        Found::Nothing => {
            return outgoing(status(StatusCode::NOT_FOUND), exchange, None, None, None);
        }
        Found::OtherMethods(methods) => {
            return outgoing(not_allowed(&methods), exchange, None, None, None);
        }
        Found::Route { target, captures, .. } => (target, captures),
    };
    let response = match goal {
        Goal::Handler { index, base } => {
            let (generation, base) = (site.generation(*index).cloned(), base.clone());
            drop(site);
            return Errand { head, body, captures, base, exchange }.run(generation).await;
        }
        Goal::Status(code) => status(*code),
        Goal::Redirect { to, status } => redirect(to, *status, &captures),
        Goal::Files { files, base } => {
            let below = &head.uri.path()[base.len()..];
            let below = if below.is_empty() { "/".to_owned() } else { below.to_owned() };
            let files = files.clone();
            drop(site);
            files.serve(&head, &below).await
        }
    };
    outgoing(response, exchange, None, None, None)
}

/// A request on its way to a handler.
struct Errand {
    head: Parts,
    body: Incoming,
    captures: Captures,
    base: Option<HeaderValue>,
    exchange: Box<Exchange>,
}

impl Errand {
    async fn run(mut self, generation: Option<Arc<Generation>>) -> Response<Outgoing> {
        let Some(generation) = generation else {
            return self.fail(&Fault::plain(FaultKind::Unavailable), None);
        };
        self.exchange.routed(generation.meter(), generation.handler().clone(), generation.number);
        let permit = match generation.admit() {
            Ok(permit) => permit,
            Err(fault) => return self.fail(&fault, None),
        };
        let (body, watch) = match bounded(self.body, &self.head.headers, &generation.limits) {
            Ok(bounded) => bounded,
            Err(fault) => return failed(self.exchange, &fault, None),
        };
        tell(&mut self.head, self.exchange.id, self.base, &self.captures);
        let request = Request::from_parts(self.head, body);
        let answer = tokio::select! {
            // A client that broke a limit is told so, even if the guest made an
            // answer of what it saw of that.
            biased;
            fault = watch.broken() => Err(fault),
            answer = generation.answer(self.exchange.id, request) => answer,
        };
        let answer = answer
            .and_then(|response| check_head(&response, &self.exchange.method).map(|()| response));
        match answer {
            Ok(response) => {
                let bounds = Some(Bounds::of(&generation.limits));
                outgoing(response, self.exchange, bounds, Some(watch), Some(permit))
            }
            Err(fault) => failed(self.exchange, &fault, Some(watch)),
        }
    }

    fn fail(self, fault: &Fault, watch: Option<Arc<BodyWatch>>) -> Response<Outgoing> {
        failed(self.exchange, fault, watch)
    }
}

fn failed(
    mut exchange: Box<Exchange>,
    fault: &Fault,
    watch: Option<Arc<BodyWatch>>,
) -> Response<Outgoing> {
    exchange.fail(fault);
    let response = fault::respond(fault.kind, exchange.id);
    outgoing(response, exchange, None, watch, None)
}

/// Tells the guest what only the host knows.
fn tell(head: &mut Parts, id: RequestId, base: Option<HeaderValue>, captures: &Captures) {
    if let Ok(value) = HeaderValue::from_bytes(&id.digits()) {
        head.headers.insert(REQUEST_ID, value);
    }
    if let Some(base) = base {
        head.headers.insert(BASE_PATH, base);
    }
    for (name, value) in captures {
        let name = HeaderName::try_from(format!("{CAPTURE_PREFIX}{name}"));
        // A normalised path is in ASCII, and so are captures' names.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            head.headers.insert(name, value);
        }
    }
}

fn status(code: StatusCode) -> Response<Body> {
    let reason = code.canonical_reason().unwrap_or("status").to_ascii_lowercase();
    let mut response = Response::new(Body::full(format!("{reason}\n")));
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn not_allowed(methods: &[Method]) -> Response<Body> {
    let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if let Ok(value) = HeaderValue::try_from(names.join(", ")) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

fn redirect(to: &str, code: StatusCode, captures: &Captures) -> Response<Body> {
    let place = captures
        .iter()
        .fold(to.to_owned(), |place, (name, value)| place.replace(&format!("{{{name}}}"), value));
    redirect_to(&place, code)
}

fn redirect_to(place: &str, code: StatusCode) -> Response<Body> {
    let mut response = status(code);
    if let Ok(value) = HeaderValue::try_from(place) {
        response.headers_mut().insert(LOCATION, value);
    }
    response
}
