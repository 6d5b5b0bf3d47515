//! The plugin as the IPAM plugin of another one: it answers with addresses, and moves nothing.

use std::{os::fd::AsFd, path::Path};

use crate::{
    agent::{self, NoReply},
    config::{Asking, Config},
    environment::Environment,
    error::{CniError, code},
    json::Json,
    netns::Netns,
    plugin::{ABSENT, WAIT, asked, confused, pod, refuse, version_of_result},
    protocol::{Add, Addressed, Addresses, Position, Reply, Request},
    result::addressed,
    version::SpecVersion,
};

/// The addresses of the pod's claim, with its routes.
pub(super) fn add(environment: &Environment<'_>, config: &Config) -> Result<Vec<u8>, CniError> {
    if config.asking() == Asking::No {
        return Err(refuse(
            environment,
            "does not ask for an ENI, and this network has no other addresses: give it the label and the annotation eniclaim.io/class, or another IPAM plugin to the network",
        ));
    }
    let version = version_of_result(config)?;
    addressed(version, &ask(environment, config)?, "")
}

/// Addresses as the configuration of a plugin that is replaced asks for them. The namespace says how long they are needed; who gives
/// none releases them by DEL alone.
pub(super) fn add_replaced(
    environment: &Environment<'_>,
    config: &Config,
) -> Result<Vec<u8>, CniError> {
    let version = config.version()?;
    let sandbox = environment.sandbox(config.network()?)?;
    let if_name = sandbox.if_name.clone();
    let path = environment.required("CNI_NETNS")?;
    let netns = Netns::open(path.as_ref()).ok();
    let request = Request::Add(Add {
        sandbox,
        netns: netns.as_ref().map_or(path, |netns| netns.path.clone()),
        asked: asked(environment, config)?,
        position: Position::default(),
    });
    let socket = config.socket()?;
    let answer = agent::ask(
        &socket,
        request,
        netns.as_ref().map(AsFd::as_fd),
        ABSENT,
        WAIT,
    );
    addressed(version, &answered(answer, &socket)?, &if_name)
}

/// Succeeds if the claim still has the addresses that ADD gave.
pub(super) fn check(environment: &Environment<'_>, config: &Config) -> Result<(), CniError> {
    config.version_since(SpecVersion::V0_4_0)?;
    let previous = config.result_to_check()?;
    let listed = previous.get("ips").and_then(Json::elements);
    let listed = listed.unwrap_or_default().into_iter();
    let listed: Vec<_> = listed
        .filter_map(|ip| ip.get("address")?.string())
        .collect();
    let mut addresses = ask(environment, config)?.addresses.into_iter();
    match addresses.find(|one| !listed.contains(&one.address)) {
        None => Ok(()),
        Some(missing) => Err(CniError::new(
            code::DIFFERENT,
            format!(
                "the pod's EniClaim has the address {}, which prevResult does not list",
                missing.address
            ),
        )),
    }
}

fn ask(environment: &Environment<'_>, config: &Config) -> Result<Addressed, CniError> {
    let request = Request::Addresses(Addresses {
        sandbox: environment.sandbox(config.network()?)?,
        pod: pod(environment, config)?,
    });
    let socket = config.socket()?;
    answered(agent::ask(&socket, request, None, ABSENT, WAIT), &socket)
}

fn answered(answer: Result<Reply, NoReply>, socket: &Path) -> Result<Addressed, CniError> {
    match answer {
        Ok(Reply::Addresses(addressed)) if !addressed.addresses.is_empty() => Ok(addressed),
        Ok(Reply::Failed(error)) => Err(error),
        Ok(
            Reply::Addresses(_)
            | Reply::Added(_)
            | Reply::Deleted
            | Reply::Checked(_)
            | Reply::Collected,
        ) => Err(confused()),
        Err(why) => Err(why.explain(socket)),
    }
}
