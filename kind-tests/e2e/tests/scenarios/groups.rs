//! The security groups of a class change under running pods, and somebody else changes those of an ENI.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use e2e::world::{PEER, PORT, SOON, Space, condition};
use serde_json::{Value, json};

use super::makers::{asking, class, on, pod};

/// Pods whose ENIs follow the class; two more are changed by somebody else.
const FOLLOWERS: usize = 6;
const DRIFTED: &str = "g6";
const HELD: &str = "g7";
/// How soon an edited class decides traffic.
const FOLLOWED: Duration = Duration::from_secs(10);

/// Lets in what comes from nodes; whoever has it is let in by the peer.
const APP: &str = "sg-000000000000000a2";
/// Lets in its members.
const DEFAULT: &str = "sg-000000000000000a0";
const QUARANTINE: &str = "sg-000000000000000a3";
const NONE: &str = "sg-0123456789abcdef0";

/// An edit decides traffic within seconds and costs no allowed connection, a group that does not exist is set on none,
/// drift is reported or corrected as the class says, and a tag freezes an ENI.
pub fn under_running_pods(space: &Space) -> anyhow::Result<()> {
    edit(space, &[APP], "Report")?;
    let names: Vec<String> = (0..FOLLOWERS + 2).map(|n| format!("g{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        let node = space.world.cluster.node(n % 2).name();
        space.apply(&on(asking(pod(name), space.name()), &node))?;
    }
    for name in &names {
        space.await_ready(name)?;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let enis = names.iter().map(|name| space.eni_of(name));
    let enis: Vec<String> = enis.collect::<anyhow::Result<_>>()?;
    let (followers, others) = enis.split_at(FOLLOWERS);
    somebody_changes(space, others)?;
    let traffic = space.traffic("g0")?;
    an_edit_decides_traffic(space, followers, others)?;
    a_bad_group_is_set_on_no_eni(space, followers)?;
    traffic.answered()?;
    traffic.end()?;
    drift_is_corrected(space, followers, others)?;
    space.delete_pods(&names)
}

fn edit(space: &Space, groups: &[&str], policy: &str) -> anyhow::Result<()> {
    let mut edited = class(space);
    edited["spec"]["securityGroups"]["ids"] = json!(groups);
    edited["spec"]["driftPolicy"] = json!(policy);
    space.apply(&edited)
}

/// Another client of EC2 puts two ENIs into quarantine, and one of them on hold.
fn somebody_changes(space: &Space, enis: &[String]) -> anyhow::Result<()> {
    let hold = [
        ("ResourceId.1", enis[1].as_str()),
        ("Tag.1.Key", "eniclaim.io/hold"),
        ("Tag.1.Value", "incident-7"),
    ];
    space.world.ec2("CreateTags", &hold)?;
    for eni in enis {
        let set = [
            ("NetworkInterfaceId", eni.as_str()),
            ("SecurityGroupId.1", QUARANTINE),
        ];
        space.world.ec2("ModifyNetworkInterfaceAttribute", &set)?;
    }
    Ok(())
}

/// The groups of an ENI in EC2.
fn groups(space: &Space, eni: &str) -> anyhow::Result<BTreeSet<String>> {
    let groups = space.world.eni(eni)?["groups"].clone();
    let groups = groups.as_array().context("no groups")?.iter();
    Ok(groups
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect())
}

fn await_groups(
    space: &Space,
    enis: &[String],
    wanted: &[&str],
    limit: Duration,
) -> anyhow::Result<()> {
    let wanted: BTreeSet<String> = wanted.iter().map(|id| (*id).to_owned()).collect();
    space.world.wait("the ENIs to have the groups", limit, || {
        for eni in enis {
            let has = groups(space, eni)?;
            ensure!(has == wanted, "{eni} has {has:?}");
        }
        Ok(true)
    })
}

fn an_edit_decides_traffic(
    space: &Space,
    followers: &[String],
    others: &[String],
) -> anyhow::Result<()> {
    let (from, to) = (space.eni_address("g1")?, space.eni_address("g2")?);
    let to = format!("{to}:8080");
    let get = |timeout| {
        let get = ["/probe", "get", &to, "--from", &from, "--timeout", timeout];
        space.exec("g1", &get)
    };
    ensure!(get("1").is_err(), "let in before the class was edited");
    let start = Instant::now();
    edit(space, &[APP, DEFAULT], "Report")?;
    await_groups(space, followers, &[APP, DEFAULT], FOLLOWED)?;
    get("1")?;
    let took = start.elapsed();
    ensure!(took <= FOLLOWED, "it took {took:.1?}");
    println!("{FOLLOWERS} ENIs have followed after {took:.1?}");
    await_groups(space, others, &[QUARANTINE], Duration::ZERO)
}

fn a_bad_group_is_set_on_no_eni(space: &Space, followers: &[String]) -> anyhow::Result<()> {
    edit(space, &[APP, NONE], "Report")?;
    let events = space.world.existing("default");
    space.world.wait("an Event of the class", SOON, || {
        let events = events.events_of("EniClass", space.name())?;
        let fits = |event: &&Value| {
            let message = event["message"].as_str().unwrap_or_default();
            event["reason"] == "SecurityGroupNotFound" && message.contains(NONE)
        };
        Ok(events.iter().any(|event| fits(&event)))
    })?;
    let class = space.world.get("eniclass", space.name())?;
    let says = condition(&class, "SecurityGroupsReady");
    ensure!(says["status"] == "False", "{says}");
    for n in 0..FOLLOWERS {
        let claim = space.claim_of(&format!("g{n}"))?;
        let ready = condition(&claim, "Ready");
        ensure!(ready["status"] == "True", "g{n}: {ready}");
    }
    let calls = space.world.calls("ModifyNetworkInterfaceAttribute")?;
    let tried = calls.iter().any(|call| call.to_string().contains(NONE));
    ensure!(!tried, "it was set on an ENI");
    await_groups(space, followers, &[APP, DEFAULT], Duration::ZERO)
}

fn drift_is_corrected(
    space: &Space,
    followers: &[String],
    others: &[String],
) -> anyhow::Result<()> {
    let says = |pod: &str, reason: &str| {
        space
            .world
            .wait(&format!("{pod} to be {reason}"), SOON, || {
                let says = condition(&space.claim_of(pod)?, "SecurityGroupsInSync");
                ensure!(says["reason"] == reason, "{says}");
                Ok(true)
            })
    };
    says(DRIFTED, "Drifted")?;
    space.await_event(DRIFTED, "somebody else changed the security groups")?;
    await_groups(space, others, &[QUARANTINE], Duration::ZERO)?;
    edit(space, &[DEFAULT], "Correct")?;
    await_groups(space, followers, &[DEFAULT], FOLLOWED)?;
    let peer = format!("{PEER}:{PORT}");
    let from = space.eni_address("g0")?;
    let get = ["/probe", "get", &peer, "--from", &from, "--timeout", "1"];
    ensure!(
        space.exec("g0", &get).is_err(),
        "the peer lets in who left its group"
    );
    await_groups(space, &others[..1], &[DEFAULT], SOON)?;
    says(HELD, "Held")?;
    await_groups(space, &others[1..], &[QUARANTINE], Duration::ZERO)
}
