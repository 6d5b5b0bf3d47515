//! `/sim/*`: how tests and the cluster add instances, order faults and look at the world.

use std::{collections::BTreeSet, net::Ipv4Addr};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use vpc::{AttachmentState, Eni, InstanceId, InstanceView, Launch};

use crate::{
    SimError,
    fault::Fault,
    state::{World, now_ms},
    wires::far,
};

/// A refusal: what the caller should know, and a status.
struct Refusal(StatusCode, String);

impl From<SimError> for Refusal {
    fn from(error: SimError) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.chain())
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        Self(
            StatusCode::BAD_REQUEST,
            format!("the body cannot be read: {error}"),
        )
    }
}

impl From<vpc::Ec2Error> for Refusal {
    fn from(error: vpc::Ec2Error) -> Self {
        Self(
            StatusCode::BAD_REQUEST,
            format!("{}: {error}", error.code()),
        )
    }
}

/// Answers one request.
pub(crate) async fn respond(
    world: &World,
    method: &Method,
    path: &str,
    body: &str,
) -> Response<Full<Bytes>> {
    let (status, value) = match route(world, method, path, body).await {
        Ok(value) => (StatusCode::OK, value),
        Err(Refusal(status, error)) => (status, json!({ "error": error })),
    };
    let mut response = Response::new(Full::from(value.to_string()));
    *response.status_mut() = status;
    response
}

async fn route(world: &World, method: &Method, path: &str, body: &str) -> Result<Value, Refusal> {
    match (method, path.strip_prefix("/sim/").unwrap_or_default()) {
        (&Method::POST, "instances") => launch(world, serde_json::from_str(body)?).await,
        (&Method::DELETE, path) if path.starts_with("instances/") => {
            let id = path.trim_start_matches("instances/").into();
            terminate(world, &id).await
        }
        (&Method::GET, "calls") => Ok(world.look(|sim| json!(sim.calls))),
        (&Method::GET, "audit") => audit(world).await,
        (&Method::GET, "snapshot") => Ok(snapshot(world)),
        (&Method::POST, "faults") => {
            let fault: Fault = serde_json::from_str(body)?;
            world.with(|sim| sim.faults.order(fault));
            Ok(json!({}))
        }
        (&Method::DELETE, "faults") => {
            world.with(|sim| sim.faults.clear());
            Ok(json!({}))
        }
        _ => Err(Refusal(
            StatusCode::NOT_FOUND,
            format!("there is no {method} {path}"),
        )),
    }
}

/// The body of `POST /sim/instances`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewInstance {
    name: String,
    netns: String,
    subnet_id: String,
    private_ip: Option<Ipv4Addr>,
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
async fn launch(world: &World, new: NewInstance) -> Result<Value, Refusal> {
    let NewInstance {
        name,
        netns,
        subnet_id,
        private_ip,
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
        groups: security_group_ids.into_iter().map(Into::into).collect(),
        routes: routes.iter().map(route).collect::<Result<_, _>>()?,
        source_dest_check,
    };
    let InstanceView { instance, enis } = world.with(|sim| {
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
    if !world.wires().await?.1.contains(&far(&primary.id)) {
        world.with(|sim| sim.vpc.terminate(&instance.id, now_ms()))?;
        settled?;
    }
    Ok(
        json!({ "instanceId": instance.id.as_str(), "mac": primary.mac.to_string(), "eniId": primary.id.as_str(), "zone": primary.zone }),
    )
}

async fn terminate(world: &World, id: &InstanceId) -> Result<Value, Refusal> {
    world.with(|sim| sim.vpc.terminate(id, now_ms()))?;
    world.settle().await?;
    Ok(json!({}))
}

/// A sentence for each thing that should not be; an empty list is a clean world.
async fn audit(world: &World) -> Result<Value, Refusal> {
    let (wanted, seen) = world.wires().await?;
    let mut found = world.look(|sim| {
        let leaks = sim
            .vpc
            .leaks()
            .map(|eni| format!("{} exists ({}, tags {:?})", eni.id, eni.status(), eni.tags));
        leaks
            .chain(sim.vpc.violations().iter().map(ToString::to_string))
            .collect::<Vec<_>>()
    });
    found.extend(
        seen.iter()
            .filter(|far| !wanted.contains_key(*far))
            .map(|far| format!("link {far} has no ENI")),
    );
    found.extend(
        wanted
            .keys()
            .filter(|far| !seen.contains(*far))
            .map(|far| format!("link {far} is missing")),
    );
    Ok(json!(found))
}

fn snapshot(world: &World) -> Value {
    world.look(|sim| {
        let instances = sim.vpc.instances().map(|instance| {
            json!({
                "id": instance.id.as_str(),
                "name": instance.name,
                "type": instance.kind.name,
                "state": instance.state.name(),
                "netns": sim.namespaces.get(&instance.id),
            })
        });
        json!({
            "instances": instances.collect::<Vec<_>>(),
            "enis": sim.vpc.enis().map(eni).collect::<Vec<_>>(),
        })
    })
}

fn eni(eni: &Eni) -> Value {
    let attachment = eni.attachment().map(|attachment| {
        json!({
            "id": attachment.id.as_str(),
            "instance": attachment.instance.as_str(),
            "card": attachment.card,
            "device": attachment.device,
            "status": AttachmentState::status(attachment.state),
            "deleteOnTermination": attachment.delete_on_termination,
        })
    });
    json!({
        "id": eni.id.as_str(),
        "mac": eni.mac.to_string(),
        "address": eni.address,
        "subnet": eni.subnet.as_str(),
        "status": eni.status(),
        "groups": eni.groups.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "tags": eni.tags,
        "sourceDestCheck": eni.source_dest_check,
        "attachment": attachment,
    })
}
