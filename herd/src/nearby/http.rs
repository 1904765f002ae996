//! One HTTP call: pooled connections, TLS, gzip, one deadline, bounded bodies, no redirects, no proxies, no cookies.
//!
//! Knows no provider. The one thing to know: a body leaves this file with the key blotted out of it, and no error of
//! this file holds a URL, since a URL may hold the key.

use std::{error::Error, fmt, io::Read, sync::Arc, time::Duration};

use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request,
    body::{Body, Bytes, Incoming},
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, USER_AGENT},
    http::request::Builder,
};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::time::{Instant, timeout_at};

use super::redaction::redacted;
use crate::config::Secret;

/// Longest body in bytes, packed or not: the largest known page has 40 KB, one of 100 posts with their authors 200 KB.
const BODY_BYTES_MAX: usize = 2 << 20;

/// Time to connect, all addresses of a name together: within it a lost first packet is sent again.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// How long a connection is kept for the next question: providers close theirs after some minutes.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Most idle connections kept; more are open while more questions are under way.
const IDLE_CONNECTIONS_MAX: usize = 8;

/// How we name ourselves.
const AGENT: &str = concat!("herd/", env!("CARGO_PKG_VERSION"));

/// Why calls cannot be made at all. This machine is at fault; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There are no root certificates to trust.
    #[error("no root certificates on this machine: {0}")]
    Roots(std::io::Error),
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
}

/// Why a call brought no answer. The provider or the network is at fault unless said otherwise; the connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// No complete answer within the deadline.
    #[error("the provider did not answer in time")]
    Late,
    /// No connection.
    #[error("the provider cannot be reached")]
    Unreachable,
    /// Somebody answered, but not with a certificate that we trust, or not with TLS.
    #[error("the provider cannot be trusted: TLS failed")]
    Untrusted,
    /// The connection broke, or the answer is no HTTP, or ends early.
    #[error("the provider broke off its answer")]
    Broken,
    /// More than the bound.
    #[error("the provider's answer is too long")]
    TooLong,
    /// It sends us elsewhere; the key is for this address only.
    #[error("the provider redirects, which is not followed: HTTP {0}")]
    Redirect(u16),
    /// Packed in a way that was not asked for.
    #[error("the provider's answer is packed in an unknown way")]
    Packing,
    /// We are at fault: the request is no valid HTTP.
    #[error("the request cannot be sent")]
    Unsendable,
}

/// What a provider answered.
pub(super) struct Reply {
    /// The status of HTTP.
    pub(super) code: u16,
    /// Unpacked, without the key.
    pub(super) body: Vec<u8>,
}

/// A pool of connections and the key that is sent over them. Cheap to clone.
#[derive(Clone)]
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    key: Option<Secret>,
}

impl Http {
    /// A client without connections. If only plain HTTP will be spoken, no root certificates are needed.
    pub(super) fn new(key: Option<Secret>, is_plain: bool) -> Result<Self, ClientError> {
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(ClientError::Tls)?;
        let tls = if is_plain {
            tls.with_root_certificates(RootCertStore::empty())
        } else {
            tls.with_native_roots().map_err(ClientError::Roots)?
        };
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_MAX));
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        Ok(Self { client, key })
    }

    /// The key's bytes; none if there is no key.
    pub(super) fn key(&self) -> &[u8] {
        self.key.as_ref().map_or(&[], Secret::expose)
    }

    /// A header's value that ends with the key, and does not show in `Debug`.
    pub(super) fn key_header(&self, scheme: &str) -> Result<HeaderValue, Trouble> {
        let value = [scheme.as_bytes(), self.key()].concat();
        let mut value = HeaderValue::from_bytes(&value).map_err(|_| Trouble::Unsendable)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Sends a request once and reads the whole answer.
    pub(super) async fn call(
        &self,
        request: Builder,
        body: Vec<u8>,
        until: Instant,
    ) -> Result<Reply, Trouble> {
        let request = request
            .header(USER_AGENT, AGENT)
            .header(ACCEPT_ENCODING, "gzip")
            .body(Full::from(body))
            .map_err(|_| Trouble::Unsendable)?;
        let reply = timeout_at(until, self.exchange(request)).await.unwrap_or(Err(Trouble::Late));
        if let Err(trouble) = &reply {
            tracing::debug!(%trouble, "a provider's call failed");
        }
        reply
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Reply, Trouble> {
        let response = self.client.request(request).await.map_err(|error| trouble(&error))?;
        let (head, body) = response.into_parts();
        if head.status.is_redirection() {
            return Err(Trouble::Redirect(head.status.as_u16()));
        }
        let body = whole(body).await?;
        let body = match head.headers.get(CONTENT_ENCODING).map(|value| value.as_bytes()) {
            None | Some(b"identity") => body,
            Some(b"gzip") => unpacked(&body)?,
            Some(_) => return Err(Trouble::Packing),
        };
        Ok(Reply { code: head.status.as_u16(), body: redacted(body, self.key()) })
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("key", &self.key).finish_non_exhaustive()
    }
}

async fn whole(mut body: Incoming) -> Result<Vec<u8>, Trouble> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        // What is announced counts already.
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let frame = frame.map_err(|_| Trouble::Broken)?;
        let piece = frame.data_ref().map_or(&[][..], |piece| piece);
        if announced.saturating_add(piece.len()).saturating_add(read.len()) > BODY_BYTES_MAX {
            return Err(Trouble::TooLong);
        }
        read.extend_from_slice(piece);
    }
    Ok(read)
}

fn unpacked(packed: &[u8]) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    // One byte past the bound tells a longer body, whatever it would unpack to.
    let bound = BODY_BYTES_MAX as u64 + 1;
    MultiGzDecoder::new(packed).take(bound).read_to_end(&mut body).map_err(|_| Trouble::Broken)?;
    if body.len() > BODY_BYTES_MAX { Err(Trouble::TooLong) } else { Ok(body) }
}

fn trouble(error: &legacy::Error) -> Trouble {
    if is_of_tls(error) {
        Trouble::Untrusted
    } else if error.is_connect() {
        Trouble::Unreachable
    } else {
        Trouble::Broken
    }
}

/// Whether TLS is the cause. An I/O error does not name what it wraps as its source, so that is looked at too.
fn is_of_tls(error: &(dyn Error + 'static)) -> bool {
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>()
        || wrapped.is_some_and(|inner| is_of_tls(inner))
        || error.source().is_some_and(is_of_tls)
}

/// Appends bytes to a URL, all but the unreserved ones encoded.
pub(super) fn push_encoded(url: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            let digit = |value: u8| DIGITS.get(usize::from(value)).copied().map_or('0', char::from);
            url.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}
