//! ADD.

use std::{ffi::OsString, os::fd::AsFd};

use crate::{
    agent,
    config::{Config, malformed},
    environment::Environment,
    error::CniError,
    plugin::{ABSENT, WAIT, confused, netns, pod},
    protocol::{Add, Reply, Request},
    result::with_interfaces,
};

/// The result to print: the previous one as it is for a pod that does not ask, whatever else the configuration says.
pub(super) fn add(
    environment: &Environment<impl Fn(&str) -> Option<OsString>>,
    config: &Config,
) -> Result<Vec<u8>, CniError> {
    let previous = config.previous_result().ok_or_else(|| {
        malformed("eniclaim adds an interface to a pod that has a network already: put it behind another plugin in the plugins list")
    })?;
    if !config.asks() {
        return Ok(Vec::from(previous.text()));
    }
    let version = config.version()?;
    config.refuse_unknown_keys()?;
    // What cannot become a result is refused before anything is plugged.
    with_interfaces(version, previous, &[], "")?;
    let sandbox = environment.sandbox(config.network()?)?;
    let (netns, path) = netns(environment)?;
    let socket = config.socket()?;
    let request = Request::Add(Add {
        sandbox,
        netns: netns.path.clone(),
        pod: pod(environment, config)?,
    });
    match agent::ask(&socket, request, Some(netns.as_fd()), ABSENT, WAIT) {
        // A pod that asks and gets nothing is not what the agent can mean.
        Ok(Reply::Added(added)) if !added.is_empty() => {
            with_interfaces(version, previous, &added, &path)
        }
        Ok(Reply::Failed(error)) => Err(error),
        Ok(Reply::Added(_) | Reply::Deleted | Reply::Checked(_) | Reply::Collected) => {
            Err(confused())
        }
        Err(why) => Err(why.explain(&socket)),
    }
}
