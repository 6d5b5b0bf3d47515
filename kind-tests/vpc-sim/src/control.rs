//! `/sim/*`: how tests and the cluster add instances, order faults and look at the world.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Response, StatusCode, Uri};
use serde_json::{Map, Value, json};
use vpc::{Action, AttachmentState, Delays, Eni, InstanceId, Settings};

use crate::{
    SimError,
    fault::Pointless,
    state::{Call, Sim, World},
};

mod dhcp;
mod faults;
mod instances;

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

impl From<Pointless> for Refusal {
    fn from(error: Pointless) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
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
    uri: &Uri,
    body: &str,
) -> Response<Full<Bytes>> {
    let (status, value) = match route(world, method, uri, body).await {
        Ok(value) => (StatusCode::OK, value),
        Err(Refusal(status, error)) => (status, json!({ "error": error })),
    };
    let mut response = Response::new(Full::from(value.to_string()));
    *response.status_mut() = status;
    response
}

async fn route(world: &World, method: &Method, uri: &Uri, body: &str) -> Result<Value, Refusal> {
    let path: Vec<&str> = uri.path().split('/').skip(1).collect();
    match (method, path.as_slice()) {
        (&Method::POST, ["sim", "instances"]) => {
            instances::launch(world, serde_json::from_str(body)?).await
        }
        (&Method::POST, ["sim", "instances", id, verb]) => {
            instances::change(world, &InstanceId::from(*id), verb).await
        }
        (&Method::DELETE, ["sim", "instances", id]) => {
            instances::end(world, &InstanceId::from(*id)).await
        }
        (&Method::GET, ["sim", "calls"]) => calls(world, uri.query().unwrap_or_default()),
        (&Method::GET, ["sim", "audit"]) => audit(world, uri.query().unwrap_or_default()).await,
        (&Method::GET, ["sim", "snapshot"]) => Ok(snapshot(world)),
        (_, ["sim", "faults"]) => {
            faults::all(world, (method, uri.path()), body, |sim| &mut sim.faults)
        }
        (&Method::DELETE, ["sim", "faults", id]) => {
            faults::forget(world, id, |sim| &mut sim.faults)
        }
        (&Method::GET, ["sim", "dhcp"]) => dhcp::heard(world, uri.query().unwrap_or_default()),
        (&Method::GET, ["sim", "dhcp", "counts"]) => Ok(dhcp::counts(world)),
        (_, ["sim", "dhcp", "faults"]) => faults::all(world, (method, uri.path()), body, |sim| {
            &mut sim.dhcp.faults
        }),
        (&Method::DELETE, ["sim", "dhcp", "faults", id]) => {
            faults::forget(world, id, |sim| &mut sim.dhcp.faults)
        }
        (_, ["sim", "settings"]) => settings(world, method, body),
        (_, ["sim", "delays"]) => delays(world, method, body),
        _ => Err(unknown(method, uri.path())),
    }
}

fn unknown(method: &Method, path: &str) -> Refusal {
    let sentence = format!("there is no {method} {path}");
    Refusal(StatusCode::NOT_FOUND, sentence)
}

fn settings(world: &World, method: &Method, body: &str) -> Result<Value, Refusal> {
    match *method {
        Method::GET => {}
        Method::POST => {
            let settings: Settings = serde_json::from_str(body)?;
            world.with(|sim| sim.vpc.settings = settings);
        }
        _ => return Err(unknown(method, "/sim/settings")),
    }
    Ok(world.look(|sim| json!(sim.vpc.settings)))
}

fn delays(world: &World, method: &Method, body: &str) -> Result<Value, Refusal> {
    let mut all = world.look(|sim| json!(sim.vpc.delays));
    match *method {
        Method::GET => {}
        Method::POST => {
            let named: Map<String, Value> = serde_json::from_str(body)?;
            all.as_object_mut()
                .into_iter()
                .for_each(|all| all.extend(named.clone()));
            let delays: Delays = serde_json::from_value(all.clone())?;
            world.with(|sim| sim.vpc.delays = delays);
        }
        _ => return Err(unknown(method, "/sim/delays")),
    }
    Ok(all)
}

/// The calls from the index `since` on, of one `action`.
fn calls(world: &World, query: &str) -> Result<Value, Refusal> {
    let bad = |why: String| Refusal(StatusCode::BAD_REQUEST, why);
    let (mut since, mut action) = (0, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "since" => {
                let index = value.parse();
                since = index.map_err(|_| bad(format!("{value:?} is no index of a call")))?;
            }
            "action" => {
                let unknown = || bad(format!("the simulator has no action {value:?}"));
                action = Some(Action::named(&value).ok_or_else(unknown)?);
            }
            other => return Err(no_parameter(other)),
        }
    }
    Ok(world.look(|sim| {
        let wanted = |call: &&Call| action.is_none_or(|action| call.action == action.name());
        json!(
            sim.calls
                .iter()
                .skip(since)
                .filter(wanted)
                .collect::<Vec<_>>()
        )
    }))
}

/// A sentence for each thing that should not be; an empty list is a clean world. With `tag:<key>=<value>` only for the ENIs
/// that have all of these tags, whatever else there is.
async fn audit(world: &World, query: &str) -> Result<Value, Refusal> {
    let tags = audited_tags(query)?;
    let leak = |eni: &Eni| {
        let (status, tags) = (eni.status(), &eni.tags);
        format!("{} exists ({status}, tags {tags:?})", eni.id)
    };
    if !tags.is_empty() {
        let has = |eni: &&Eni| {
            tags.iter()
                .all(|(key, value)| eni.tags.get(key) == Some(value))
        };
        let leaks = |sim: &Sim| sim.vpc.leaks().filter(has).map(leak).collect::<Vec<_>>();
        return Ok(json!(world.look(leaks)));
    }
    let (wanted, seen) = world.wires().await?;
    let mut found: Vec<String> = world.look(|sim| {
        let broken = sim.vpc.violations();
        let broken = broken.iter().map(ToString::to_string);
        let leaks = sim.vpc.leaks().map(leak);
        let unspent = sim.faults.unspent().chain(sim.dhcp.faults.unspent());
        leaks.chain(broken).chain(unspent).collect()
    });
    let extra = seen.iter().filter(|vpc_end| !wanted.contains_key(*vpc_end));
    found.extend(extra.map(|vpc_end| format!("link {vpc_end} has no ENI")));
    let missing = wanted.keys().filter(|vpc_end| !seen.contains(*vpc_end));
    found.extend(missing.map(|vpc_end| format!("link {vpc_end} is missing")));
    Ok(json!(found))
}

fn audited_tags(query: &str) -> Result<BTreeMap<String, String>, Refusal> {
    let tag = |(name, value): (Cow<str>, Cow<str>)| match name.strip_prefix("tag:") {
        Some(key) => Ok((key.to_owned(), value.into_owned())),
        None => Err(no_parameter(&name)),
    };
    form_urlencoded::parse(query.as_bytes()).map(tag).collect()
}

fn no_parameter(name: &str) -> Refusal {
    Refusal(
        StatusCode::BAD_REQUEST,
        format!("there is no parameter {name}"),
    )
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

/// An interface as the log of calls and the snapshot show it.
pub(crate) fn eni(eni: &Eni) -> Value {
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
        "addresses": {
            "secondary": eni.others.ipv4,
            "ipv6": eni.others.ipv6,
            "ipv4Prefixes": eni.others.ipv4_prefixes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "ipv6Prefixes": eni.others.ipv6_prefixes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
        "subnet": eni.subnet.as_str(),
        "status": eni.status(),
        "groups": eni.groups.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "tags": eni.tags,
        "sourceDestCheck": eni.source_dest_check,
        "connectionTracking": eni.connection_tracking,
        "attachment": attachment,
    })
}
