//! From a judged name to an open connection, to an address that was judged.
//!
//! The name is resolved once, all its addresses are judged, and the socket is
//! connected by number to whichever of those that passed answers first. Between
//! the judgement and the connection nothing is looked up again, so an answer that
//! changes cannot lead anywhere else.

use super::connection::Connection;
use super::error::{UpstreamError, whole_text};
use super::lookup::Lookups;
use super::outgoing::Protocol;
use super::permit::Permit;
use super::race::{interleave, race};
use super::resolve::Resolve;
use super::socket::{Socket, Stream};
use super::tls::Tls;
use crate::policy::{Denied, Host, Named, OutboundGrants, Scheme};
use rustls::ClientConfig;
use rustls::pki_types::{DnsName, ServerName};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

/// Addresses of one name that are tried; with one permit, as many sockets can be in
/// the making until one of them is connected.
const ADDRESSES: usize = 8;

#[derive(Debug)]
pub(super) struct Connector {
    grants: OutboundGrants,
    lookups: Lookups,
    tls: Arc<Tls>,
    tls_config: OnceCell<Arc<ClientConfig>>,
}

/// When connecting has to be done, and for the message how long that was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    pub(super) after: Duration,
}

impl Deadline {
    pub(super) fn after(after: Duration) -> Self {
        Deadline { at: Instant::now() + after, after }
    }
}

impl Connector {
    pub(super) fn new(grants: OutboundGrants, resolver: Arc<dyn Resolve>, tls: Arc<Tls>) -> Self {
        let lookups = Lookups::new(resolver);
        Connector { grants, lookups, tls, tls_config: OnceCell::new() }
    }

    pub(super) fn grants(&self) -> &OutboundGrants {
        &self.grants
    }

    pub(super) async fn connect(
        &self,
        named: &Named,
        permit: Permit,
        deadline: Deadline,
    ) -> Result<Connection, UpstreamError> {
        let addresses = self.resolve(named.host(), deadline).await?;
        let addresses = self.judge(named, &addresses)?;
        let tcp = self.connect_tcp(named, &addresses, deadline).await?;
        let (stream, protocol) = match named.scheme() {
            Scheme::Https => self.encrypt(named, tcp, deadline).await?,
            Scheme::Http | Scheme::Tcp => (Stream::Plain(tcp), Protocol::Http1),
        };
        let opened = Connection::open(Socket::new(stream, permit), protocol);
        match timeout_at(deadline.at, opened).await {
            Ok(opened) => opened.map_err(|error| UpstreamError::Protocol(whole_text(&error))),
            Err(_elapsed) => Err(connect_timeout(named, deadline)),
        }
    }

    /// The addresses of `host`, not judged yet.
    pub(super) async fn resolve(
        &self,
        host: &Host,
        deadline: Deadline,
    ) -> Result<Arc<[IpAddr]>, UpstreamError> {
        match host {
            Host::Address(address) => Ok([*address].into()),
            // By definition (RFC 6761), whatever a name server would say.
            host if host.is_localhost() => {
                Ok([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].into())
            }
            Host::Name(host) => match timeout_at(deadline.at, self.lookups.lookup(host)).await {
                Ok(answer) => {
                    answer.map_err(|source| UpstreamError::Dns { host: host.clone(), source })
                }
                Err(_elapsed) => {
                    Err(UpstreamError::DnsTimeout { host: host.clone(), after: deadline.after })
                }
            },
        }
    }

    /// Those of `addresses` that the handler may reach, if there are any.
    fn judge(&self, named: &Named, addresses: &[IpAddr]) -> Result<Vec<SocketAddr>, UpstreamError> {
        let mut allowed: Vec<SocketAddr> = Vec::new();
        let mut denied: Option<Denied> = None;
        for address in addresses.iter().map(IpAddr::to_canonical) {
            let address_and_port = SocketAddr::new(address, named.port());
            match self.grants.check_address(named, address) {
                Ok(()) if allowed.contains(&address_and_port) => {}
                Ok(()) => allowed.push(address_and_port),
                Err(why) => denied = denied.or(Some(why)),
            }
        }
        let mut allowed = interleave(allowed);
        allowed.truncate(ADDRESSES);
        match denied {
            Some(denied) if allowed.is_empty() => Err(denied.into()),
            None if allowed.is_empty() => Err(UpstreamError::Dns {
                host: named.host().to_string(),
                source: Arc::new(io::Error::other("it has no address")),
            }),
            _ => Ok(allowed),
        }
    }

    async fn connect_tcp(
        &self,
        named: &Named,
        addresses: &[SocketAddr],
        deadline: Deadline,
    ) -> Result<TcpStream, UpstreamError> {
        // Collected, because a closure kept across an await keeps it from being `Send`.
        let attempts: Vec<_> =
            addresses.iter().map(|&address| self.attempt(named, address)).collect();
        match timeout_at(deadline.at, race(attempts)).await {
            Ok(Some(ended)) => ended,
            Ok(None) | Err(_) => Err(connect_timeout(named, deadline)),
        }
    }

    async fn attempt(
        &self,
        named: &Named,
        address: SocketAddr,
    ) -> Result<TcpStream, UpstreamError> {
        let stream = TcpStream::connect(address).await.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => UpstreamError::ConnectRefused { address },
            _ => UpstreamError::Connect { address, source: Arc::new(error) },
        })?;
        self.accept(named, &stream, address)?;
        Ok(stream)
    }

    /// The last look, at what the kernel says we are connected to.
    fn accept(
        &self,
        named: &Named,
        stream: &TcpStream,
        address: SocketAddr,
    ) -> Result<(), UpstreamError> {
        let failed = |error| UpstreamError::Connect { address, source: Arc::new(error) };
        let peer = stream.peer_addr().map_err(failed)?;
        self.grants.check_address(named, peer.ip())?;
        stream.set_nodelay(true).map_err(failed)
    }

    async fn encrypt(
        &self,
        named: &Named,
        tcp: TcpStream,
        deadline: Deadline,
    ) -> Result<(Stream, Protocol), UpstreamError> {
        let host = named.host().to_string();
        let shaken = async {
            let failed = |reason| UpstreamError::Tls { host: host.clone(), reason };
            let config = self.tls_config.get_or_try_init(|| self.tls.config()).await;
            let connector = TlsConnector::from(config.map_err(failed)?.clone());
            let name = server_name(named.host()).map_err(failed)?;
            let shaken = connector.connect(name, tcp).await;
            shaken.map_err(|error| tls_failure(host.clone(), &error))
        };
        match timeout_at(deadline.at, shaken).await {
            Ok(Ok(stream)) => {
                let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let protocol = if h2 { Protocol::Http2 } else { Protocol::Http1 };
                Ok((Stream::Tls(Box::new(stream)), protocol))
            }
            Ok(Err(failure)) => Err(failure),
            Err(_elapsed) => Err(UpstreamError::TlsTimeout { host, after: deadline.after }),
        }
    }
}

fn server_name(host: &Host) -> Result<ServerName<'static>, String> {
    match host {
        Host::Address(address) => Ok(ServerName::from(*address)),
        Host::Name(name) => match DnsName::try_from(name.clone()) {
            Ok(name) => Ok(ServerName::DnsName(name)),
            Err(error) => Err(error.to_string()),
        },
    }
}

fn tls_failure(host: String, error: &io::Error) -> UpstreamError {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(reason)) => {
            UpstreamError::TlsCertificate { host, reason: reason.to_string() }
        }
        _ => UpstreamError::Tls { host, reason: whole_text(error) },
    }
}

fn connect_timeout(named: &Named, deadline: Deadline) -> UpstreamError {
    UpstreamError::ConnectTimeout { host: named.host().to_string(), after: deadline.after }
}
