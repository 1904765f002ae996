//! A provider's service on loopback: real sockets, and every way to fail that a test can ask for.
//!
//! One thread a connection. It never sleeps: an answer that has to wait waits in the closure that makes it, and a
//! stalled one until the upstream is dropped.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
};

use flate2::{Compression, write::GzEncoder};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring, pki_types::PrivateKeyDer};

/// A request as it was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// Method, path and version.
    pub(crate) line: String,
    /// One `name: value` a line, names in lower case.
    pub(crate) headers: String,
    pub(crate) body: String,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length,
    Chunked,
    /// The end of the connection is the end of the body.
    Close,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Nothing is ever said.
    Silence,
    /// Half the body, and then nothing.
    Stall,
    /// The connection ends in the middle of the body.
    Truncated,
    /// The connection ends instead of an answer.
    HangUp,
    /// So many bytes more are announced, and sent for as long as they are read.
    Longer(usize),
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Say {
    pub(crate) code: u16,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
    pub(crate) framing: Framing,
    pub(crate) is_packed: bool,
    pub(crate) fault: Fault,
}

impl Say {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self {
            code: 200,
            headers: String::new(),
            body: body.into(),
            framing: Framing::Length,
            is_packed: false,
            fault: Fault::None,
        }
    }

    pub(crate) fn code(code: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { code, ..Self::ok(body) }
    }

    pub(crate) fn with(fault: Fault, body: impl Into<Vec<u8>>) -> Self {
        Self { fault, ..Self::ok(body) }
    }
}

/// The service.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// Dropped with this, which ends all stalls.
    _open: Sender<()>,
}

impl Upstream {
    pub(crate) fn start(answer: impl Fn(&Heard) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (open, closed) = channel();
        let (answer, closed) = (Arc::new(answer), Arc::new(Mutex::new(closed)));
        let log = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, log, closed) = (Arc::clone(&answer), Arc::clone(&log), Arc::clone(&closed));
                thread::spawn(move || serve(&stream, &*answer, &log, &closed));
            }
        });
        Self { address, heard, _open: open }
    }

    /// One that always says the same.
    pub(crate) fn saying(say: Say) -> Self {
        Self::start(move |_| say.clone())
    }

    /// Somebody with a certificate of their own making; the thread ends with all that was said to them.
    pub(crate) fn of_a_stranger() -> (SocketAddr, JoinHandle<String>) {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let listening = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let tls = ServerConnection::new(Arc::new(config)).unwrap();
            let mut said = Vec::new();
            // Whether or not it ends in an alert.
            let _ = StreamOwned::new(tls, stream).read_to_end(&mut said);
            String::from_utf8(said).unwrap()
        });
        (address, listening)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// How many requests there were.
    pub(crate) fn calls(&self) -> usize {
        self.heard.lock().unwrap().len()
    }
}

fn serve(
    stream: &TcpStream,
    answer: &dyn Fn(&Heard) -> Say,
    log: &Mutex<Vec<Heard>>,
    closed: &Mutex<Receiver<()>>,
) {
    let mut reader = BufReader::new(stream);
    while let Some(heard) = hear(&mut reader) {
        log.lock().unwrap().push(heard.clone());
        let say = answer(&heard);
        // A client that has heard enough hangs up.
        let is_kept = speak(stream, &say).unwrap_or(false);
        if matches!(say.fault, Fault::Silence | Fault::Stall) {
            let _ = closed.lock().unwrap().recv();
        }
        if !is_kept {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// `None` at the end of the connection.
fn hear(reader: &mut impl BufRead) -> Option<Heard> {
    let mut heard = Heard::default();
    reader.read_line(&mut heard.line).ok().filter(|&bytes| bytes > 0)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        let name = name.to_ascii_lowercase();
        if name == "content-length" {
            length = value.parse().unwrap();
        }
        heard.headers += &format!("{name}: {value}\n");
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    heard.body = String::from_utf8(body).unwrap();
    Some(heard)
}

/// Whether the connection goes on.
fn speak(mut stream: &TcpStream, say: &Say) -> std::io::Result<bool> {
    let mut head = format!("HTTP/1.1 {} Whatever\r\n{}", say.code, say.headers);
    let mut body = say.body.clone();
    if say.is_packed {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(&body)?;
        body = packer.finish()?;
        head += "Content-Encoding: gzip\r\n";
    }
    let longer = if let Fault::Longer(bytes) = say.fault { bytes } else { 0 };
    head += &match say.framing {
        Framing::Length => format!("Content-Length: {}\r\n\r\n", body.len() + longer),
        Framing::Chunked => "Transfer-Encoding: chunked\r\n\r\n".to_owned(),
        Framing::Close => "Connection: close\r\n\r\n".to_owned(),
    };
    let half = body.len() / 2;
    match say.fault {
        Fault::Silence => return Ok(false),
        Fault::HangUp => return Ok(false),
        Fault::Stall | Fault::Truncated => body.truncate(half),
        Fault::None | Fault::Longer(_) => {}
    }
    stream.write_all(head.as_bytes())?;
    // Pieces, so that the client meets the end of one within the JSON.
    for piece in body.chunks(1000) {
        if say.framing == Framing::Chunked {
            write!(stream, "{:x}\r\n", piece.len())?;
        }
        stream.write_all(piece)?;
        if say.framing == Framing::Chunked {
            stream.write_all(b"\r\n")?;
        }
    }
    let zeros = [b'0'; 1 << 16];
    for _ in 0..longer / zeros.len() {
        if say.framing == Framing::Chunked {
            write!(stream, "{:x}\r\n", zeros.len())?;
        }
        stream.write_all(&zeros)?;
        if say.framing == Framing::Chunked {
            stream.write_all(b"\r\n")?;
        }
    }
    if say.framing == Framing::Chunked && say.fault == Fault::None {
        stream.write_all(b"0\r\n\r\n")?;
    }
    Ok(say.fault == Fault::None && say.framing != Framing::Close)
}
