//! Accepting connections: bounded in number, and never ended by an error.

use super::connection::{self, CUT};
use super::{Server, Stage};
use crate::limits::ServerLimits;
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
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

/// Binds `address`; the error says which.
pub fn bind(address: SocketAddr) -> Result<Listener> {
    let bound = || -> io::Result<Listener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A restart must not wait for the old connections to time out.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let socket = socket.listen(BACKLOG)?;
        let address = socket.local_addr()?;
        Ok(Listener { socket, address })
    };
    bound().with_context(|| format!("cannot listen on `{address}`"))
}

/// How many connections there may be, in all and from one address.
#[derive(Clone, Debug)]
pub(super) struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    all: Arc<Semaphore>,
    per_address: usize,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

/// The right to be connected; lives as long as the connection.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    _all: OwnedSemaphorePermit,
    counted: Option<(Arc<Inner>, IpAddr)>,
    server: Arc<Server>,
}

impl Connections {
    fn new(limits: &ServerLimits) -> Self {
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Connections(Arc::new(Inner {
            all: Arc::new(Semaphore::new(count(limits.connections))),
            per_address: count(limits.connections_per_address),
            addresses: Mutex::default(),
        }))
    }

    /// Counts a connection from `peer`; `None` if it has its share already.
    fn admit(
        &self,
        all: OwnedSemaphorePermit,
        peer: IpAddr,
        server: &Arc<Server>,
    ) -> Option<ConnectionPermit> {
        let peer = peer.to_canonical();
        // Behind loopback is a proxy, or the operator.
        let counted = !peer.is_loopback();
        if counted {
            let mut addresses = self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner);
            let open = addresses.entry(peer).or_default();
            if *open >= self.0.per_address {
                return None;
            }
            *open += 1;
        }
        server.meter.connections.add(1);
        Some(ConnectionPermit {
            _all: all,
            counted: counted.then(|| (self.0.clone(), peer)),
            server: server.clone(),
        })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.server.meter.connections.sub(1);
        let Some((connections, peer)) = &self.counted else { return };
        let mut addresses = connections.addresses.lock().unwrap_or_else(PoisonError::into_inner);
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
    let connections = Connections::new(&server.limits);
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept_all(listener, server.clone(), connections.clone(), stage.clone()));
    }
    while accepting.join_next().await.is_some() {}
    let all = connections.0.all.clone();
    let everyone = u32::try_from(server.limits.connections).unwrap_or(u32::MAX);
    let mut stage = stage;
    tokio::select! {
        _ = all.acquire_many(everyone) => return 0,
        _ = stage.wait_for(|stage| *stage == Stage::Cut) => {}
    }
    // They end at their next turn; a second is an age for that.
    let ended = tokio::time::timeout(Duration::from_secs(1), all.acquire_many(everyone)).await;
    let left = match ended {
        Ok(_) => 0,
        Err(_) => server.limits.connections.saturating_sub(all.available_permits() as u64),
    };
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
            // When there is no room, clients wait in the backlog.
            let Ok(all) = connections.0.all.clone().acquire_owned().await else { return };
            let (stream, peer) = accept(&listener, &server).await;
            server.meter.accepted.add(1);
            match connections.admit(all, peer.ip(), &server) {
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
        server.meter.accept_errors.count(error_label(&error));
        if is_about_one_connection(&error) {
            continue;
        }
        tracing::warn!(cause = %error, "cannot accept a connection; trying again");
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
