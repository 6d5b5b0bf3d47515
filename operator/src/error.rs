//! What ends the operator.

/// What ends the operator; whatever Kubernetes or AWS do is waited out instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A task of ours panicked: the process starts anew.
    #[error("a task of the operator ended unexpectedly")]
    Task(#[from] tokio::task::JoinError),
    /// A watch, or the task that publishes Events, ended, which only a fault of ours makes it do.
    #[error("a task that should run for ever ended")]
    Ended,
    /// The task that takes part in the election ended: nobody would notice the end of the term.
    #[error("the task that holds the Lease ended")]
    Election,
    /// The port for probes and metrics cannot be had.
    #[error("port {port} for probes and metrics cannot be opened; choose another by --http-port")]
    Port {
        /// The port.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
}
