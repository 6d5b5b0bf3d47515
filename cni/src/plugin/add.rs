//! ADD.

use std::os::fd::AsFd;

use crate::{
    agent,
    config::{Asking, Config},
    environment::Environment,
    error::CniError,
    json::Json,
    plugin::{ABSENT, WAIT, asked, confused, ipam, netns, refuse, version_of_result},
    protocol::{Add, Added, Position, Reply, Request},
    result::{alone, with_interfaces},
};

/// The result to print, as it is due where the plugin stands.
pub(super) fn add(environment: &Environment<'_>, config: &Config) -> Result<Vec<u8>, CniError> {
    match config.previous_result() {
        _ if config.is_ipam() => ipam::add(environment, config),
        _ if config.gives_addresses() => ipam::add_replaced(environment, config),
        _ if config.replaced().is_some() => replaced(environment, config),
        Some(previous) => chained(environment, config, previous),
        None => first(environment, config),
    }
}

/// The previous result as it is for a pod that does not ask, whatever else the configuration says.
fn chained(
    environment: &Environment<'_>,
    config: &Config,
    previous: Json<'_>,
) -> Result<Vec<u8>, CniError> {
    if !config.asks() {
        return Ok(Vec::from(previous.text()));
    }
    let version = version_of_result(config)?;
    // What cannot become a result is refused before anything is plugged.
    with_interfaces(version, previous, &[], "")?;
    let (added, path) = plug(environment, config, Position::Chained)?;
    with_interfaces(version, previous, &added, &path)
}

/// Without the plugin a pod has no network here: one that does not ask cannot start.
fn first(environment: &Environment<'_>, config: &Config) -> Result<Vec<u8>, CniError> {
    match config.asking() {
        Asking::Yes => {}
        Asking::No => {
            return Err(refuse(
                environment,
                "does not ask for an ENI, and this network has nothing else for it: give it the label and the annotation eniclaim.io/class, or put eniclaim behind another plugin in the plugins list",
            ));
        }
        Asking::Unknown => {
            return Err(refuse(
                environment,
                "came without annotations: add \"capabilities\": {\"io.kubernetes.cri.pod-annotations\": true} to the plugin eniclaim, or \"pods\": \"All\" where the runtime has no such capability, as Multus",
            ));
        }
    }
    let version = version_of_result(config)?;
    let (added, path) = plug(environment, config, Position::First)?;
    alone(version, config.dns(), &added, &path)
}

/// The result of a plugin that is replaced: its own, whatever is before it.
fn replaced(environment: &Environment<'_>, config: &Config) -> Result<Vec<u8>, CniError> {
    let version = config.version()?;
    let (added, path) = plug(environment, config, Position::Chained)?;
    alone(version, config.dns(), &added, &path)
}

/// Has the agent plug; the interfaces, and the path of their namespace as the runtime wrote it.
fn plug(
    environment: &Environment<'_>,
    config: &Config,
    position: Position,
) -> Result<(Vec<Added>, String), CniError> {
    let sandbox = environment.sandbox(config.network()?)?;
    let (netns, path) = netns(environment)?;
    let socket = config.socket()?;
    let request = Request::Add(Add {
        sandbox,
        netns: netns.path.clone(),
        asked: asked(environment, config)?,
        position,
    });
    match agent::ask(&socket, request, Some(netns.as_fd()), ABSENT, WAIT) {
        // A pod that asks and gets nothing is not what the agent can mean.
        Ok(Reply::Added(added)) if !added.is_empty() => Ok((added, path)),
        Ok(Reply::Failed(error)) => Err(error),
        Ok(
            Reply::Added(_)
            | Reply::Deleted
            | Reply::Checked(_)
            | Reply::Collected
            | Reply::Addresses(_),
        ) => Err(confused()),
        Err(why) => Err(why.explain(&socket)),
    }
}
