//! Accepting connections: bounded in number, and never ended by an error.

use super::connection::{self, CUT};
use super::{Server, Stage};
use crate::limits::{LiveLimits, Place, Room};
use crate::logging::Seldom;
use crate::meter::ServerMeter;
use anyhow::{Context, Result};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A bound port that nobody is served on yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    pub address: SocketAddr,
}

impl Listener {
    /// The next connection. Errors are the caller's to judge.
    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.socket.accept().await
    }
}

/// Connections that the kernel completes for us while we are busy. Linux takes the
/// smaller of this and `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// After an error that is not the fault of one connection, such as too few
/// descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// By label: clients that use up the descriptors must not fill the log as well.
static FAILURES: Seldom<&str> = Seldom::new();

/// Binds all `addresses`; the error says which could not be.
pub fn bind(addresses: &[SocketAddr]) -> Result<Vec<Listener>> {
    addresses.iter().map(|address| bind_beside(*address, addresses)).collect()
}

fn bind_beside(address: SocketAddr, all: &[SocketAddr]) -> Result<Listener> {
    let bound = || -> io::Result<Listener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if leaves_ipv4(address, all) {
            rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
        }
        // A restart must not wait for the old connections to time out.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let socket = socket.listen(BACKLOG)?;
        let address = socket.local_addr()?;
        Ok(Listener { socket, address })
    };
    bound().with_context(|| format!("cannot listen on `{address}`"))
}

/// Whether `address` is the `[::]` of a port that is listened to on IPv4 by another name.
/// Most systems let it take IPv4 as well, so that there would be nothing left to bind.
fn leaves_ipv4(address: SocketAddr, all: &[SocketAddr]) -> bool {
    let is_beside =
        |other: &SocketAddr| other.ip().to_canonical().is_ipv4() && other.port() == address.port();
    // Each port 0 becomes one of its own.
    address.ip() == Ipv6Addr::UNSPECIFIED && address.port() != 0 && all.iter().any(is_beside)
}

/// How many connections there may be, in all and from one address.
#[derive(Clone, Debug)]
pub(super) struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    all: Room,
    limits: LiveLimits,
    addresses: Mutex<HashMap<IpAddr, u64>>,
}

/// The right to be connected; lives as long as the connection.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    _place: Place,
    counted: Option<(Arc<Inner>, IpAddr)>,
    meter: Arc<ServerMeter>,
}

impl Connections {
    fn new(limits: &LiveLimits) -> Self {
        Connections(Arc::new(Inner {
            all: Room::of(limits, |now| now.connections),
            limits: limits.clone(),
            addresses: Mutex::default(),
        }))
    }

    /// Room for one more. When there is none, clients wait in the backlog.
    async fn room(&self, meter: &ServerMeter) -> Place {
        if let Some(place) = self.0.all.try_take() {
            return place;
        }
        meter.accept_waits.add(1);
        self.0.all.take().await
    }

    /// Counts a connection from `peer`; `None` if it has its share already.
    fn admit(
        &self,
        place: Place,
        peer: IpAddr,
        meter: &Arc<ServerMeter>,
    ) -> Option<ConnectionPermit> {
        let peer = peer.to_canonical();
        // Behind loopback is a proxy, or the operator.
        let counted = !peer.is_loopback();
        if counted {
            let mut addresses = self.0.addresses.lock();
            let open = addresses.entry(peer).or_default();
            if *open >= self.0.limits.now().connections_per_address {
                return None;
            }
            *open += 1;
        }
        meter.connections.add(1);
        Some(ConnectionPermit {
            _place: place,
            counted: counted.then(|| (self.0.clone(), peer)),
            meter: meter.clone(),
        })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.meter.connections.sub(1);
        let Some((connections, peer)) = &self.counted else { return };
        let mut addresses = connections.addresses.lock();
        if let Some(open) = addresses.get_mut(peer) {
            *open -= 1;
            if *open == 0 {
                addresses.remove(peer);
            }
        }
    }
}

/// Accepts on all `listeners` until the server drains, then waits for the
/// connections to end. Returns how many had to be cut.
pub async fn serve(
    listeners: Vec<Listener>,
    server: Arc<Server>,
    stage: watch::Receiver<Stage>,
) -> u64 {
    let connections = Connections::new(&server.registry.limits);
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept_all(listener, server.clone(), connections.clone(), stage.clone()));
    }
    while accepting.join_next().await.is_some() {}
    let all = &connections.0.all;
    let mut stage = stage;
    let is_cut = tokio::select! {
        () = all.emptied() => false,
        _ = stage.wait_for(|stage| *stage == Stage::Cut) => true,
    };
    if is_cut {
        // They end at their next turn; a second is an age for that.
        let _ = tokio::time::timeout(Duration::from_secs(1), all.emptied()).await;
    }
    let left = all.taken() as u64;
    server.meter.closed.get().get(CUT).copied().unwrap_or(0) + left
}

async fn accept_all(
    listener: Listener,
    server: Arc<Server>,
    connections: Connections,
    stage: watch::Receiver<Stage>,
) {
    let mut draining = stage.clone();
    let accepting = async {
        loop {
            // Not held meanwhile: other listeners would go without.
            drop(connections.room(&server.meter).await);
            let (stream, peer) = accept(&listener, &server).await;
            let place = connections.room(&server.meter).await;
            server.meter.accepted.add(1);
            match connections.admit(place, peer.ip(), &server.meter) {
                Some(permit) => {
                    tokio::spawn(connection::serve(
                        stream,
                        peer,
                        server.clone(),
                        stage.clone(),
                        permit,
                    ));
                }
                None => server.meter.closed.count("connections_per_address"),
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        _ = draining.wait_for(|stage| *stage > Stage::Serving) => {}
    }
}

/// The next connection. Errors are dealt with here, because none of them is a
/// reason to stop serving.
async fn accept(listener: &Listener, server: &Server) -> (TcpStream, SocketAddr) {
    loop {
        let error = match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => error,
        };
        let label = error_label(&error);
        server.meter.accept_errors.count(label);
        if is_about_one_connection(&error) {
            continue;
        }
        if let Some(left_out) = FAILURES.speak(label) {
            tracing::warn!(cause = %error, left_out, "cannot accept a connection; trying again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

fn error_label(error: &io::Error) -> &'static str {
    use rustix::io::Errno;
    match Errno::from_io_error(error) {
        Some(Errno::MFILE) => "EMFILE",
        Some(Errno::NFILE) => "ENFILE",
        Some(Errno::NOBUFS | Errno::NOMEM) => "ENOMEM",
        Some(Errno::CONNABORTED) => "ECONNABORTED",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ServerLimits;

    /// Row C25: one address takes its share, and only loopback, which stands for a
    /// proxy or the operator, takes more.
    #[tokio::test]
    async fn an_address_has_its_share() {
        let limits =
            ServerLimits { connections: 100, connections_per_address: 2, ..Default::default() };
        let limits = LiveLimits::new(&limits, 1_000).unwrap();
        let connections = Connections::new(&limits);
        let meter = Arc::<ServerMeter>::default();
        let admit = async |address: &str| {
            let place = connections.room(&meter).await;
            connections.admit(place, address.parse().unwrap(), &meter)
        };
        let held = (admit("192.0.2.1").await, admit("::ffff:192.0.2.1").await);
        assert!(held.0.is_some() && held.1.is_some(), "two spellings of one address");
        assert!(admit("192.0.2.1").await.is_none());
        assert!(admit("192.0.2.2").await.is_some(), "another one has a share of its own");
        drop(held.0);
        let again = admit("192.0.2.1").await;
        assert!(again.is_some());
        let local: Vec<_> = futures::future::join_all((0..9).map(|_| admit("127.0.0.1"))).await;
        assert!(local.iter().all(Option::is_some));
        assert_eq!(meter.connections.get(), 11);
        let two = [admit("192.0.2.3").await, admit("192.0.2.3").await];
        let wanted = ServerLimits { connections_per_address: 3, ..(*limits.now()).clone() };
        limits.set(limits.possible(&wanted).unwrap());
        let three = (two, admit("192.0.2.3").await);
        assert!(three.1.is_some(), "the share is larger now");
        assert!(admit("192.0.2.3").await.is_none());
        drop((held.1, again, local, three));
        assert_eq!(meter.connections.get(), 0);
        assert_eq!(connections.0.all.taken(), 0);
    }
}
