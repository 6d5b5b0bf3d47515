//! The agents of the nodes: each brings the devices of its claims where they belong, and says so.

use kube_api::{
    Id, Method, Request,
    json::{at, text},
};
use serde_json::{Value, json};
use vpc::AttachmentState;

use super::{
    actors::{Agent, BOOT},
    static_pods::{is_mirror, runtime_uid},
    users::SYSTEM,
    world::State,
};

impl State {
    /// Each agent brings the devices of its claims where they belong, and says so.
    pub(super) fn run_agents(&mut self) {
        let nodes: Vec<String> = self
            .all("nodes")
            .map(|n| text(n, "metadata.name").to_owned())
            .collect();
        for node in nodes {
            let Agent { away, delay } = self.actors.agents.get(&node).copied().unwrap_or_default();
            if away || !self.is_alive(&node) {
                continue;
            }
            self.report(&node);
            let mine = |claim: &&Value| text(claim, "status.nodeName") == node;
            let claims: Vec<Value> = self.all("eniclaims").filter(mine).cloned().collect();
            for claim in claims {
                let Some(next) = self.next_of(&claim, &node) else {
                    continue;
                };
                let (uid, id) = (
                    text(&claim, "metadata.uid"),
                    text(&claim, "status.attachment.id"),
                );
                if self.is_over(&format!("{next} {uid} {id}"), delay) {
                    self.say(&claim, next);
                }
            }
        }
    }

    /// What an agent does next about a claim.
    fn next_of(&self, claim: &Value, node: &str) -> Option<&'static str> {
        let attachment = at(claim, "status.attachment");
        let id = text(attachment, "id");
        if id.is_empty() || self.instance(node)?.as_str() != text(attachment, "instanceId") {
            return None;
        }
        let eni = self.vpc.eni(&text(claim, "status.eni.id").into());
        let there = eni
            .and_then(vpc::Eni::attachment)
            .is_some_and(|a| a.id.as_str() == id && a.state == AttachmentState::Attached);
        let device = at(claim, "status.device");
        let said = if text(device, "attachmentId") == id {
            text(device, "state")
        } else {
            ""
        };
        let in_pod = self.actors.devices.contains_key(id);
        let wants = self.all("pods").any(|pod| {
            let is_ending = !at(pod, "metadata.deletionTimestamp").is_null() && !is_mirror(pod);
            runtime_uid(pod) == text(claim, "status.binding.podUid")
                && text(pod, "spec.nodeName") == node
                && !is_ending
        });
        if wants_release(attachment) {
            return (!in_pod && said != "Released").then_some("Released");
        }
        match said {
            "" if there => Some("Seen"),
            "Seen" | "Home" if there && wants => Some("Plugged"),
            "Plugged" if !in_pod => Some("Home"),
            _ => None,
        }
    }

    fn say(&mut self, claim: &Value, next: &str) {
        let attachment = text(claim, "status.attachment.id").to_owned();
        let pod = text(claim, "status.binding.podUid").to_owned();
        let device = json!({ "attachmentId": attachment, "state": next, "podUid": pod, "since": self.stamp() });
        let plugged = json!({
            "type": "Plugged", "status": if next == "Plugged" { "True" } else { "False" },
            "reason": next, "message": "", "lastTransitionTime": self.stamp(),
        });
        let path = self.path_of("eniclaims", "shop", text(claim, "metadata.name"));
        let status = json!({ "device": device, "conditions": [plugged] });
        if !self.apply_status("EniClaim", &path, &status) {
            return;
        }
        match next {
            "Plugged" => {
                self.actors.devices.insert(attachment, pod);
            }
            "Released" => {
                self.judge.released.insert(attachment);
            }
            _ => {}
        }
    }

    /// The agent says to its EniNode who it is.
    fn report(&mut self, node: &str) {
        let id = Id::new("eninodes.eniclaim.io", "", node);
        let Some(held) = self.api.get(&id) else {
            return;
        };
        let agent = Id::new("pods", SYSTEM, &format!("agent-{node}"));
        let pod = self
            .api
            .get(&agent)
            .map(|pod| text(pod, "metadata.uid").to_owned());
        let pod = pod.unwrap_or_default();
        if text(held, "status.agent.podUid") == pod {
            return;
        }
        let agent = json!({ "agent": { "version": "test", "bootId": BOOT, "podUid": pod } });
        let path = self.path_of("eninodes", "", node);
        self.apply_status("EniNode", &path, &agent);
    }

    fn apply_status(&mut self, kind: &str, path: &str, status: &Value) -> bool {
        let body = json!({ "apiVersion": "eniclaim.io/v1alpha1", "kind": kind, "status": status });
        let request = Request::new(Method::Patch, &format!("{path}/status"), body)
            .with_query(&format!("fieldManager={}&force=true", crds::AGENT))
            .with_content_type("application/apply-patch+yaml");
        let answer = self.request(&request);
        assert!(
            answer.is_success() || answer.status == 404,
            "the agent: {answer:?}"
        );
        answer.is_success()
    }
}

/// Whether the operator asks for the device, in whichever way the schema spells it.
pub fn wants_release(attachment: &Value) -> bool {
    let release = at(attachment, "release");
    release == true || release == "Requested"
}
