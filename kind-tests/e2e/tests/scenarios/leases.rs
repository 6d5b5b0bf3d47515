//! DHCP leases that the agent keeps beside the addresses of a claim.

use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::world::{SOON, Signal, Space, World, address, condition, peer_of};
use serde_json::{Value, json};

use super::makers::{asking, class, on, pod};

/// Seconds that a lease is long: it is renewed after half of them.
const LEASE: u64 = 20;
const RENEWALS: u64 = 3;
/// A client asks again after up to a minute.
const PATIENCE: Duration = Duration::from_mins(2);

/// A lease is in the claim, is renewed without a write, survives the agent's end without a DISCOVER, is missed when it ends and welcomed
/// when it is back, and is given back with the pod. The pod's addresses stay all the while.
pub fn kept(space: &Space) -> anyhow::Result<()> {
    let world = space.world;
    space.settings(&short(&json!({})))?;
    space.apply(&class(space))?;
    let here = world.cluster.node(0).name();
    space.apply(&on(asking(pod("web"), space.name()), &here))?;
    space.await_ready("web")?;
    await_reason(space, "Leased")?;

    let claim = space.claim_of("web")?;
    let (own, lease) = (address(&claim)?, &claim["status"]["leases"][0]);
    ensure!(
        lease["family"] == "IPv4" && lease["addresses"] == json!([own]),
        "the lease is {lease}, and the claim has {own}"
    );
    ensure!(
        lease["domainName"] == "ec2.internal" && lease["mtu"] == 9001,
        "not what the VPC says: {lease}"
    );

    let eni = space.eni_of("web")?;
    await_more(world, &eni, "DHCPREQUEST", RENEWALS)?;
    let version = |claim: &Value| claim["metadata"]["resourceVersion"].clone();
    let now = space.claim_of("web")?;
    ensure!(
        version(&now) == version(&claim),
        "renewals wrote: {} was {}",
        now["status"],
        claim["status"]
    );

    let discovers = count(world, &eni, "DHCPDISCOVER")?;
    let agent = world.agent_pid(0)?;
    world.signal(agent, Signal::KILL)?;
    world.wait("another agent", SOON, || Ok(world.agent_pid(0)? != agent))?;
    world.await_agents()?;
    await_more(world, &eni, "DHCPREQUEST", RENEWALS)?;
    ensure!(
        count(world, &eni, "DHCPDISCOVER")? == discovers,
        "the agent that started asked for a lease anew"
    );

    space.settings(&short(&json!({ "answers": false })))?;
    await_reason(space, "Expired")?;
    space.await_event("web", "the DHCPv4 lease ended")?;
    let link = space.exec("web", &["/bin/ip", "address", "show", "eni0"])?;
    ensure!(link.contains(&own), "the pod lost {own}: {link}");
    space.settings(&short(&json!({})))?;
    await_reason(space, "Leased")?;

    space.delete_pods(&["web"])?;
    ensure!(
        count(world, &eni, "DHCPRELEASE")? == 1,
        "the lease was not given back"
    );
    Ok(())
}

/// A server that offers another address than the ENI's is named, and nothing changes in the pod.
pub fn differing(space: &Space) -> anyhow::Result<()> {
    space.settings(&short(&json!({ "answers": false })))?;
    space.apply(&class(space))?;
    space.apply(&asking(pod("web"), space.name()))?;
    space.await_ready("web")?;
    let (eni, own) = (space.eni_of("web")?, address(&space.claim_of("web")?)?);
    let other = "10.0.1.250";
    space.settings(&short(&json!({ "addresses": { &eni: other } })))?;
    await_reason(space, "Differs")?;
    space.await_event("web", &format!("a DHCPv4 server offers {other}"))?;
    let leased = condition(&space.claim_of("web")?, "Leased");
    let message = leased["message"].as_str().context("no message")?;
    ensure!(
        message.contains(&own) && message.contains(other),
        "neither {own} nor {other}: {message}"
    );
    let link = space.exec("web", &["/bin/ip", "address", "show", "eni0"])?;
    ensure!(
        link.contains(&own) && !link.contains(other),
        "not {own}: {link}"
    );
    space.delete_pods(&["web"])
}

/// An interface that its lease configures: the pod starts once there is one, follows it to another address, loses it with the lease, keeps
/// it while an agent dies, and talks by it.
pub fn configuring(space: &Space) -> anyhow::Result<()> {
    let world = space.world;
    space.settings(&short(&json!({ "answers": false })))?;
    let mut class = class(space);
    class["spec"]["interface"] = json!({ "dhcp": { "ipv4": "Configure" } });
    space.apply(&class)?;
    let here = world.cluster.node(0).name();
    space.apply(&on(asking(pod("web"), space.name()), &here))?;
    space.await_event("web", "no DHCPv4 server has leased it an address yet")?;
    space.settings(&short(&json!({})))?;
    space.await_ready("web")?;
    let (eni, own) = (space.eni_of("web")?, address(&space.claim_of("web")?)?);
    await_interface(space, Some(&own))?;
    talks(space, &own)?;

    let agent = world.agent_pid(0)?;
    world.signal(agent, Signal::KILL)?;
    world.wait("another agent", SOON, || Ok(world.agent_pid(0)? != agent))?;
    world.await_agents()?;
    await_more(world, &eni, "DHCPREQUEST", RENEWALS)?;
    await_interface(space, Some(&own))?;

    let other = "10.0.1.250";
    space.settings(&short(&json!({ "addresses": { &eni: other } })))?;
    await_interface(space, Some(other))?;
    world.wait("the claim to say so", PATIENCE, || {
        let leases = &space.claim_of("web")?["status"]["leases"];
        Ok(leases[0]["addresses"] == json!([other]))
    })?;
    space.await_event("web", "a DHCPv4 server refused a lease")?;

    space.settings(&short(&json!({ "answers": false })))?;
    await_reason(space, "Expired")?;
    await_interface(space, None)?;
    space.settings(&short(&json!({})))?;
    await_interface(space, Some(&own))?;
    talks(space, &own)?;
    space.delete_pods(&["web"])
}

/// The pod's interface has this address and no other one of IPv4.
fn await_interface(space: &Space, address: Option<&str>) -> anyhow::Result<()> {
    let show = ["/bin/ip", "-4", "address", "show", "eni0"];
    let what = format!("eni0 to have {address:?}");
    space.world.wait(&what, PATIENCE, || {
        let link = space.exec("web", &show)?;
        let has = |address| link.contains(&format!("inet {address}/"));
        Ok(match address {
            Some(address) => has(address) && link.matches("inet ").count() == 1,
            None => !link.contains("inet "),
        })
    })
}

fn talks(space: &Space, own: &str) -> anyhow::Result<()> {
    let seen = space.exec("web", &["/probe", "get", &peer_of(own), "--from", own])?;
    ensure!(
        seen.contains(own),
        "the peer sees {seen}, and the pod has {own}"
    );
    Ok(())
}

/// Settings with short leases.
fn short(more: &Value) -> Value {
    let mut dhcp = json!({ "leaseSeconds": LEASE });
    for (name, value) in more.as_object().into_iter().flatten() {
        dhcp[name] = value.clone();
    }
    json!({ "dhcp": dhcp })
}

fn await_reason(space: &Space, reason: &str) -> anyhow::Result<()> {
    let what = format!("the claim's condition Leased to say {reason}");
    space.world.wait(&what, PATIENCE, || {
        Ok(condition(&space.claim_of("web")?, "Leased")["reason"] == reason)
    })
}

fn count(world: &World, eni: &str, message: &str) -> anyhow::Result<u64> {
    let counts = world.cluster.sim("GET", "/sim/dhcp/counts", None)?;
    Ok(counts[eni][message].as_u64().unwrap_or(0))
}

fn await_more(world: &World, eni: &str, message: &str, more: u64) -> anyhow::Result<()> {
    let before = count(world, eni, message)?;
    world.wait(&format!("{more} more {message}"), PATIENCE, || {
        Ok(count(world, eni, message)? >= before + more)
    })
}
