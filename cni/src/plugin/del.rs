//! DEL, which never fails.

use std::{
    io::{self, Write},
    os::fd::AsFd,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    agent,
    config::Config,
    environment::Environment,
    error::CniError,
    netns::Netns,
    plugin::{ABSENT, configuration, confused},
    protocol::{Del, Reply, Request},
    tombstone,
};

/// An agent needs milliseconds; one that needs longer goes on by itself.
const WAIT: Duration = Duration::from_secs(10);

/// Has the agent unplug, or leaves a tombstone for it. A DEL that fails stops the chain, and the addresses of the plugins before this
/// one would leak at each retry; what the agent does later needs no runtime. So failures go to stderr, which runtimes log.
pub(super) fn del(environment: &Environment<'_>, config: Result<Config, CniError>) {
    let identified = match config {
        // An IPAM plugin gave addresses that are the claim's, in use or not.
        Ok(config) if config.is_ipam() || config.is_of_claims() || !config.asks() => return,
        Ok(config) => identify(environment, &config),
        // What cannot be read names nothing to take away, and a failing DEL is repeated for ever.
        Err(error) => Err(error),
    };
    let failed = match identified {
        Err(error) => error.msg,
        Ok((socket, del)) => match unplug(environment, &socket, &del) {
            Ok(()) => return,
            Err(error) => leave_to_agent(&socket, &del, &error),
        },
    };
    // Nothing can be done about a stderr that is closed.
    drop(writeln!(io::stderr(), "eniclaim: DEL: {failed}"));
}

/// Writes the tombstone, and says what happens then.
fn leave_to_agent(socket: &Path, del: &Del, why: &CniError) -> String {
    let container = &del.sandbox.container_id;
    let folder = tombstone::folder(socket);
    match tombstone::write(&folder, del) {
        Ok(()) => format!("the rest of {container} is left to the agent: {why}"),
        Err(error) => {
            let folder = folder.display();
            format!(
                "the ENI of {container} returns with its network namespace, a note for the agent cannot be written to {folder} ({error}): {why}"
            )
        }
    }
}

fn identify(environment: &Environment<'_>, config: &Config) -> Result<(PathBuf, Del), CniError> {
    let sandbox = environment.sandbox(config.network()?)?;
    let configuration = configuration(config).filter(|_| config.releases());
    Ok((
        config.socket()?,
        Del {
            sandbox,
            configuration,
        },
    ))
}

fn unplug(environment: &Environment<'_>, socket: &Path, del: &Del) -> Result<(), CniError> {
    // Containerd repeats DEL without CNI_NETNS, and the namespace may be gone: the agent then knows where it was.
    let netns = environment
        .required("CNI_NETNS")
        .and_then(|path| Netns::open(path.as_ref()))
        .ok();
    let request = Request::Del(del.clone());
    let netns = netns.as_ref().map(AsFd::as_fd);
    match agent::ask(socket, request, netns, ABSENT, WAIT) {
        Ok(Reply::Deleted) => Ok(()),
        Ok(Reply::Failed(error)) => Err(error),
        Ok(Reply::Added(_) | Reply::Checked(_) | Reply::Collected | Reply::Addresses(_)) => {
            Err(confused())
        }
        Err(why) => Err(why.explain(socket)),
    }
}
