//! A whole server: loaded before anything is bound, bound before anything is said,
//! and stopped with a deadline.

mod check;
mod load;

pub use check::{HandlerReport, Report, check};

use crate::config::{AccessLog as AccessForm, Config, Source};
use crate::files::OpenFiles;
use crate::logging::LogGuard;
use crate::logging::access::AccessLog;
use crate::meter::ServerMeter;
use crate::ops::{self, Admin};
use crate::server::{self, Listener, Server, Stage, bind};
use crate::site::{Registry, Reloader, Workshop};
use anyhow::{Context, Result, anyhow};
use load::Purpose;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;

/// What the command line says besides the config.
#[derive(Clone, Debug)]
pub struct Options {
    pub source: Source,
    /// In place of the config's.
    pub listen: Option<SocketAddr>,
    pub admin: Option<SocketAddr>,
    pub access_log: Option<AccessForm>,
    pub cache: CacheChoice,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheChoice {
    /// The user's cache folder.
    Default,
    Folder(PathBuf),
    Off,
}

/// A site that is loaded, and not served yet.
#[derive(Debug)]
pub struct App {
    options: Options,
    config: Config,
    registry: Arc<Registry>,
    workshop: Workshop,
    meter: Arc<ServerMeter>,
}

/// A server that is bound, and not accepting yet.
#[derive(Debug)]
pub struct Bound {
    app: App,
    listeners: Vec<Listener>,
    admin: Option<Listener>,
}

/// What the operator asks for while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Reload,
    /// Finish what has begun, within the deadline.
    Drain,
    /// Stop at once.
    Stop,
}

/// How the server stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    Clean,
    /// So many connections had to be cut.
    Cut(u64),
}

impl App {
    /// Reads the config and loads every handler. Binds nothing: what is wrong with
    /// a site is known before a port is open.
    pub async fn load(options: Options) -> Result<Self> {
        load::load(options, Purpose::Serve)
            .await
            .map_err(|problems| anyhow!("{}", problems.join("\n")))
    }

    /// Opens the ports.
    pub fn bind(self) -> Result<Bound> {
        let addresses = match self.options.listen {
            Some(address) => vec![address],
            None => self.config.listen.clone(),
        };
        let listeners = bind(&addresses)?;
        // On loopback, so never the address that takes all of its family.
        let admin = bind(self.options.admin.or(self.config.admin).as_slice())?.pop();
        Ok(Bound { app: self, listeners, admin })
    }
}

impl Bound {
    /// The addresses that clients can use, with their real ports.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|listener| listener.address).collect()
    }

    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|listener| listener.address)
    }

    /// Serves until `orders` say stop.
    pub async fn serve(self, mut orders: mpsc::Receiver<Order>, log: &LogGuard) -> Result<Stopped> {
        let Bound { app, listeners, admin } = self;
        let meter = app.meter.clone();
        let limits = app.registry.limits.now();
        let queue = usize::try_from(limits.log_queue).unwrap_or(usize::MAX);
        let form =
            app.options.access_log.or(app.config.access_log).unwrap_or_else(AccessForm::of_stdout);
        let (access, writer) =
            AccessLog::start(form, queue, meter.clone()).context("cannot start the access log")?;
        let (stage, stages) = watch::channel(Stage::Serving);
        let reload = Arc::new(Notify::new());
        let reloader = Reloader::new(
            app.registry.clone(),
            app.workshop.clone(),
            app.options.source.clone(),
            meter.clone(),
            reload.clone(),
        );
        let reloading = tokio::spawn(reloader.run());
        let administering = admin.map(|listener| {
            let admin = Admin {
                registry: app.registry.clone(),
                meter: meter.clone(),
                stage: stages.clone(),
                log_dropped: log.dropped.clone(),
            };
            tokio::spawn(ops::serve(listener, admin))
        });
        let server = Arc::new(Server {
            registry: app.registry.clone(),
            files: OpenFiles::new(&app.registry.limits, meter.clone()),
            meter,
            access,
            trusted_proxies: app.config.trusted_proxies.clone(),
        });
        let mut serving = tokio::spawn(server::serve(listeners, server, stages));
        let order = loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Reload) => reload.notify_one(),
                    Some(order @ (Order::Drain | Order::Stop)) => break Some(order),
                    None => break Some(Order::Stop),
                },
                ended = &mut serving => {
                    ended.context("the server panicked")?;
                    break None;
                }
            }
        };
        // Who waits for the connections to end counts on it that their limit stays.
        reloading.abort();
        let _ = reloading.await;
        let stopped = match order {
            Some(Order::Drain) => {
                let deadline = app.registry.limits.now().drain;
                drain(deadline, &stage, &mut orders, &mut serving).await
            }
            Some(Order::Stop | Order::Reload) => cut(&stage, &mut serving).await,
            None => Ok(Stopped::Clean),
        };
        if let Some(administering) = administering {
            administering.abort();
        }
        app.workshop.close().await;
        writer.finish().await;
        stopped
    }
}

type Serving = tokio::task::JoinHandle<u64>;

/// Lets connections finish, until the deadline or a second order.
async fn drain(
    deadline: Duration,
    stage: &watch::Sender<Stage>,
    orders: &mut mpsc::Receiver<Order>,
    serving: &mut Serving,
) -> Result<Stopped> {
    tracing::info!("draining for at most {} ms", deadline.as_millis());
    stage.send_replace(Stage::Draining);
    let again = async {
        while let Some(order) = orders.recv().await {
            if order != Order::Reload {
                return;
            }
        }
    };
    tokio::select! {
        ended = timeout(deadline, &mut *serving) => match ended {
            Ok(ended) => {
                ended.context("the server panicked")?;
                tracing::info!("stopped");
                return Ok(Stopped::Clean);
            }
            Err(_) => tracing::warn!("the drain deadline has passed"),
        },
        () = again => tracing::warn!("told again to stop"),
    }
    cut(stage, serving).await
}

async fn cut(stage: &watch::Sender<Stage>, serving: &mut Serving) -> Result<Stopped> {
    stage.send_replace(Stage::Cut);
    let open = serving.await.context("the server panicked")?;
    if open == 0 {
        return Ok(Stopped::Clean);
    }
    tracing::warn!(connections = open, "stopped, cutting connections");
    Ok(Stopped::Cut(open))
}
