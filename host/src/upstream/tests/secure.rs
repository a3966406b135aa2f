//! A server with TLS and both protocols, and a client that trusts it.

use super::harness::*;
use crate::body::Body;
use crate::upstream::{ExtraRoots, Trust, Upstream};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_rustls::TlsAcceptor;

/// A certificate for `tls.example`, and a file that trusts it.
pub(super) struct Identity {
    pub(super) acceptor: TlsAcceptor,
    pem: String,
}

impl Identity {
    pub(super) fn new(protocols: &[&[u8]]) -> Identity {
        let key = rcgen::generate_simple_self_signed(["tls.example".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], PrivateKeyDer::from(private))
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Identity { acceptor: TlsAcceptor::from(Arc::new(config)), pem: key.cert.pem() }
    }

    pub(super) fn roots(&self) -> ExtraRoots {
        ExtraRoots::parse(self.pem.as_bytes()).unwrap()
    }

    /// A client that trusts it and finds every `*.example` on loopback.
    pub(super) fn client(&self, connections: u64) -> Upstream {
        let loopback: &[&[&str]] = &[&["127.0.0.1"]];
        let resolver =
            Table::default().with("tls.example", loopback).with("other.example", loopback);
        let grants = grants(&["https://*.example:*"], &["127.0.0.0/8"]);
        Upstream::new(
            grants,
            &limits(connections),
            crate::upstream::OpenConnections::default(),
            Arc::default(),
            Arc::new(resolver),
            Trust::default().with(&self.roots()),
        )
    }
}

/// Counts requests that have begun and not ended.
#[derive(Clone, Default)]
pub(super) struct InService(Arc<AtomicUsize>);

impl InService {
    fn enter(&self) -> Entered {
        self.0.fetch_add(1, Ordering::SeqCst);
        Entered(self.clone())
    }

    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

pub(super) struct Entered(InService);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Serves `/`, `/echo`, `/early`, `/never` and `/stall`.
pub(super) async fn serve(
    request: Request<Incoming>,
    in_service: InService,
) -> Result<Response<Body>, Infallible> {
    let _entered = in_service.enter();
    let version = request.version();
    Ok(match request.uri().path() {
        "/echo" => match request.into_body().collect().await {
            Ok(body) => Response::new(Body::full(body.to_bytes())),
            Err(_) => Response::new(Body::full("broken")),
        },
        "/early" => Response::new(Body::full("enough")),
        "/never" => std::future::pending().await,
        "/stall" => {
            let (sender, body) = channel_body();
            sender.send(Bytes::from_static(b"x")).await.unwrap();
            tokio::spawn(async move {
                std::future::pending::<()>().await;
                drop(sender);
            });
            Response::new(body)
        }
        _ => {
            let host = request.headers().contains_key("host");
            Response::new(Body::full(format!("{version:?} {} {host}", request.uri())))
        }
    })
}

pub(super) async fn server(identity: &Identity, in_service: &InService) -> Peer {
    let (acceptor, in_service) = (identity.acceptor.clone(), in_service.clone());
    Peer::start(move |_, stream| {
        let (acceptor, in_service) = (acceptor.clone(), in_service.clone());
        async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let service = service_fn(move |request| serve(request, in_service.clone()));
            let io = TokioIo::new(stream);
            _ = match h2 {
                true => {
                    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    builder.serve_connection(io, service).await
                }
                false => {
                    let builder = hyper::server::conn::http1::Builder::new();
                    builder.serve_connection(io, service).await
                }
            };
        }
    })
    .await
}

pub(super) fn uri(peer: &Peer, path: &str) -> String {
    format!("https://tls.example:{}{path}", peer.address.port())
}
