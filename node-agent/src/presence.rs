//! What the agent says of itself and of the plugin on its node's EniNode.

use std::time::Duration;

use crds::{
    AGENT, Condition, EniNode, Time,
    node::{Agent, NodeAccess},
};
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use serde::Deserialize;
use serde_json::{Value, json};
use telemetry::Failure;
use tokio::{
    sync::{mpsc, watch::Receiver},
    time::sleep,
};

use crate::{
    engine::Input,
    install::{PLUGIN_INSTALLED, State},
};

/// After each attempt to say it, successful or not: whatever happens to the EniNode, it is not written more often.
const PAUSE: Duration = Duration::from_secs(2);

/// Says that this agent works on this boot, whether the plugin is installed, and who has addresses on bridges of the node; says it
/// again whenever that changes, and when the EniNode was made anew or says otherwise. Tells the engine which instance the node is.
pub async fn keep(
    client: Client,
    node: String,
    agent: Agent,
    mut installed: Receiver<Option<State>>,
    mut access: Receiver<Vec<NodeAccess>>,
    inputs: mpsc::Sender<Input>,
) {
    let resource = ApiResource::erase::<EniNode>(&());
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    // The operator makes the EniNode and may be newer than we are: only our part of it has to be understood.
    let config = watcher::Config::default().fields(&format!("metadata.name={node}"));
    let changes = watcher(api.clone(), config).default_backoff();
    let mut changes = std::pin::pin!(changes);
    // As it was last seen; none when it is not there.
    let mut seen: Option<DynamicObject> = None;
    let mut known = None;
    let mut refused = false;
    loop {
        let mut change = tokio::select! {
            change = changes.next() => change,
            news = installed.changed() => match news {
                Ok(()) => changes.next().now_or_never().unwrap_or(Some(Ok(Event::InitDone))),
                Err(_) => return,
            },
            news = access.changed() => match news {
                Ok(()) => changes.next().now_or_never().unwrap_or(Some(Ok(Event::InitDone))),
                Err(_) => return,
            },
            () = sleep(PAUSE), if refused => changes.next().now_or_never().unwrap_or(Some(Ok(Event::InitDone))),
        };
        // The latest counts: those before it were written before our own last word.
        loop {
            match change {
                Some(Ok(Event::Apply(object) | Event::InitApply(object))) => seen = Some(object),
                Some(Ok(Event::Delete(_) | Event::Init)) => seen = None,
                Some(Ok(Event::InitDone)) => {}
                Some(Err(error)) => {
                    let Failure { error, code } = Failure::from(&error);
                    tracing::warn!(node, error, code, "the watch of the EniNode is tried again");
                }
                None => return,
            }
            match changes.next().now_or_never() {
                Some(next) => change = next,
                None => break,
            }
        }
        let instance = seen.as_ref().and_then(instance);
        if let Some(instance) = instance.filter(|id| known.as_ref() != Some(id)) {
            known = Some(instance.clone());
            if inputs.send(Input::Instance(instance)).await.is_err() {
                return;
            }
        }
        let state = installed.borrow_and_update().clone();
        let access = access.borrow_and_update().clone();
        let is_due = |object: &&DynamicObject| {
            !says(object, &agent, state.as_ref()) || node_access(object) != access
        };
        if let Some(object) = seen.as_ref().filter(is_due) {
            let condition = condition(object, state.as_ref());
            let patch = patch(&node, &agent, condition.as_ref(), &access);
            refused = !announce(&api, &node, &patch).await;
        }
    }
}

/// The instance that the operator found behind the node's providerID. One that was known stays known: an EniNode that is made
/// anew has none for a moment.
fn instance(node: &DynamicObject) -> Option<String> {
    let id = node.data.pointer("/status/instance/id")?;
    id.as_str().map(str::to_owned)
}

/// Whether the EniNode says this of its agent, and of the plugin.
pub fn says(node: &DynamicObject, agent: &Agent, installed: Option<&State>) -> bool {
    let said = node.data.pointer("/status/agent").map(Agent::deserialize);
    let said = said.is_some_and(|said| said.is_ok_and(|said| said == *agent));
    let before = plugin_installed(node);
    said && match (before, installed) {
        (Some(before), Some(state)) => {
            let due = state.condition(before.last_transition_time);
            (due.status, due.reason, due.message) == (before.status, before.reason, before.message)
        }
        // This agent does not know yet; what an agent before it said stays.
        (_, None) => true,
        (None, Some(_)) => false,
    }
}

/// What is applied to the EniNode's status.
pub fn patch(
    node: &str,
    agent: &Agent,
    condition: Option<&Condition>,
    access: &[NodeAccess],
) -> Value {
    let mut status = json!({ "agent": agent });
    if let (Some(condition), Some(status)) = (condition, status.as_object_mut()) {
        status.insert("conditions".to_owned(), json!([condition]));
    }
    if let (false, Some(status)) = (access.is_empty(), status.as_object_mut()) {
        status.insert("nodeAccess".to_owned(), json!(access));
    }
    json!({
        "apiVersion": EniNode::api_version(&()),
        "kind": "EniNode",
        "metadata": { "name": node },
        "status": status,
    })
}

/// Who the EniNode says has addresses; what cannot be read is said anew.
fn node_access(node: &DynamicObject) -> Vec<NodeAccess> {
    let said = node.data.pointer("/status/nodeAccess");
    let said = said.map(Vec::<NodeAccess>::deserialize);
    said.and_then(Result::ok).unwrap_or_default()
}

/// The condition that is due. While nothing is known that of an agent before stays: what is left out of an apply is removed.
fn condition(node: &DynamicObject, installed: Option<&State>) -> Option<Condition> {
    let before = plugin_installed(node);
    let Some(state) = installed else {
        return before;
    };
    let now = Time(Timestamp::now().as_millisecond());
    Some(state.condition(now).since(before.as_slice(), now))
}

fn plugin_installed(node: &DynamicObject) -> Option<Condition> {
    let conditions = node.data.pointer("/status/conditions")?.as_array()?;
    let ours = conditions.iter().find(|condition| {
        condition
            .get("type")
            .is_some_and(|kind| kind == PLUGIN_INSTALLED)
    })?;
    Condition::deserialize(ours).ok()
}

/// One attempt; `false`: it has to be made again. Meanwhile the watch goes on, and with it what the engine has to know.
async fn announce(api: &Api<DynamicObject>, node: &str, patch: &Value) -> bool {
    let parameters = PatchParams::apply(AGENT).force();
    // Applying the same again changes nothing.
    let outcome = api
        .patch_status(node, &parameters, &Patch::Apply(patch))
        .await;
    match outcome {
        Ok(_) => tracing::info!(node, "the agent is announced on its EniNode"),
        Err(kube::Error::Api(status)) if status.code == 404 => {
            tracing::info!(node, "the EniNode is gone");
        }
        Err(error) => {
            let Failure { error, code } = Failure::from(&error);
            tracing::warn!(node, error, code, "the announcement is tried again");
            return false;
        }
    }
    sleep(PAUSE).await;
    true
}
