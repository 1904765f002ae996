//! Links inside TLS, on real sockets between real servers: who gets in, who does not and is told why, and what gets through.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use herd_core::wire::peer::Refusal;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

use crate::{
    flock::{Client, Flock, SERVERS},
    program::{finish, signal},
    stranger::{Stranger, connect, read, verdict_of},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A certificate for Welsh, or nearly so.
struct Forgery {
    is_by_another: bool,
    is_by_itself: bool,
    name: &'static str,
    purposes: &'static [ExtendedKeyUsagePurpose],
    from: SystemTime,
    to: SystemTime,
}

impl Forgery {
    fn new() -> Self {
        const BOTH: &[ExtendedKeyUsagePurpose] =
            &[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let now = SystemTime::now();
        Self {
            is_by_another: false,
            is_by_itself: false,
            name: "Welsh",
            purposes: BOTH,
            from: now - DAY,
            to: now + DAY,
        }
    }

    /// Puts it in the place of Welsh's certificate.
    fn write(&self, certs: &Path) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([self.name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (self.from.into(), self.to.into());
        params.extended_key_usages = self.purposes.to_vec();
        let certificate = if self.is_by_itself {
            params.self_signed(&key)
        } else {
            params.signed_by(&key, &self.authority(certs))
        };
        fs::write(certs.join("Welsh.pem"), certificate.unwrap().pem()).unwrap();
        fs::write(certs.join("Welsh.key"), key.serialize_pem()).unwrap();
    }

    fn authority(&self, certs: &Path) -> Issuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "herd development CA");
        let key = fs::read_to_string(certs.join("ca.key")).unwrap();
        let key = if self.is_by_another { KeyPair::generate() } else { KeyPair::from_pem(&key) };
        Issuer::new(params, key.unwrap())
    }
}

/// What happened to be said before `flock` is done with a report that only gets to Welsh over the one link it has.
fn report(flock: &Flock, time: u32) {
    let said = Client::connect(flock.line("Holiday")).iamat("calm", "+1-1", &time.to_string());
    flock.wait_for("Welsh", "calm", &said);
}

/// A stranger's side of TLS, with a server's certificate of the folder or none.
fn seal(certs: &Path, shown: Option<&str>, to: &str) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certs.join("ca.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shown {
        None => config.with_no_client_auth(),
        Some(name) => {
            let certificate = CertificateDer::from_pem_file(certs.join(format!("{name}.pem"))).unwrap();
            let key = PrivateKeyDer::from_pem_file(certs.join(format!("{name}.key"))).unwrap();
            config.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    let to = ServerName::try_from(to.to_owned()).unwrap();
    ClientConnection::new(Arc::new(config), to).unwrap()
}

type Sealed = StreamOwned<ClientConnection, TcpStream>;

fn dial(flock: &Flock, shown: Option<&str>, to: &str) -> Sealed {
    let certs = flock.folder().join("certs");
    StreamOwned::new(seal(&certs, shown, to), connect(flock.peer(to)))
}

#[test]
fn five_servers_with_certificates_agree() {
    let mut flock = Flock::sealed();
    for name in SERVERS {
        flock.start(name);
    }
    let said = Client::connect(flock.line("Hands")).iamat("calm", "+1-1", "1");
    for name in SERVERS {
        flock.wait_for(name, "calm", &said);
    }
    flock.kill("Holiday");
    flock.start("Holiday");
    let said = Client::connect(flock.line("Welsh")).iamat("calm", "+1-1", "2");
    for name in SERVERS {
        flock.wait_for(name, "calm", &said);
    }
}

#[test]
fn a_bad_certificate_is_refused_with_a_reason_until_it_is_a_good_one() {
    let mut flock = Flock::sealed();
    let certs = flock.folder().join("certs");
    let now = SystemTime::now();
    let welsh = Forgery::new;
    flock.start("Holiday");
    for (time, (bad, reason)) in (1..).zip([
        (Forgery { to: now - Duration::from_secs(60), ..welsh() }, "it was good until "),
        (Forgery { from: now + DAY / 2, ..welsh() }, "it will be good from "),
        (Forgery { is_by_another: true, ..welsh() }, "it does not follow from the herd's CA: BadSignature"),
        (Forgery { is_by_itself: true, ..welsh() }, "it does not follow from the herd's CA: UnknownIssuer"),
        (Forgery { name: "Hands", ..welsh() }, "it says that it is Welsh, its certificate is for Hands"),
        (
            Forgery { purposes: &[ExtendedKeyUsagePurpose::CodeSigning], ..welsh() },
            "it is not for this purpose",
        ),
    ]) {
        bad.write(&certs);
        flock.start("Welsh");
        let own = flock.complaint("Welsh", "neighbours will not accept the certificate of this server");
        let there = flock.complaint("Holiday", reason);
        assert!(there.contains("no link") && there.contains("WARN"), "{there}");
        let theirs =
            if bad.name == "Welsh" { "it does not accept our certificate" } else { "another server's" };
        let here = flock.complaint("Welsh", theirs);
        println!("{own}\n{there}\n{here}");
        welsh().write(&certs);
        signal("HUP", &flock.id("Welsh").to_string());
        report(&flock, time);
        flock.kill("Welsh");
    }
}

#[test]
fn who_shows_none_or_another_servers_certificate_is_refused() {
    let mut flock = Flock::sealed();
    flock.start("Goloman");
    let mut bare = dial(&flock, None, "Goloman");
    bare.write_all(b"hello").unwrap();
    let told = bare.read(&mut [0; 100]).unwrap_err().to_string();
    assert!(told.contains("CertificateRequired"), "{told}");
    flock.complaint("Goloman", "it shows no certificate");

    let conversation = |shown, server, secret| {
        Stranger::new("goloman", server, secret).converse(dial(&flock, Some(shown), "Goloman"))
    };
    assert_eq!(conversation("Hands", "Wilkes", None), Err(Refusal::Certificate));
    assert_eq!(conversation("Welsh", "Welsh", None), Err(Refusal::Stranger), "no edge");
    assert_eq!(conversation("Hands", "Hands", Some("not the herd's secret")), Err(Refusal::Proof));
    assert_eq!(conversation("Hands", "Hands", None), Ok(()));
}

#[test]
fn a_certificate_that_expires_is_renewed_without_a_restart() {
    let mut flock = Flock::sealed();
    let certs = flock.folder().join("certs");
    let expires_at = SystemTime::now() + Duration::from_secs(4);
    Forgery { to: expires_at, ..Forgery::new() }.write(&certs);
    flock.start("Holiday");
    flock.start("Welsh");
    report(&flock, 1);
    // A certificate is good to the end of its second.
    while SystemTime::now() < expires_at + Duration::from_secs(1) {
        thread::yield_now();
    }
    report(&flock, 2);
    flock.kill("Holiday");
    flock.start("Holiday");
    flock.complaint("Holiday", "its certificate is not accepted: it was good until ");

    // A file that is not good changes nothing.
    Forgery { to: expires_at, ..Forgery::new() }.write(&certs);
    signal("HUP", &flock.id("Welsh").to_string());
    flock.complaint("Welsh", "the certificate is not good, the old one stays");
    fs::write(certs.join("Welsh.pem"), "nothing").unwrap();
    signal("HUP", &flock.id("Welsh").to_string());
    flock.complaint("Welsh", "certificates cannot be read, the old ones stay");
    Forgery::new().write(&certs);
    signal("HUP", &flock.id("Welsh").to_string());
    report(&flock, 3);
}

#[test]
fn with_and_without_tls_do_not_link_and_both_say_so() {
    let mut flock = Flock::sealed();
    flock.start("Holiday");
    flock.configure("plain.toml");
    flock.start("Welsh");
    flock.complaint("Holiday", "it speaks without TLS, and our configuration has [tls]");
    flock.complaint("Welsh", "it speaks TLS, and our configuration has no [tls]");
    flock.kill("Welsh");
    flock.configure("tls.toml");
    flock.start("Welsh");
    report(&flock, 1);
}

#[test]
fn a_recording_and_the_proof_of_another_connection_are_refused_inside_tls() {
    let mut flock = Flock::sealed();
    flock.start("Goloman");
    let certs = flock.folder().join("certs");
    let mut streams = ["Hands", "Hands"].map(|shown| dial(&flock, Some(shown), "Goloman"));
    let mut stranger = Stranger::new("goloman", "Hands", None);
    let hello = stranger.says();
    for stream in &mut streams {
        stream.write_all(&hello).unwrap();
    }
    stranger.hears(&read(&mut streams[0]));
    let proof = stranger.says();
    streams[1].write_all(&proof).unwrap();
    assert_eq!(verdict_of(&mut streams[1]), Err(Refusal::Proof));
    streams[0].write_all(&proof).unwrap();
    assert_eq!(verdict_of(&mut streams[0]), Ok(()));

    let tape = Tape { stream: connect(flock.peer("Goloman")), sent: Vec::new() };
    let mut recorded = StreamOwned::new(seal(&certs, Some("Hands"), "Goloman"), tape);
    assert_eq!(Stranger::new("goloman", "Hands", None).converse(&mut recorded), Ok(()));
    let mut again = connect(flock.peer("Goloman"));
    again.write_all(&recorded.sock.sent).unwrap();
    let mut heard = Vec::new();
    drop(again.read_to_end(&mut heard));
    // Its own hello, keys and certificate, then an alert; it was not to be understood, so there is nothing of the link.
    assert!(heard.starts_with(&[22, 3]), "{heard:?}");
}

/// A socket, and all that was sent on it.
struct Tape {
    stream: TcpStream,
    sent: Vec<u8>,
}

impl Read for Tape {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        self.stream.read(bytes)
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.sent.extend_from_slice(bytes);
        self.stream.write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn garbage_halves_and_slow_handshakes_are_cut_in_time_and_disturb_nobody() {
    let mut flock = Flock::sealed();
    flock.start("Holiday");
    flock.start("Welsh");
    report(&flock, 1);
    let peer = flock.peer("Holiday");
    let mut hello = Vec::new();
    seal(&flock.folder().join("certs"), None, "Holiday").write_tls(&mut hello).unwrap();
    let mut long = hello.clone();
    long[3..5].copy_from_slice(&[0xFF, 0xFF]);
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xFF; 70_000], &[22, 3, 1, 0, 0], &long, &[22; 9]] {
        let mut stream = connect(peer);
        drop(stream.write_all(bytes));
        drop(stream.read_to_end(&mut Vec::new()));
    }
    let began = Instant::now();
    let halves: Vec<_> = (0..100).map(|_| half(peer, &hello)).collect();
    report(&flock, 2);
    drip(peer, &hello);
    for mut stream in halves {
        drop(stream.read_to_end(&mut Vec::new()));
    }
    // Two seconds for the handshake, half a second to say goodbye, and a busy machine.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    report(&flock, 3);
}

fn half(peer: SocketAddr, hello: &[u8]) -> TcpStream {
    let mut stream = connect(peer);
    stream.write_all(&hello[..hello.len() / 2]).unwrap();
    stream
}

/// Sends a byte every now and then, until it is cut.
fn drip(peer: SocketAddr, hello: &[u8]) {
    let mut stream = TcpStream::connect(peer).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    for byte in hello {
        drop(stream.write_all(&[*byte]));
        match stream.read(&mut [0; 100]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
    panic!("a whole greeting, byte by byte");
}

#[test]
fn files_that_do_not_fit_end_a_start_and_nothing_of_a_key_is_shown() {
    let flock = Flock::sealed();
    let certs = flock.folder().join("certs");
    let config = flock.folder().join("tls.toml");
    let start = || {
        let run = finish(&["serve", "Welsh", "--port-base", "0", "--config", config.to_str().unwrap()]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{}", run.stderr);
        run.stderr
    };
    let [pem, key] = ["Welsh.pem", "Welsh.key"].map(|file| certs.join(file));
    let (good, other) = (fs::read(&key).unwrap(), fs::read_to_string(certs.join("Hands.key")).unwrap());
    fs::write(&key, &other).unwrap();
    assert!(start().contains("[tls]: keys may not be consistent: KeyMismatch; the files are "));
    fs::write(&key, other.replace("PRIVATE KEY", "PUBLIC KEY")).unwrap();
    let said = start();
    assert!(said.contains("key in [tls]: expected a private key in PEM, not found in "), "{said}");
    assert!(!said.contains(other.lines().nth(1).unwrap()), "{said}");
    fs::write(&key, good).unwrap();
    fs::write(&pem, "no certificate").unwrap();
    assert!(start().contains("cert in [tls]: expected certificates in PEM, not found in "));
    fs::remove_file(&pem).unwrap();
    assert!(start().contains("cert in [tls]: expected a readable file, found "));
}

#[test]
fn certificates_are_made_once_kept_and_added_to() {
    let flock = Flock::sealed();
    let certs = flock.folder().join("certs");
    let file = |name: &str| fs::read_to_string(certs.join(name)).unwrap();
    for key in ["ca.key", "Welsh.key"] {
        let mode = fs::metadata(certs.join(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    let before = ["ca.pem", "ca.key", "Welsh.pem", "Welsh.key"].map(file);
    let cert = |args: &[&str]| finish(&[&["cert", "--out", certs.to_str().unwrap()], args].concat());
    assert_eq!(cert(&["Welsh", "Newcomer"]).code, Some(0));
    assert_eq!(before, ["ca.pem", "ca.key", "Welsh.pem", "Welsh.key"].map(file));
    assert!(file("Newcomer.pem").starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(cert(&["Welsh", "--force"]).code, Some(0));
    assert_eq!(before[..2], ["ca.pem", "ca.key"].map(file));
    assert_ne!(before[2..], ["Welsh.pem", "Welsh.key"].map(file));
    fs::remove_file(certs.join("Welsh.key")).unwrap();
    let run = cert(&["Welsh"]);
    assert_eq!(run.code, Some(2));
    assert_eq!(run.stderr, "herd: there is a certificate without its key; --force makes both: Welsh\n");
    assert_eq!(cert(&["ca"]).stderr, "herd: a server called ca would share its files with the CA\n");
}
