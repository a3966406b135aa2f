//! `squall serve PATH`

use super::runtime::runtime;
use super::{BAD_INPUT, fail, say};
use anyhow::{Context, Result};
use clap::Args;
use squall::app::{App, CacheChoice, Options, Order, Stopped};
use squall::config::{AccessLog, Source, parse_admin, parse_listen};
use squall::logging::{self, LogFormat, LogGuard};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// What to serve
    path: PathBuf,
    /// Compile the plugins of PATH first
    #[arg(long)]
    build: bool,
    /// Listen here instead of where the config says; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", value_parser = parse_listen)]
    listen: Option<SocketAddr>,
    /// Serve health, status and metrics here, on loopback
    #[arg(long, value_name = "ADDRESS", value_parser = parse_admin)]
    admin: Option<SocketAddr>,
    /// The access log on stdout: off, text or json; text at a terminal and json otherwise
    #[arg(long, value_name = "FORM")]
    access_log: Option<AccessLog>,
    /// The log on stderr; text at a terminal and json otherwise. `SQUALL_LOG` says which lines
    #[arg(long, value_name = "FORM", value_enum)]
    log: Option<LogFormat>,
    /// Keep compiled components in this folder instead of the user's cache
    #[arg(long, value_name = "FOLDER", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Keep no compiled components
    #[arg(long)]
    no_cache: bool,
}

/// Something that a config can mend, or something else.
enum Failure {
    Input(anyhow::Error),
    Start(anyhow::Error),
}

pub(crate) fn run(serve: Serve) -> ExitCode {
    let log = match logging::init(serve.log.unwrap_or_else(LogFormat::of_stderr)) {
        Ok(log) => log,
        Err(error) => return fail(&error, BAD_INPUT),
    };
    let ended = start(serve, &log);
    // What is left of the log comes before the last words.
    let (error, code) = match ended {
        Ok(Stopped::Clean) => return ExitCode::SUCCESS,
        Ok(Stopped::Cut(_)) => return ExitCode::FAILURE,
        Err(Failure::Input(error)) => (error, BAD_INPUT),
        Err(Failure::Start(error)) => (error, 1),
    };
    drop(log);
    fail(&error, code)
}

fn start(serve: Serve, log: &LogGuard) -> Result<Stopped, Failure> {
    if serve.build {
        squall::build::build(&serve.path, &mut |line| say(line)).map_err(Failure::Input)?;
    }
    let runtime = runtime().map_err(Failure::Input)?;
    let stopped = runtime.block_on(serve_site(serve, log));
    // What still computes or compiles has had its time.
    runtime.shutdown_background();
    stopped
}

async fn serve_site(serve: Serve, log: &LogGuard) -> Result<Stopped, Failure> {
    // Before anything that takes time: no signal may kill a server that still compiles.
    let mut orders = orders().context("cannot listen to signals").map_err(Failure::Start)?;
    let source = squall::build::site_of(&serve.path).map_err(Failure::Input)?;
    let options = Options {
        source: Source::find(&source).map_err(Failure::Input)?,
        listen: serve.listen,
        admin: serve.admin,
        access_log: serve.access_log,
        cache: match (serve.cache, serve.no_cache) {
            (Some(folder), _) => CacheChoice::Folder(folder),
            (None, true) => CacheChoice::Off,
            (None, false) => CacheChoice::Default,
        },
    };
    let app = tokio::select! {
        app = App::load(options) => app.map_err(Failure::Input)?,
        () = told_to_stop(&mut orders) => return Ok(Stopped::Clean),
    };
    let bound = app.bind().map_err(Failure::Start)?;
    for address in bound.addresses() {
        say(format_args!("squall listening on http://{address}"));
    }
    if let Some(address) = bound.admin_address() {
        say(format_args!("squall admin on http://{address}"));
    }
    log.open();
    bound.serve(orders, log).await.map_err(Failure::Start)
}

/// Waits for an order to end. A reload during the start is what the start is, and what
/// changes meanwhile is found by the first look at the files.
async fn told_to_stop(orders: &mut mpsc::Receiver<Order>) {
    while orders.recv().await == Some(Order::Reload) {}
}

/// Signals as orders: TERM and INT drain, the second of them stops, HUP reloads.
/// USR1 and USR2 are ignored; their default would end the process.
fn orders() -> std::io::Result<mpsc::Receiver<Order>> {
    let (sender, orders) = mpsc::channel(8);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut ignored = [signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?];
    tokio::spawn(async move {
        let mut stopping = false;
        loop {
            let [user1, user2] = &mut ignored;
            let order = tokio::select! {
                _ = hangup.recv() => Order::Reload,
                _ = user1.recv() => continue,
                _ = user2.recv() => continue,
                _ = async { tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () } } => {
                    if std::mem::replace(&mut stopping, true) { Order::Stop } else { Order::Drain }
                }
            };
            if sender.send(order).await.is_err() {
                return;
            }
        }
    });
    Ok(orders)
}
