//! What is around a link's bytes on their way: nothing, or TLS 1.3 with a certificate on either side.
//!
//! A codec between a link and its socket, without a task or a clock of its own: the connection's loop drives it, and the
//! link's own handshake, silence and deadlines hold for what happens in here. Whose name a certificate has to bear is
//! not decided here but asked by [`Envelope::vouches_for`], once the peer has said who it is.

use std::{
    future,
    io::{self, Read, Write},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use herd_core::{limits::LINK_PIECE_BYTES, link::Side, server::Name};
use rustls::{AlertDescription, CertificateError, ClientConnection, ServerConnection, pki_types::UnixTime};
use time::OffsetDateTime;
use tokio::{
    io::{AsyncRead, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};

use super::certificates::{Certificates, any_name, names};

/// Bytes of one read.
const READ_BYTES: usize = LINK_PIECE_BYTES;

/// Why bytes do not get through. The connection cannot go on; nothing that was merged is lost.
#[derive(Debug, thiserror::Error)]
pub(super) enum EnvelopeError {
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// The peer closed it.
    #[error("the neighbour closed the connection")]
    Closed,
    /// The peer uses TLS and we do not: the two configurations differ.
    #[error("it speaks TLS, and our configuration has no [tls]")]
    Sealed,
    /// We use TLS and the peer does not: the two configurations differ.
    #[error("it speaks without TLS, and our configuration has [tls]")]
    Unsealed,
    /// The peer showed no certificate. The peer is at fault.
    #[error("it shows no certificate")]
    NoCertificate,
    /// The peer's certificate is not good. The peer is at fault, or our clock or CA.
    #[error("its certificate is not accepted: {}", plainly(.0))]
    Certificate(CertificateError),
    /// The peer does not find our certificate good. We are at fault, or its clock or CA.
    #[error("it does not accept our certificate: {0:?}")]
    OurCertificate(AlertDescription),
    /// Anything else that TLS complains of. The peer is at fault, or what is between us.
    #[error("TLS: {0}")]
    Tls(rustls::Error),
}

impl EnvelopeError {
    /// Somebody has to change a file.
    pub(super) const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Sealed
                | Self::Unsealed
                | Self::NoCertificate
                | Self::Certificate(_)
                | Self::OurCertificate(_)
        )
    }
}

impl From<rustls::Error> for EnvelopeError {
    fn from(error: rustls::Error) -> Self {
        use AlertDescription as Alert;
        // TLS says everything in one enum that grows; what is not about certificates is said as it comes.
        if let rustls::Error::InvalidCertificate(why) = error {
            return Self::Certificate(why);
        }
        if matches!(error, rustls::Error::NoCertificatesPresented) {
            return Self::NoCertificate;
        }
        if let rustls::Error::AlertReceived(
            alert @ (Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            // How a wrong signature below a certificate is told.
            | Alert::DecryptError
            | Alert::CertificateRequired),
        ) = error
        {
            return Self::OurCertificate(alert);
        }
        Self::Tls(error)
    }
}

/// What is wrong with a certificate, in an operator's words, and always in the same ones.
#[expect(clippy::wildcard_enum_match_arm, reason = "an enum that grows with TLS")]
pub(super) fn plainly(error: &CertificateError) -> String {
    use CertificateError as Error;
    let what = match error {
        Error::ExpiredContext { not_after, .. } => return format!("it was good until {}", utc(*not_after)),
        Error::NotValidYetContext { not_before, .. } => {
            return format!("it will be good from {} on", utc(*not_before));
        }
        Error::UnknownIssuer | Error::BadSignature => "it does not follow from the herd's CA",
        Error::InvalidPurpose | Error::InvalidPurposeContext { .. } => {
            "it is not for this purpose, TLS server and TLS client"
        }
        _ => return error.to_string(),
    };
    format!("{what}: {error}")
}

fn utc(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let shown = |at: OffsetDateTime| {
        format!("{} {:02}:{:02}:{:02} UTC", at.date(), at.hour(), at.minute(), at.second())
    };
    OffsetDateTime::from_unix_timestamp(seconds).map_or_else(|_| format!("second {seconds}"), shown)
}

/// See the module.
#[derive(Debug)]
pub(super) struct Envelope {
    stream: TcpStream,
    tls: Option<Box<rustls::Connection>>,
    /// The link's bytes, and how many of them the socket, or TLS, has taken.
    out: Vec<u8>,
    taken: usize,
    /// The link's bytes that were taken and that arrived, since the connection began.
    moved: (u64, u64),
    /// What the last read brought, and room for more.
    raw: Vec<u8>,
    raw_bytes: usize,
    /// What came out of TLS then.
    opened: Vec<u8>,
    /// Nothing has arrived yet.
    is_first: bool,
}

impl Envelope {
    /// Nothing around the bytes.
    pub(super) fn new(stream: TcpStream) -> Self {
        let (out, raw, opened) = (Vec::new(), vec![0; READ_BYTES], Vec::new());
        Self { stream, tls: None, out, taken: 0, moved: (0, 0), raw, raw_bytes: 0, opened, is_first: true }
    }

    /// Puts TLS around all bytes, before any has been moved.
    pub(super) fn seal(&mut self, side: Side, certificates: &Certificates) -> Result<(), EnvelopeError> {
        let mut tls: rustls::Connection = match side {
            Side::Dialler => ClientConnection::new(Arc::clone(&certificates.client), any_name())?.into(),
            Side::Acceptor => ServerConnection::new(Arc::clone(&certificates.server))?.into(),
        };
        tls.set_buffer_limit(Some(LINK_PIECE_BYTES));
        self.tls = Some(Box::new(tls));
        Ok(())
    }

    /// Bytes that the link sent and received, without what TLS adds.
    pub(super) const fn moved(&self) -> (u64, u64) {
        self.moved
    }

    pub(super) const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether everything so far is on its way, so that more may be appended. While TLS is still being agreed on, what it
    /// holds back for later counts as sent.
    pub(super) fn is_flushed(&self) -> bool {
        match &self.tls {
            None => self.taken == self.out.len(),
            Some(tls) => !tls.wants_write() && (self.taken == self.out.len() || tls.is_handshaking()),
        }
    }

    /// Lets `append` add bytes to be sent, once all before are on their way.
    pub(super) fn fill(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        if self.is_flushed() {
            self.out.drain(..self.taken);
            self.taken = 0;
            append(&mut self.out);
        }
    }

    /// Sends as much as the socket takes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let before = self.taken;
        let result = match &mut self.tls {
            None => send(&mut Socket(&self.stream), &self.out, &mut self.taken),
            Some(tls) => seal_and_send(tls, &mut Socket(&self.stream), &self.out, &mut self.taken),
        };
        self.moved.0 += (self.taken - before) as u64;
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }

    /// Waits until the socket takes more of what is left to be sent, or, that being nothing or too much, until something
    /// arrives; says whether it did. Loses nothing when dropped.
    pub(super) async fn ready(&mut self) -> Result<bool, EnvelopeError> {
        future::poll_fn(|cx| {
            if !self.is_flushed() && self.stream.poll_write_ready(cx)?.is_ready() {
                return Poll::Ready(Ok(false));
            }
            self.poll_read(cx).map_ok(|()| true)
        })
        .await
    }

    /// A read that does not fill the buffer says that there is no more: that spares asking once again.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), EnvelopeError>> {
        let mut raw = ReadBuf::new(&mut self.raw);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut raw))?;
        self.raw_bytes = raw.filled().len();
        let arrived = self.raw.get(..self.raw_bytes).unwrap_or_default();
        if arrived.is_empty() {
            return Poll::Ready(Err(EnvelopeError::Closed));
        }
        if std::mem::take(&mut self.is_first) {
            match (&self.tls, arrived) {
                // A record of TLS: kind 20 to 23, version 3. No greeting is that long.
                (None, [20..=23, 3, ..]) => return Poll::Ready(Err(EnvelopeError::Sealed)),
                // A greeting: its length is below 256.
                (Some(_), [_, 0, ..]) => return Poll::Ready(Err(EnvelopeError::Unsealed)),
                _ => {}
            }
        }
        if let Some(tls) = &mut self.tls {
            self.opened.clear();
            open(tls, arrived, &mut self.opened)?;
        }
        self.moved.1 += self.arrived().len() as u64;
        Poll::Ready(Ok(()))
    }

    /// The bytes for the link that arrived last, perhaps none.
    pub(super) fn arrived(&self) -> &[u8] {
        match &self.tls {
            None => self.raw.get(..self.raw_bytes).unwrap_or_default(),
            Some(_) => &self.opened,
        }
    }

    /// Whether the peer may call itself `name`: without TLS anybody may, else its certificate has to say so. If not, the
    /// names that it says instead.
    pub(super) fn vouches_for(&self, name: &Name) -> Result<(), String> {
        let Some(tls) = &self.tls else { return Ok(()) };
        let certificate = tls.peer_certificates().and_then(<[_]>::first);
        let names = certificate.map(names).unwrap_or_default();
        if names.iter().any(|vouched| vouched == name.as_str()) { Ok(()) } else { Err(names.join(", ")) }
    }

    /// Sends what is left and what `append` adds, says that nothing more comes, and lets the peer close first: closing on
    /// unread bytes would make the system drop what is on its way.
    pub(super) async fn close(&mut self, append: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        // TLS that failed takes no more bytes; the peer is told why, and may still be talking.
        let last_words = self.say_last(append).await;
        self.stream.shutdown().await?;
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(&mut self.raw) {
                Ok(0) => return last_words,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
    }

    async fn say_last(&mut self, append: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        // A frame that is half sent must be ended before another begins.
        self.flush_all().await?;
        self.fill(append);
        self.flush_all().await?;
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        self.flush_all().await
    }

    async fn flush_all(&mut self) -> io::Result<()> {
        loop {
            self.flush()?;
            if self.is_flushed() {
                return Ok(());
            }
            self.stream.writable().await?;
        }
    }
}

/// Hands bytes to the socket until it has them all or takes no more.
fn send(socket: &mut Socket<'_>, out: &[u8], taken: &mut usize) -> io::Result<()> {
    while let Some(rest) = out.get(*taken..).filter(|rest| !rest.is_empty()) {
        *taken += socket.write(rest)?;
    }
    Ok(())
}

/// Hands bytes to TLS, and what comes of them to the socket, until that takes no more or there is nothing left that may
/// be sent.
fn seal_and_send(
    tls: &mut rustls::Connection,
    socket: &mut Socket<'_>,
    out: &[u8],
    taken: &mut usize,
) -> io::Result<()> {
    loop {
        while tls.wants_write() {
            tls.write_tls(socket)?;
        }
        let sealed = tls.writer().write(out.get(*taken..).unwrap_or_default())?;
        *taken += sealed;
        if sealed == 0 && !tls.wants_write() {
            return Ok(());
        }
    }
}

/// Takes apart what arrived, however little or much that is, and appends what was in it.
fn open(tls: &mut rustls::Connection, mut arrived: &[u8], opened: &mut Vec<u8>) -> Result<(), EnvelopeError> {
    while !arrived.is_empty() {
        // Nothing is taken any more once the peer has said that nothing comes.
        if tls.read_tls(&mut arrived)? == 0 {
            return if opened.is_empty() { Err(EnvelopeError::Closed) } else { Ok(()) };
        }
        let bytes = tls.process_new_packets()?.plaintext_bytes_to_read();
        let end = opened.len();
        opened.resize(end + bytes, 0);
        tls.reader().read_exact(opened.get_mut(end..).unwrap_or_default())?;
    }
    Ok(())
}

/// A socket as the standard library's traits want it; takes what fits, else `WouldBlock`.
struct Socket<'a>(&'a TcpStream);

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
