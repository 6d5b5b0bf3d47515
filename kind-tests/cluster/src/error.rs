//! What can go wrong with a cluster on one machine.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

/// A failure, with what was being done.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The name cannot be a prefix of namespaces and control groups.
    #[error("the cluster name {0:?} must be 1 to 12 characters of a-z and 0-9")]
    Name(String),
    /// The harness is not raised.
    #[error(
        "a cluster needs root for namespaces, mounts and containers; start this by kind-tests/as-root.sh"
    )]
    NotRoot,
    /// The machine cannot have a cluster.
    #[error("this machine is unfit for a cluster: {0}")]
    Machine(String),
    /// Another process has a cluster of this name, or a person kept one.
    #[error("the cluster {cluster} (its files are in {state}) is up already: {by}")]
    Taken {
        /// Which.
        cluster: String,
        /// Its folder.
        state: PathBuf,
        /// Who has it, since when, and how it ends.
        by: String,
    },
    /// What the cluster would make is there, and this cluster has not made it.
    #[error(
        "the {thing} {name} is there already, and this cluster did not make it; remove it or take another cluster name"
    )]
    Foreign {
        /// What it is.
        thing: &'static str,
        /// Its name.
        name: String,
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
    #[error("cannot start {program}; `make prerequisites` installs what is missing")]
    Start {
        /// Which.
        program: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A command ended badly.
    #[error("`{command}` ended with {status}: {stderr}")]
    Failed {
        /// The whole command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        stderr: String,
    },
    /// A binary of this workspace is not built.
    #[error("{0} is not beside {1}; `make build` builds it")]
    NotBuilt(&'static str, PathBuf),
    /// A Go module folder does not say which version it builds.
    #[error("{path} requires no version of {module}")]
    Version {
        /// The go.mod file.
        path: PathBuf,
        /// The module whose version names the build.
        module: &'static str,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// The simulated VPC refused.
    #[error("vpc-sim answered {method} {path} with {status}: {body}")]
    Sim {
        /// The method.
        method: String,
        /// The path.
        path: String,
        /// The status line.
        status: String,
        /// What it said.
        body: String,
    },
    /// The simulated VPC gave no answer, or none that can be read.
    #[error("no answer from vpc-sim to {method} {path}")]
    SimAnswer {
        /// The method.
        method: String,
        /// The path.
        path: String,
        /// What went wrong.
        source: io::Error,
    },
    /// A thread of the harness panicked; standard error says why.
    #[error("a thread that prepared a node panicked")]
    Thread,
    /// There is no such node.
    #[error("the cluster {cluster} has no node {index}; it has {nodes}, counted from 0")]
    NoNode {
        /// The cluster.
        cluster: String,
        /// The index that was asked for.
        index: usize,
        /// How many there are.
        nodes: usize,
    },
    /// Something did not happen in time.
    #[error("timed out after {} s waiting for {what}", limit.as_secs_f32())]
    Deadline {
        /// What should have happened.
        what: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// A component of the cluster is not there any more.
    #[error("{component} ended while waiting for {what}; its log ends with:\n{log}")]
    Ended {
        /// Which.
        component: String,
        /// What was waited for.
        what: String,
        /// The end of its log.
        log: String,
    },
    /// Something of the cluster does not go away.
    #[error("cannot take down {what} of the cluster {cluster}")]
    Remains {
        /// The cluster.
        cluster: String,
        /// What is still there.
        what: &'static str,
    },
}

/// The result of most functions here.
pub type Result<T, E = ClusterError> = std::result::Result<T, E>;

/// Puts the path to an error of a file operation.
pub(crate) fn at<T>(path: impl Into<PathBuf>, result: io::Result<T>) -> Result<T> {
    result.map_err(|source| ClusterError::File {
        path: path.into(),
        source,
    })
}
