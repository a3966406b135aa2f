//! One request from judgement to response head.
//!
//! A request is sent twice in two cases only, and then on a new connection: if
//! a reused connection turned out to be closed before anything was written, or
//! if it was closed without a response to a request that asks and changes
//! nothing and has no body. Redirects are responses like any other.

use super::connect::{Connector, Deadline};
use super::download::Download;
use super::error::{Broken, UpstreamError};
use super::lease::Lease;
use super::outgoing::Outgoing;
use super::permit::{Full, Permit, Permits};
use super::pool::{Found, Pool, Reuse};
use super::resolve::Resolve;
use super::tls::Tls;
use super::total::OpenConnections;
use super::upload::{Upload, Watch};
use crate::body::Body;
use crate::headers::strip_hop_by_hop;
use crate::limits::HandlerLimits;
use crate::meter::Gauge;
use crate::policy::{Host, Named, OutboundGrants, Scheme};
use http::{Extensions, Request, Response, StatusCode};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout_at;

/// The deadlines of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Until there is a connection: a permit, resolution and TLS included.
    pub connect: Duration,
    /// From the end of the request until the head of the response.
    pub head: Duration,
    /// For the peer to take a part of the request's body, or to send one of the
    /// response's.
    pub gap: Duration,
}

/// Longer ones cannot be added to a clock.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Options {
    fn cut(self) -> Self {
        let Options { connect, head, gap } = self;
        Options { connect: connect.min(LONGEST), head: head.min(LONGEST), gap: gap.min(LONGEST) }
    }
}

impl From<&HandlerLimits> for Options {
    fn from(limits: &HandlerLimits) -> Self {
        Options {
            connect: limits.outbound_connect,
            head: limits.outbound_head,
            gap: limits.outbound_gap,
        }
    }
}

/// What one handler sends its requests with. Clones share one pool.
#[derive(Clone, Debug)]
pub struct Upstream(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connector: Connector,
    pool: Arc<Pool>,
}

impl Upstream {
    /// `total` bounds the connections of all handlers, `open` counts those of this one.
    pub fn new(
        grants: OutboundGrants,
        limits: &HandlerLimits,
        total: OpenConnections,
        open: Arc<Gauge>,
        resolver: Arc<dyn Resolve>,
        tls: Arc<Tls>,
    ) -> Self {
        let limit = usize::try_from(limits.outbound_connections).unwrap_or(usize::MAX);
        let permits = Permits::new(limit, total.clone(), open);
        let connector = Connector::new(grants, resolver, tls);
        let pool = Arc::new(Pool::new(permits, limits.outbound_idle));
        total.add(&pool);
        Upstream(Arc::new(Inner { connector, pool }))
    }

    /// The addresses of `host`, for a connection that somebody else makes: judging
    /// them is the caller's.
    pub async fn lookup(
        &self,
        host: &Host,
        within: Duration,
    ) -> Result<Arc<[IpAddr]>, UpstreamError> {
        self.0.connector.resolve(host, Deadline::after(within.min(LONGEST))).await
    }

    /// The right to a connection that somebody else makes, within the same limits as
    /// those that are made here.
    pub fn reserve(&self) -> Result<Permit, Full> {
        self.0.pool.reserve()
    }

    /// Connections that are open or being made.
    pub fn open_connections(&self) -> usize {
        self.0.pool.permits().taken()
    }

    /// Sends `request`, whose URI is absolute, and returns the response with
    /// its body still on the way. Dropping either one cancels the exchange.
    pub async fn send(
        &self,
        request: Request<Body>,
        options: Options,
    ) -> Result<Response<Body>, UpstreamError> {
        let options = options.cut();
        let named = self.0.connector.grants().check_uri(request.uri())?;
        let (outgoing, body, watch) = Outgoing::new(request, &named).await?;
        let origin: Arc<str> = named.to_string().into();
        let mut lease = self.lease(&named, &origin, Reuse::Any, options.connect).await?;
        let mut answer = exchange(&mut lease, &outgoing, body, &watch, options).await;
        if let Err(Failure { again: Some(body), .. }) = answer {
            lease.give_up();
            lease = self.lease(&named, &origin, Reuse::Fresh, options.connect).await?;
            answer = exchange(&mut lease, &outgoing, body, &watch, options).await;
        }
        match answer {
            Ok(response) => deliver(response, lease, watch, options.gap),
            Err(failure) => {
                match failure.why {
                    UpstreamError::HeadTimeout(_) | UpstreamError::UploadStalled(_) => {
                        lease.give_up();
                    }
                    _ => lease.cancel(&watch),
                }
                Err(failure.why)
            }
        }
    }

    async fn lease(
        &self,
        named: &Named,
        origin: &Arc<str>,
        reuse: Reuse,
        within: Duration,
    ) -> Result<Lease, UpstreamError> {
        let Inner { connector, pool } = &*self.0;
        let deadline = Deadline::after(within);
        let encrypted = named.scheme() == Scheme::Https;
        match timeout_at(deadline.at, pool.find(origin, encrypted, reuse)).await {
            Ok(Found::Connection(lease)) => Ok(lease),
            Ok(Found::Room(room)) => {
                let (permit, place) = room.split();
                Ok(place.fill(connector.connect(named, permit, deadline).await?))
            }
            Err(_elapsed) => Err(match pool.permits().full() {
                Some(Full { name, limit }) => {
                    UpstreamError::ConnectionLimit { name, limit, after: within }
                }
                None => {
                    UpstreamError::ConnectTimeout { host: named.host().to_string(), after: within }
                }
            }),
        }
    }
}

/// An exchange that ended before its response.
struct Failure {
    why: UpstreamError,
    /// The body to send again, if the request may be sent again.
    again: Option<Upload>,
}

/// Sends one request and waits for the head of its response, as long as the
/// peer does its part in time.
async fn exchange(
    lease: &mut Lease,
    outgoing: &Outgoing,
    body: Upload,
    watch: &Watch,
    options: Options,
) -> Result<Response<Incoming>, Failure> {
    let reused = lease.is_reused();
    let message = outgoing.message(lease.protocol(), body);
    let mut response = pin!(lease.send(message));
    watch.start();
    loop {
        let look = watch.next_look(options.head, options.gap);
        let look = look.map_err(|why| Failure { why, again: None })?;
        let Ok(sent) = timeout_at(look, &mut response).await else {
            continue;
        };
        return sent.map_err(|mut error| {
            let unsent = error.take_message().map(Request::into_body);
            let broken = Broken::from(error.into_error());
            let harmless = outgoing.is_safe() && matches!(broken, Broken::Closed(_));
            let again = unsent.or_else(|| watch.again().filter(|_| harmless)).filter(|_| reused);
            let why = watch.failure().map_or_else(|| broken.into(), UpstreamError::Body);
            Failure { why, again }
        });
    }
}

fn deliver(
    response: Response<Incoming>,
    lease: Lease,
    watch: Watch,
    gap: Duration,
) -> Result<Response<Body>, UpstreamError> {
    let (mut head, body) = response.into_parts();
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(UpstreamError::Protocol("an upgrade that nobody asked for".to_owned()));
    }
    strip_hop_by_hop(&mut head.headers);
    head.extensions = Extensions::new();
    let body = if body.is_end_stream() {
        lease.finish(&watch);
        Body::empty()
    } else {
        Body::stream(Download::new(body, lease, watch, gap))
    };
    Ok(Response::from_parts(head, body))
}
