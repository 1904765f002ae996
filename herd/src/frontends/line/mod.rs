//! The line protocol over TCP and UDP, on one port.

mod answer;
mod replies;
mod turn;
mod backlog;
mod departure;
mod connection;
mod tcp;
pub mod udp;

use crate::listen::Listeners;

use super::Service;

/// Serves it on its sockets, if there are any.
pub fn start(listeners: &mut Listeners, service: &Service) {
    if let Some(line) = listeners.line.take() {
        service.tasks.spawn(tcp::serve(line.tcp, service.clone()));
        service.tasks.spawn(udp::serve(line.udp, service.clone()));
    }
}
