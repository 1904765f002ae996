//! A [`Config`] as text: a configuration file that says everything, defaults included, but no secret.

use std::{fmt, io, path::absolute};

use super::{
    Config, NearbyConfig, TlsFiles,
    quantity::{Size, Span},
    quoted::Quoted,
};
use crate::nearby::{MessagesConfig, PlacesConfig};

impl Config {
    /// Makes the paths absolute, so that the printed configuration means the same wherever it is saved.
    ///
    /// # Errors
    /// The current folder is gone.
    pub fn anchor(&mut self) -> io::Result<()> {
        self.log_dir = absolute(&self.log_dir)?;
        self.data_dir = absolute(&self.data_dir)?;
        if let Some(TlsFiles { ca, cert, key }) = &mut self.tls {
            for path in [ca, cert, key] {
                *path = absolute(&path)?;
            }
        }
        let (NearbyConfig::Places(PlacesConfig { index, .. })
        | NearbyConfig::Messages(MessagesConfig { index, .. })) = &mut self.nearby;
        if let Some(index) = index {
            *index = absolute(&index)?;
        }
        Ok(())
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "name = {:?}", self.name.as_str())?;
        writeln!(f, "data_dir = {}", Quoted(&self.data_dir))?;
        writeln!(f, "durability = \"{}\"", self.durability)?;
        writeln!(f, "log_dir = {}", Quoted(&self.log_dir))?;
        if self.secret.is_some() {
            writeln!(f, "secret = \"***\"")?;
        }
        for server in &self.servers {
            let neighbours: Vec<String> =
                self.neighbours(&server.name).iter().map(|name| format!("{:?}", name.as_str())).collect();
            writeln!(f, "\n[servers.{:?}]\ntalks_with = [{}]", server.name.as_str(), neighbours.join(", "))?;
            if let Some(peer) = server.peer {
                writeln!(f, "peer = \"{peer}\"")?;
            }
            if let Some(line) = server.line {
                writeln!(f, "listen.line = \"{line}\"")?;
            }
            if let Some(admin) = server.admin {
                writeln!(f, "listen.admin = \"{admin}\"")?;
            }
        }
        if let Some(tls) = &self.tls {
            write!(f, "\n{}", tls.section())?;
        }
        match &self.nearby {
            NearbyConfig::Places(places) => write!(f, "\n[places]\n{places}")?,
            NearbyConfig::Messages(messages) => write!(f, "\n[messages]\n{messages}")?,
        }
        let limits = &self.limits;
        writeln!(f, "\n[limits]")?;
        writeln!(f, "line_bytes_max = \"{}\"", Size(limits.line_bytes_max))?;
        writeln!(f, "connections_max = {}", limits.connections_max)?;
        writeln!(f, "connections_per_address_max = {}", limits.connections_per_address_max)?;
        writeln!(f, "idle_timeout = \"{}\"", Span(limits.idle_timeout))?;
        writeln!(f, "reply_bytes_max = \"{}\"", Size(limits.reply_bytes_max))?;
        writeln!(f, "clients_max = {}", limits.clients_max)?;
        writeln!(f, "ttl = \"{}\"", Span(limits.ttl))?;
        writeln!(f, "future_tolerance = \"{}\"", Span(limits.future_tolerance))?;
        writeln!(f, "log_bytes_max = \"{}\"", Size(limits.log_bytes_max))?;
        writeln!(f, "\n[traffic]\nenabled = {}", self.traffic.enabled)?;
        writeln!(f, "file_bytes_max = \"{}\"", Size(self.traffic.file_bytes_max))?;
        writeln!(f, "files_max = {}", self.traffic.files_max)
    }
}
