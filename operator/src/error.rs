//! What ends the operator.

/// What ends the operator; whatever Kubernetes or AWS do is waited out instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A task of ours panicked: the process starts anew.
    #[error("a task of the operator ended unexpectedly")]
    Task(#[from] tokio::task::JoinError),
    /// All watches ended, which only a fault of ours makes them do.
    #[error("the watches of Kubernetes ended")]
    Watches,
    /// The port for probes and metrics cannot be had.
    #[error("port {port} for probes and metrics cannot be opened; choose another by --http-port")]
    Port {
        /// The port.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
}
