//! Who our links say we are, and whom they believe: the files of `[tls]`, read and made ready for TLS.
//!
//! Believed is whoever shows a certificate of the herd's CA, for its purpose and for today; whose it is comes out when the
//! peer says its name ([`super::envelope`]). A certificate that was changed on disk is used by links that begin after
//! SIGHUP.

use std::{fmt, fs, io, os::unix::fs::MetadataExt, path::Path, sync::Arc};

use herd_core::server::Name;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName, UnixTime,
        pem::{Error as PemError, PemObject},
    },
    server::{ParsedCertificate, WebPkiClientVerifier, danger::ClientCertVerifier},
    version::TLS13,
};
use tokio::{signal::unix::Signal, sync::watch, task};

use super::envelope::plainly;
use crate::config::TlsFiles;

/// Why there are no [`Certificates`]. The configuration, or whoever made its files, is at fault; what was in use before is
/// still in use.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// A file cannot be read.
    #[error("{key} in [tls]: expected a readable file, found {path}: {error}")]
    Unreadable {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: String,
        /// What the operating system said.
        error: io::Error,
    },
    /// A file holds something else, or it in another form. What it holds is not said: it may be a key.
    #[error("{key} in [tls]: expected {expected} in PEM, not found in {path}")]
    Unfit {
        /// The key that names it.
        key: &'static str,
        /// What ought to be in it.
        expected: &'static str,
        /// The file.
        path: String,
    },
    /// The two files do not go together, or a certificate is malformed.
    #[error("[tls]: {0}; the files are {1}")]
    Inconsistent(rustls::Error, String),
}

/// What TLS needs on either side of a connection. Cheap to clone.
#[derive(Clone)]
pub struct Certificates {
    pub(super) client: Arc<ClientConfig>,
    pub(super) server: Arc<ServerConfig>,
}

impl Certificates {
    /// Reads a server's files, and says what its neighbours will find wrong with them, if anything. That is no error: a
    /// server serves its clients although its neighbours do not want it.
    ///
    /// # Errors
    /// A file cannot be read or is not what it ought to be, or certificate and key do not go together.
    pub fn load(files: &TlsFiles, server: &Name) -> Result<(Self, Option<String>), CertificatesError> {
        let ca = certificates("ca", &files.ca)?;
        let chain = certificates("cert", &files.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&read("key", &files.key)?)
            .map_err(|_| unfit("key", "a private key", &files.key))?;
        if fs::metadata(&files.key).is_ok_and(|file| file.mode() & 0o004 != 0) {
            tracing::warn!(file = %files.key.display(), "everybody on this machine may read the key of [tls]");
        }
        let inconsistent = |error| CertificatesError::Inconsistent(error, files.to_string());
        let mut roots = RootCertStore::empty();
        for certificate in ca {
            roots.add(certificate).map_err(inconsistent)?;
        }
        Self::new(Arc::new(roots), &chain, &key, server).map_err(inconsistent)
    }

    pub(super) fn new(
        roots: Arc<RootCertStore>,
        chain: &[CertificateDer<'static>],
        key: &PrivateKeyDer<'static>,
        server: &Name,
    ) -> Result<(Self, Option<String>), rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let servers = Arc::new(Servers::new(roots, &provider));
        let complaint = complaint(&servers, &*clients, chain, server);
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(servers)
            .with_client_auth_cert(chain.to_vec(), key.clone_key())?;
        client.enable_sni = false;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain.to_vec(), key.clone_key())?;
        // Every connection shows its certificates anew: what expired since the last one must not get by.
        client.resumption = Resumption::disabled();
        server.send_tls13_tickets = 0;
        Ok((Self { client: Arc::new(client), server: Arc::new(server) }, complaint))
    }

    /// Reads the files `again` and again, at every signal; what is not good in all respects is not used. Never ends by
    /// itself.
    pub async fn renew(
        mut again: Signal,
        files: &TlsFiles,
        server: &Name,
        current: &watch::Sender<Option<Self>>,
    ) {
        while again.recv().await.is_some() {
            let (files, server) = (files.clone(), server.clone());
            match task::spawn_blocking(move || Self::load(&files, &server)).await {
                Ok(Ok((certificates, None))) => {
                    current.send_replace(Some(certificates));
                    tracing::info!("certificates read again; links that begin now use them");
                }
                Ok(Ok((_, Some(why)))) => {
                    tracing::warn!(why, "the certificate is not good, the old one stays");
                }
                Ok(Err(error)) => tracing::warn!(%error, "certificates cannot be read, the old ones stay"),
                Err(error) => tracing::warn!(%error, "certificates were not read, the old ones stay"),
            }
        }
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates")
    }
}

/// The names that a certificate vouches for.
pub(super) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let parsed = webpki::EndEntityCert::try_from(certificate);
    parsed.map(|parsed| parsed.valid_dns_names().map(str::to_owned).collect()).unwrap_or_default()
}

/// Whom TLS thinks it dials. It is not sent, and [`Servers`] does not look at it.
pub(super) fn any_name() -> ServerName<'static> {
    const NAME: &str = "herd";
    // The fallback is as good; it cannot be reached.
    ServerName::try_from(NAME).unwrap_or_else(|_| ServerName::from(std::net::Ipv4Addr::LOCALHOST))
}

fn complaint(
    servers: &Servers,
    clients: &dyn ClientCertVerifier,
    chain: &[CertificateDer<'static>],
    server: &Name,
) -> Option<String> {
    let (own, above) = chain.split_first()?;
    let now = UnixTime::now();
    let as_server = servers.verify_server_cert(own, above, &any_name(), &[], now).map(drop);
    let as_client = clients.verify_client_cert(own, above, now).map(drop);
    match as_server.and(as_client) {
        Err(rustls::Error::InvalidCertificate(error)) => return Some(plainly(&error)),
        Err(error) => return Some(error.to_string()),
        Ok(()) => {}
    }
    let names = names(own);
    let is_named = names.iter().any(|name| name == server.as_str());
    (!is_named).then(|| format!("it is not for {server} but for {}", names.join(", ")))
}

/// Checks whom we dialled: a certificate of the herd's CA, for servers, for today. The name is not looked at: it is
/// checked against what the peer says of itself, on either side of a connection alike.
#[derive(Debug)]
struct Servers {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Servers {
    fn new(roots: Arc<RootCertStore>, provider: &CryptoProvider) -> Self {
        Self { roots, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _revocation: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, above, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificatesError> {
    let text = read(key, path)?;
    let found: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(&text).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| unfit(key, "certificates", path))
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, CertificatesError> {
    fs::read(path).map_err(|error| CertificatesError::Unreadable {
        key,
        path: path.display().to_string(),
        error,
    })
}

fn unfit(key: &'static str, expected: &'static str, path: &Path) -> CertificatesError {
    CertificatesError::Unfit { key, expected, path: path.display().to_string() }
}
