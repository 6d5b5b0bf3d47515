//! What can go wrong around the rules.

use std::{error::Error, fmt::Write as _, io, net::SocketAddr, path::PathBuf};

/// A failure of the machine below, never a refusal of EC2.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The namespace could not be entered.
    #[error("cannot enter the network namespace {name}; vpc-sim needs root")]
    Namespace {
        /// Its name.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file could not be used.
    #[error("cannot use {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot run {program}; it comes with the package iproute2 or nftables")]
    Start {
        /// Which.
        program: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A program refused.
    #[error("{program} refused {input:?}: {stderr}")]
    Refused {
        /// Which.
        program: &'static str,
        /// What it was asked.
        input: String,
        /// What it said.
        stderr: String,
    },
    /// The kernel did not answer about links.
    #[error("cannot list the links of the network")]
    Links(#[from] rtnetlink::Error),
    /// The runtime or a connection to the kernel could not be made.
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    /// The state could not be written as text or read again.
    #[error("{path} does not hold the state of this version of vpc-sim; remove it to begin anew")]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A certificate or key could not be read.
    #[error("cannot read {path}; a certificate or key in PEM was expected")]
    Pem {
        /// Where from.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// Certificate and key cannot be served.
    #[error("cannot serve TLS")]
    Tls(#[source] rustls::Error),
    /// A wire's messages to DHCPv6 servers are not heard.
    #[error(
        "cannot join the group of DHCPv6 servers on {wire}; each takes some of net.core.optmem_max"
    )]
    Join {
        /// The wire's end.
        wire: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A DHCP message cannot be written.
    #[error("cannot write a DHCP message")]
    Encode(#[from] dhcproto::error::EncodeError),
    /// A DHCP message cannot be sent.
    #[error("cannot send to {to}")]
    Send {
        /// Where.
        to: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// An address could not be served.
    #[error("cannot serve {address}")]
    Listen {
        /// Which.
        address: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl SimError {
    /// The sentence with all its causes.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        text
    }
}
