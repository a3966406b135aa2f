//! One request: checked and put into its one form, then taken where its route
//! leads.

use super::Server;
use super::authority::Hosts;
use super::client::client_address;
use super::clock::{ConnectionClock, Protocol};
use super::errand::{self, Errand};
use super::exchange::Exchange;
use super::fixed::{not_allowed, redirect, status};
use super::outgoing::{Outgoing, outgoing};
use super::request::{cleanse, compact, normalise_head};
use super::stream;
use crate::body::Body;
use crate::fault::{self, Fault};
use crate::id::HostName;
use crate::limits::ServerLimits;
use crate::route::Found;
use crate::site::Goal;
use crate::told::{Asked, Client, Told};
use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What hyper calls for each request of one connection.
pub(super) struct Service {
    server: Arc<Server>,
    /// Of this connection.
    limits: Arc<ServerLimits>,
    peer: Client,
    clock: Arc<ConnectionClock>,
    protocol: Protocol,
    hosts: Hosts,
}

/// The response to come. What can be answered at once is; what waits is boxed, and
/// holds no more than it needs, because ten thousand of these may wait.
pub(super) struct Answer {
    step: Step,
    protocol: Protocol,
    /// The connection ends with this response.
    last: bool,
}

/// How a request is answered.
pub(super) enum Step {
    Now(Option<Response<Outgoing>>),
    Later(Pin<Box<dyn Future<Output = Response<Outgoing>> + Send>>),
}

impl Service {
    pub(super) fn new(
        server: Arc<Server>,
        limits: Arc<ServerLimits>,
        peer: SocketAddr,
        clock: Arc<ConnectionClock>,
        protocol: Protocol,
    ) -> Self {
        let peer = Client::new(peer.ip().to_canonical());
        Service { server, limits, peer, clock, protocol, hosts: Hosts::default() }
    }

    fn client(&self, address: IpAddr) -> Client {
        if address == self.peer.address { self.peer.clone() } else { Client::new(address) }
    }
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Outgoing>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        let (mut head, body) = request.into_parts();
        // Before hyper reads on, which is as soon as this returns.
        compact(&mut head);
        let begun = self.clock.begin_request(head.version, !body.is_end_stream());
        let server = &*self.server;
        let client = client_address(&head.headers, self.peer.address, &server.trusted_proxies);
        let mut exchange = Box::new(Exchange::new(
            &head,
            begun.at,
            client,
            self.protocol,
            self.clock.clone(),
            server.access.clone(),
            server.meter.other.clone(),
        ));
        let step = match normalise_head(&mut head, self.protocol, &self.limits, &self.hosts) {
            Ok(host) => {
                cleanse(&mut head.headers, self.peer.address, &server.trusted_proxies);
                exchange.host = Some(host.clone());
                let asked = Asked { client: self.client(client), peer: self.peer.value.clone() };
                route(server, &host, head, body, asked, exchange)
            }
            Err(fault) => Step::refused(&fault, exchange),
        };
        let last = begun.before + 1 >= self.limits.connection_requests;
        Answer { step, protocol: self.protocol, last }
    }
}

/// Takes the request where its route leads.
fn route(
    server: &Server,
    host: &HostName,
    head: Parts,
    body: Incoming,
    asked: Asked,
    exchange: Box<Exchange>,
) -> Step {
    let site = server.registry.site();
    let (goal, captures) = match site.routes.find(host.as_str(), &head.method, head.uri.path()) {
        Found::Nothing => return Step::now(status(StatusCode::NOT_FOUND), exchange),
        Found::OtherMethods(methods) => return Step::now(not_allowed(&methods), exchange),
        Found::Route { target, captures, .. } => (target, captures),
    };
    match goal {
        Goal::Handler { index, base } => {
            let (id, mount) = (exchange.id, base.clone());
            let told = Told { id, asked: Some(asked), mount, captures };
            errand::run(Errand { head, body, told, exchange }, site.generation(*index))
        }
        Goal::Status(code) => Step::now(status(*code), exchange),
        Goal::Redirect { to, status } => Step::now(redirect(to, *status, &captures), exchange),
        Goal::Files { files, base } => {
            let (files, room) = (files.clone(), server.files.clone());
            let below = head.uri.path()[base.len()..].to_owned();
            let below = if below.is_empty() { "/".to_owned() } else { below };
            Step::Later(Box::pin(async move {
                let mut exchange = exchange;
                let served = match room.admit().await {
                    Ok(permit) => files.serve(&head, &below, permit).await,
                    Err(fault) => Err(fault),
                };
                let response = served.unwrap_or_else(|fault| refusal(&fault, &mut exchange));
                outgoing(response, exchange, None, None, None)
            }))
        }
    }
}

impl Step {
    /// Answers at once with something that is not a handler's.
    fn now(response: Response<Body>, exchange: Box<Exchange>) -> Self {
        Step::Now(Some(outgoing(response, exchange, None, None, None)))
    }

    /// Answers at once with a fault that came before any handler.
    fn refused(fault: &Fault, mut exchange: Box<Exchange>) -> Self {
        Self::now(refusal(fault, &mut exchange), exchange)
    }
}

/// What the client is told of a fault, which is counted.
fn refusal(fault: &Fault, exchange: &mut Exchange) -> Response<Body> {
    exchange.fail(fault);
    fault::respond(fault.kind, exchange.id)
}

impl Future for Answer {
    type Output = Result<Response<Outgoing>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = match &mut self.step {
            Step::Later(answer) => match answer.as_mut().poll(cx) {
                Poll::Ready(response) => response,
                Poll::Pending => {
                    stream::awaited();
                    return Poll::Pending;
                }
            },
            Step::Now(answer) => match answer.take() {
                Some(response) => response,
                // Asked for again after it was given: nobody does.
                None => return Poll::Pending,
            },
        };
        match self.protocol {
            Protocol::Http1 if self.last => {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            // HTTP/2 has no such field (RFC 9113 section 8.2.2).
            Protocol::Http2 => {
                response.headers_mut().remove(CONNECTION);
            }
            Protocol::Http1 => {}
        }
        Poll::Ready(Ok(response))
    }
}
