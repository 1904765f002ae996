//! The codec of TLS without sockets: both ends in memory.

use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer},
};

use super::*;

/// Both ends of a connection, with one certificate that stands for itself.
fn ends(names: &[&str]) -> [rustls::Connection; 2] {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let name = Name::new("A").unwrap();
    let (certificates, _) =
        Certificates::new(Arc::new(roots), &[certificate.der().clone()], &key, &name).unwrap();
    [
        ClientConnection::new(certificates.client, any_name()).unwrap().into(),
        ServerConnection::new(certificates.server).unwrap().into(),
    ]
}

/// What one end has to send.
fn sent(tls: &mut rustls::Connection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut bytes).unwrap();
    }
    bytes
}

/// Lets both ends agree on keys.
fn shake_hands([dialler, acceptor]: &mut [rustls::Connection; 2]) {
    while dialler.is_handshaking() || acceptor.is_handshaking() {
        open(acceptor, &sent(dialler), &mut Vec::new()).unwrap();
        open(dialler, &sent(acceptor), &mut Vec::new()).unwrap();
    }
}

#[test]
fn what_comes_behind_the_last_word_ends_the_connection() {
    let mut ends = ends(&["A"]);
    shake_hands(&mut ends);
    let [dialler, acceptor] = &mut ends;
    dialler.writer().write_all(b"last").unwrap();
    dialler.send_close_notify();
    let mut bytes = sent(dialler);
    bytes.extend([23, 3, 3, 0, 5, 1, 2, 3, 4, 5].repeat(1000));
    let mut opened = Vec::new();
    open(acceptor, &bytes, &mut opened).unwrap();
    assert_eq!(opened, b"last");
    let closed = open(acceptor, &[23; 100], &mut Vec::new());
    assert!(matches!(closed, Err(EnvelopeError::Closed)), "{closed:?}");
}

#[test]
fn a_certificate_vouches_for_the_very_names_it_bears() {
    let mut ends = ends(&["A.b", "*.b.c", "192.0.2.1"]);
    // These names are for machines elsewhere; what counts is what is read out of the certificate.
    shake_hands(&mut ends);
    let certificate = ends[0].peer_certificates().unwrap()[0].clone();
    assert_eq!(names(&certificate), ["A.b", "*.b.c"]);
    assert_eq!(names(&CertificateDer::from(vec![48; 40])), [""; 0]);
}

proptest! {
    #[test]
    fn no_bytes_do_harm(garbage: Vec<u8>, at in 0usize..2000, byte: u8, piece in 1usize..500) {
        let mut ends = ends(&["A"]);
        let mut hello = sent(&mut ends[0]);
        if let Some(changed) = hello.get_mut(at) {
            *changed = byte;
        }
        for bytes in [&hello, &garbage] {
            let mut opened = Vec::new();
            for bytes in bytes.chunks(piece) {
                if open(&mut ends[1], bytes, &mut opened).is_err() {
                    break;
                }
            }
            prop_assert!(opened.is_empty(), "nothing gets through before keys are agreed on");
        }
    }
}
