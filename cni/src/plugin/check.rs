//! CHECK.

use std::os::fd::AsFd;

use crate::{
    agent,
    config::Config,
    environment::Environment,
    error::{CniError, code},
    json::Json,
    plugin::{ABSENT, WAIT, asked, confused, ipam, netns},
    protocol::{Check, Checked, Reply, Request},
    version::SpecVersion,
};

/// Succeeds if the pod has what ADD gave it, and the runtime still knows that.
pub(super) fn check(environment: &Environment<'_>, config: &Config) -> Result<(), CniError> {
    if config.is_ipam() || config.is_of_claims() {
        return ipam::check(environment, config);
    }
    if !config.asks() {
        return Ok(());
    }
    config.version_since(SpecVersion::V0_4_0)?;
    let previous = config.result_to_check()?;
    let sandbox = environment.sandbox(config.network()?)?;
    let (netns, path) = netns(environment)?;
    let gives_addresses = config.gives_addresses();
    let socket = config.socket()?;
    let request = Request::Check(Check {
        sandbox,
        netns: netns.path.clone(),
        asked: asked(environment, config)?,
    });
    match agent::ask(&socket, request, Some(netns.as_fd()), ABSENT, WAIT) {
        Ok(Reply::Checked(interfaces)) if gives_addresses || !interfaces.is_empty() => interfaces
            .iter()
            .try_for_each(|interface| compare(previous, interface, &path)),
        Ok(Reply::Failed(error)) => Err(error),
        Ok(
            Reply::Checked(_)
            | Reply::Deleted
            | Reply::Added(_)
            | Reply::Collected
            | Reply::Addresses(_),
        ) => Err(confused()),
        Err(why) => Err(why.explain(&socket)),
    }
}

fn compare(previous: Json<'_>, checked: &Checked, sandbox: &str) -> Result<(), CniError> {
    let Checked { name, mac } = checked;
    let differs = |what: &str| {
        CniError::new(
            code::DIFFERENT,
            format!("interface {name} with MAC address {mac} is in the pod, but prevResult {what}"),
        )
    };
    let listed = previous.get("interfaces").and_then(Json::elements);
    let said = |interface: &Json<'_>, key| interface.get(key)?.string();
    let found = listed.unwrap_or_default().into_iter().find(|interface| {
        said(interface, "name").as_ref() == Some(name)
            && said(interface, "sandbox").is_some_and(|said| said == sandbox)
    });
    let Some(found) = found else {
        return Err(differs(&format!("lists no such interface in {sandbox}")));
    };
    match said(&found, "mac") {
        Some(said) if said.eq_ignore_ascii_case(mac) => Ok(()),
        Some(said) => Err(differs(&format!("gives it the MAC address {said}"))),
        None => Err(differs("gives it no MAC address")),
    }
}
