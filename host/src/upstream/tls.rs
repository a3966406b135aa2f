//! Trust: the system's root certificates and, if configured, one file more.
//!
//! The system's roots take tens of milliseconds to read, so they are read at
//! the first `https` request, once for all who trust the same file.

use crate::offload::UPSTREAM;
use parking_lot::Mutex;
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, Weak};
use tokio::sync::OnceCell;

/// TLS sessions that one handler remembers to resume.
const SESSIONS: usize = 64;

/// Certificates to trust besides the system's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExtraRoots(Vec<CertificateDer<'static>>);

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("failed to read certificates: {0}")]
    Unreadable(rustls::pki_types::pem::Error),
    #[error("it holds no certificate; it must be a PEM file")]
    Empty,
    #[error("it holds a certificate that cannot be a root: {0}")]
    Unusable(rustls::Error),
}

/// What a handler's `https` connections trust.
#[derive(Debug, Default)]
pub struct Tls {
    extra: ExtraRoots,
    config: OnceCell<Arc<ClientConfig>>,
}

/// What all handlers of a process trust: who trusts the same shares one. Clones know
/// the same.
#[derive(Clone, Debug, Default)]
pub struct Trust(Arc<Mutex<Vec<Weak<Tls>>>>);

impl ExtraRoots {
    /// Those in a PEM file of this content.
    pub fn parse(pem: &[u8]) -> Result<Self, TlsError> {
        let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let found = found.map_err(TlsError::Unreadable)?;
        if found.is_empty() {
            return Err(TlsError::Empty);
        }
        for certificate in &found {
            RootCertStore::empty().add(certificate.clone()).map_err(TlsError::Unusable)?;
        }
        Ok(ExtraRoots(found))
    }
}

impl Trust {
    /// Trust in the system's roots and in `extra`.
    pub fn with(&self, extra: &ExtraRoots) -> Arc<Tls> {
        let mut known = self.0.lock();
        known.retain(|tls| tls.strong_count() > 0);
        if let Some(same) = known.iter().filter_map(Weak::upgrade).find(|tls| tls.extra == *extra) {
            return same;
        }
        let tls = Arc::new(Tls { extra: extra.clone(), config: OnceCell::new() });
        known.push(Arc::downgrade(&tls));
        tls
    }
}

impl Tls {
    /// The configuration of one handler. It has session tickets of its own,
    /// because a resumed session would tell one handler where another has been.
    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let config = self.config.get_or_try_init(|| load(self.extra.clone())).await?;
        let mut config = ClientConfig::clone(config);
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(Arc::new(config))
    }
}

async fn load(extra: ExtraRoots) -> Result<Arc<ClientConfig>, String> {
    let roots = UPSTREAM.run(move || read_roots(extra));
    let roots = roots.await.map_err(|error| error.to_string())??;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read_roots(extra: ExtraRoots) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // Systems carry roots that are too old to parse; the rest are still good.
    roots.add_parsable_certificates(found.certs.into_iter().chain(extra.0));
    if !roots.is_empty() {
        return Ok(roots);
    }
    let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
    Err(match errors.is_empty() {
        true => "this system has no root certificates; install `ca-certificates`".to_owned(),
        false => format!("failed to read root certificates: {}", errors.join("; ")),
    })
}
