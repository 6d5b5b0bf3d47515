//! `/sim/instances`: how tests and the cluster launch, stop, start and terminate instances.

use std::{collections::BTreeSet, net::Ipv4Addr};

use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use vpc::{Eni, InstanceId, InstanceView, Launch};

use super::{Refusal, unknown};
use crate::{
    state::{World, now_ms},
    wires::vpc_end,
};

/// The body of `POST /sim/instances`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewInstance {
    name: String,
    netns: String,
    subnet_id: String,
    private_ip: Option<Ipv4Addr>,
    ipv6_address_count: Option<u32>,
    instance_type: String,
    #[serde(default)]
    security_group_ids: BTreeSet<String>,
    #[serde(default)]
    routes: Vec<String>,
    #[serde(default = "yes")]
    source_dest_check: bool,
}

const fn yes() -> bool {
    true
}

/// Answers once the instance's `eth0` is there.
pub(super) async fn launch(world: &World, new: NewInstance) -> Result<Value, Refusal> {
    let NewInstance {
        name,
        netns,
        subnet_id,
        private_ip,
        ipv6_address_count,
        instance_type,
        security_group_ids,
        routes,
        source_dest_check,
    } = new;
    let route = |text: &String| {
        text.parse()
            .map_err(|e: vpc::NotACidr| Refusal(StatusCode::BAD_REQUEST, e.to_string()))
    };
    let launch = Launch {
        name,
        instance_type,
        subnet: subnet_id.into(),
        address: private_ip,
        ipv6: ipv6_address_count,
        groups: security_group_ids.into_iter().map(Into::into).collect(),
        routes: routes.iter().map(route).collect::<Result<_, _>>()?,
        source_dest_check,
    };
    let InstanceView {
        instance,
        home: _,
        enis,
    } = world.with(|sim| {
        let view = sim.vpc.launch(launch, now_ms())?;
        sim.namespaces.insert(view.instance.id.clone(), netns);
        Ok::<_, Refusal>(view)
    })?;
    let Some(primary) = enis.first() else {
        return Err(Refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the instance has no primary interface".to_owned(),
        ));
    };
    let settled = world.settle().await;
    if !world.wires().await?.1.contains(&vpc_end(&primary.id)) {
        world.with(|sim| sim.terminate(&instance.id))?;
        settled?;
    }
    Ok(
        json!({ "instanceId": instance.id.as_str(), "mac": primary.mac.to_string(), "eniId": primary.id.as_str(), "zone": primary.zone, "ipv6Addresses": primary.others.ipv6 }),
    )
}

/// Begins what EC2's actions of these names begin.
pub(super) async fn change(world: &World, id: &InstanceId, verb: &str) -> Result<Value, Refusal> {
    if verb == "reboot" {
        return reboot(world, id).await;
    }
    world.with(|sim| match verb {
        "stop" => Ok(sim.vpc.stop(id, now_ms())?),
        "start" => Ok(sim.vpc.start(id, now_ms())?),
        "terminate" => Ok(sim.vpc.terminate(id, now_ms())?),
        _ => Err(unknown(
            &Method::POST,
            &format!("/sim/instances/{id}/{verb}"),
        )),
    })?;
    world.settle().await?;
    Ok(json!({}))
}

/// Takes every device from the instance, wherever it was moved to, and gives each back: what a kernel that starts anew finds.
async fn reboot(world: &World, id: &InstanceId) -> Result<Value, Refusal> {
    let links: Vec<String> = world.look(|sim| {
        sim.vpc.check_reboot(id)?;
        let here = |eni: &&Eni| eni.plugged_into() == Some(id);
        Ok::<_, Refusal>(
            sim.vpc
                .enis()
                .filter(here)
                .map(|eni| vpc_end(&eni.id))
                .collect(),
        )
    })?;
    world.unplug(&links).await?;
    world.settle().await?;
    Ok(json!({}))
}

/// Terminates an instance without the time that EC2 takes for it.
pub(super) async fn end(world: &World, id: &InstanceId) -> Result<Value, Refusal> {
    world.with(|sim| sim.terminate(id))?;
    world.settle().await?;
    Ok(json!({}))
}
