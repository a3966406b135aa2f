//! A client for what `wrk` cannot tell: whole answers.

use anyhow::{Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;

pub(crate) type Client = SendRequest<Full<Bytes>>;

pub(crate) async fn connect(address: SocketAddr) -> Result<Client> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (client, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The body of an answer that must be 200.
pub(crate) async fn ask(client: &mut Client, request: Request<Full<Bytes>>) -> Result<Bytes> {
    client.ready().await?;
    let response = client.send_request(request).await?;
    ensure!(response.status() == StatusCode::OK, "status {}", response.status());
    Ok(response.into_body().collect().await?.to_bytes())
}

/// The same over a connection of its own, from code that is not async.
pub(crate) fn ask_once(address: SocketAddr, request: Request<Full<Bytes>>) -> Result<Bytes> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { ask(&mut connect(address).await?, request).await })
}
