//! Binding: the sockets of one server, all bound before anything runs, so that a taken port is found at once.
//!
//! TCP and UDP of the line protocol share one port, also when any free port will do.

use std::{io, net::SocketAddr};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};

use crate::config::Server;

/// Connections that the kernel may hold for us to accept: a herd of phones that reconnects at once.
const BACKLOG: i32 = 1024;

/// Tries to find a port that is free for both TCP and UDP: a machine with half its ports taken for UDP fails
/// once in 2^32 times.
const SHARED_PORT_TRIES: usize = 32;

/// The bound sockets of one server.
#[derive(Debug)]
pub struct Listeners {
    /// The line protocol, if this server speaks it.
    pub line: Option<LineListeners>,
    /// Where other servers connect, if they may.
    pub peer: Option<TcpListener>,
    /// Where an operator on this machine controls the server, if there is to be such a place.
    pub admin: Option<TcpListener>,
}

/// The line protocol's two sockets, on one port.
#[derive(Debug)]
pub struct LineListeners {
    /// For connections.
    pub tcp: TcpListener,
    /// For datagrams.
    pub udp: UdpSocket,
}

/// Why an address cannot be used. The configuration or another program is at fault; nothing stays bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({what}): {error}{}", hint(.error))]
pub struct ListenError {
    /// What it was wanted for.
    pub what: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// What the operating system said.
    pub error: io::Error,
}

fn hint(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::AddrInUse { "; choose other ports with --port-base N" } else { "" }
}

impl Listeners {
    /// Binds what `server` has addresses for. Has to be called within a runtime.
    ///
    /// # Errors
    /// An address is taken, not ours, or forbidden.
    pub fn bind(server: &Server) -> Result<Self, ListenError> {
        Ok(Self {
            line: server.line.map(LineListeners::bind).transpose()?,
            peer: server.peer.map(|address| tcp(address, "peer")).transpose()?,
            admin: server.admin.map(|address| tcp(address, "admin")).transpose()?,
        })
    }

    /// The bound addresses with the names of their keys, in a fixed order.
    ///
    /// # Errors
    /// The operating system does not tell.
    pub fn addresses(&self) -> io::Result<Vec<(&'static str, SocketAddr)>> {
        let line = self.line.as_ref().map(|line| Ok(("line", line.tcp.local_addr()?)));
        let peer = self.peer.as_ref().map(|peer| Ok(("peer", peer.local_addr()?)));
        let admin = self.admin.as_ref().map(|admin| Ok(("admin", admin.local_addr()?)));
        line.into_iter().chain(peer).chain(admin).collect()
    }
}

impl LineListeners {
    fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let mut tries = 1;
        loop {
            let tcp = tcp(address, "line, TCP")?;
            let what = "line, UDP";
            let bound = tcp.local_addr().map_err(|error| ListenError { what, address, error })?;
            match udp(bound) {
                Ok(udp) => return Ok(Self { tcp, udp }),
                // Somebody has the UDP side of a port that we did not insist on.
                Err(_) if address.port() == 0 && tries < SHARED_PORT_TRIES => tries += 1,
                Err(error) => return Err(ListenError { what, address: bound, error }),
            }
        }
    }
}

fn tcp(address: SocketAddr, what: &'static str) -> Result<TcpListener, ListenError> {
    let listen = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restarted server takes its port back although old connections linger.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::from(address))?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    listen().map_err(|error| ListenError { what, address, error })
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    // No reuse here: with UDP that would let two servers share a port and lose each other's datagrams.
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    UdpSocket::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use herd_core::server::Name;

    use super::*;

    fn server(line: &str, peer: &str) -> Server {
        Server {
            name: Name::new("A").unwrap(),
            line: Some(line.parse().unwrap()),
            peer: Some(peer.parse().unwrap()),
            admin: Some("127.0.0.1:0".parse().unwrap()),
        }
    }

    #[tokio::test]
    async fn tcp_and_udp_share_a_port() {
        for host in ["127.0.0.1", "[::1]"] {
            let any = format!("{host}:0");
            let listeners = Listeners::bind(&server(&any, &any)).unwrap();
            let line = listeners.line.as_ref().unwrap();
            assert_eq!(line.tcp.local_addr().unwrap(), line.udp.local_addr().unwrap());
            let names: Vec<_> = listeners.addresses().unwrap().iter().map(|(name, _)| *name).collect();
            assert_eq!(names, ["line", "peer", "admin"]);
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_a_way_out() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let holder = std::net::UdpSocket::bind(taken).unwrap();
        let error = Listeners::bind(&server(&taken.to_string(), "127.0.0.1:0")).unwrap_err();
        let expected = format!(
            "cannot listen on {taken} (line, UDP): Address already in use (os error 98); choose other ports with --port-base N"
        );
        assert_eq!(error.to_string(), expected);
        drop(holder);
        let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = holder.local_addr().unwrap();
        let error = Listeners::bind(&server("127.0.0.1:0", &taken.to_string())).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("cannot listen on {taken} (peer): Address already in use"))
        );
    }
}
