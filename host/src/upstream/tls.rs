//! Trust: the system's root certificates and, if configured, one file more.
//!
//! The system's roots take tens of milliseconds to read, so they are read at
//! the first `https` request. The extra file is read at once, because a wrong
//! path is a wrong config.

use crate::offload::UPSTREAM;
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// TLS sessions that one handler remembers to resume.
const SESSIONS: usize = 64;

/// What every handler's `https` connections trust; one for the process.
#[derive(Debug, Default)]
pub struct Tls {
    extra: Vec<CertificateDer<'static>>,
    config: OnceCell<Arc<ClientConfig>>,
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("failed to read certificates from `{}`: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("`{}` holds no certificate; it must be a PEM file", path.display())]
    Empty { path: PathBuf },
    #[error("`{}` holds a certificate that cannot be a root: {reason}", path.display())]
    Unusable { path: PathBuf, reason: String },
}

impl Tls {
    /// Trusts the system's roots, and those in the PEM file `extra`.
    pub fn new(extra: Option<&Path>) -> Result<Self, TlsError> {
        let extra = extra.map(read_extra).transpose()?.unwrap_or_default();
        Ok(Tls { extra, config: OnceCell::new() })
    }

    /// The configuration of one handler. It has session tickets of its own,
    /// because a resumed session would tell one handler where another has been.
    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let config = self.config.get_or_try_init(|| load(self.extra.clone())).await?;
        let mut config = ClientConfig::clone(config);
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(Arc::new(config))
    }
}

fn read_extra(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |error: rustls::pki_types::pem::Error| TlsError::Unreadable {
        path: path.to_owned(),
        reason: match error {
            rustls::pki_types::pem::Error::Io(error) => error.to_string(),
            other => other.to_string(),
        },
    };
    let found = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if found.is_empty() {
        return Err(TlsError::Empty { path: path.to_owned() });
    }
    for certificate in &found {
        let added = RootCertStore::empty().add(certificate.clone());
        added.map_err(|error| TlsError::Unusable {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
    }
    Ok(found)
}

async fn load(extra: Vec<CertificateDer<'static>>) -> Result<Arc<ClientConfig>, String> {
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

fn read_roots(extra: Vec<CertificateDer<'static>>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // Systems carry roots that are too old to parse; the rest are still good.
    roots.add_parsable_certificates(found.certs.into_iter().chain(extra));
    if !roots.is_empty() {
        return Ok(roots);
    }
    let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
    Err(match errors.is_empty() {
        true => "this system has no root certificates; install `ca-certificates`".to_owned(),
        false => format!("failed to read root certificates: {}", errors.join("; ")),
    })
}
