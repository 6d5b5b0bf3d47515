//! The operator's invariants, judged at every call that changes EC2 and at every change of a claim.

use std::collections::{BTreeMap, BTreeSet};

use kube_api::json::{at, list, text};
use serde_json::Value;
use vpc::{AttachmentId, Eni, EniId, InstanceState, Vpc};
use vpc_sim::protocol::Form;

use super::{agents::wants_release, world::State};

/// How long after a restore the objects may lack what the operator had written to them before.
const RESTORE: u64 = 120_000;

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Judge {
    /// The first invariant that was broken.
    pub verdict: Option<String>,
    /// Attachments that their agent said to have released.
    pub released: BTreeSet<String>,
    /// When objects last went back to a backup.
    pub restored: Option<u64>,
    /// Claims that were there at the last look, by UID, with how often each name was said.
    claims: BTreeMap<String, Value>,
    /// The version of the API server at the last look.
    looked: u64,
}

impl State {
    fn broken(&mut self, invariant: &str, what: &str) {
        let verdict = format!("{invariant}: {what}");
        self.note(&verdict, "");
        self.judge.verdict.get_or_insert(verdict);
    }

    /// Objects just went back, so that an intent of before may be lost.
    fn was_restored_since(&self, asked: u64) -> bool {
        self.judge.restored.is_some_and(|at| asked < at + RESTORE)
    }

    fn claim_of(&self, eni: &Eni) -> Option<Value> {
        let uid = eni.tags.get(crds::tag::CLAIM_UID)?;
        let mut claims = self.all("eniclaims");
        claims
            .find(|claim| text(claim, "metadata.uid") == uid)
            .cloned()
    }

    /// Judges a call that EC2 has just granted; `before` is EC2 as it was.
    pub fn judge_call(&mut self, before: &Vpc, form: &str, asked: u64) {
        let form = Form::parse(form);
        let get = |name: &str| form.get(name).unwrap_or_default().to_owned();
        match get("Action").as_str() {
            "CreateNetworkInterface" => self.judge_create(before, &get("ClientToken"), asked),
            "AttachNetworkInterface" => {
                let eni = get("NetworkInterfaceId").as_str().into();
                self.judge_ours(before, &eni);
                self.judge_attach(&eni, asked);
            }
            "DetachNetworkInterface" => {
                let id = AttachmentId::from(get("AttachmentId"));
                let eni = before
                    .enis()
                    .find(|e| e.attachment().is_some_and(|a| a.id == id));
                if let Some(eni) = eni {
                    self.judge_ours(before, &eni.id);
                    self.judge_detach(before, eni);
                }
            }
            "DeleteNetworkInterface" => {
                let eni = get("NetworkInterfaceId").as_str().into();
                self.judge_ours(before, &eni);
                if let Some(eni) = before.eni(&eni) {
                    self.judge_delete(eni, asked);
                }
            }
            "ModifyNetworkInterfaceAttribute" => {
                let eni = get("NetworkInterfaceId").as_str().into();
                self.judge_ours(before, &eni);
                let groups: BTreeSet<&str> = (form.iter())
                    .filter(|(name, _)| name.starts_with("SecurityGroupId."))
                    .map(|(_, id)| id)
                    .collect();
                if !groups.is_empty() {
                    self.judge_groups(&eni, &groups, asked);
                }
            }
            "CreateTags" | "DeleteTags" => {
                self.judge_ours(before, &get("ResourceId.1").as_str().into());
            }
            _ => {}
        }
    }

    /// one-eni, and intent before effect.
    fn judge_create(&mut self, before: &Vpc, token: &str, asked: u64) {
        let new: Vec<Eni> = self
            .vpc
            .enis()
            .filter(|eni| before.eni(&eni.id).is_none())
            .cloned()
            .collect();
        for eni in new {
            let uid = eni
                .tags
                .get(crds::tag::CLAIM_UID)
                .cloned()
                .unwrap_or_default();
            let of_uid = |e: &&Eni| e.tags.get(crds::tag::CLAIM_UID) == Some(&uid);
            if self.vpc.enis().filter(of_uid).count() > 1 {
                self.broken(
                    "one-eni",
                    &format!("claim {uid} has a second interface, {}", eni.id),
                );
            }
            let cluster = self.cluster();
            if eni.tags.get(crds::tag::CLUSTER) != Some(&cluster) {
                self.broken(
                    "not-ours",
                    &format!("{} is made without the tag of our cluster", eni.id),
                );
            }
            if self.was_restored_since(asked) {
                continue;
            }
            match self.claim_of(&eni) {
                None => self.broken(
                    "no-leak",
                    &format!("{} is made for claim {uid}, which does not exist", eni.id),
                ),
                Some(claim) if text(&claim, "status.creation.token") != token => self.broken(
                    "no-leak",
                    &format!(
                        "{} is made by a request that its claim's status does not carry",
                        eni.id
                    ),
                ),
                Some(claim) if list(&claim, "metadata.finalizers").is_empty() => {
                    self.broken(
                        "no-leak",
                        &format!("{} is made for a claim without a finalizer", eni.id),
                    );
                }
                Some(_) => {}
            }
        }
    }

    /// right-node: to the instance and the slot that the claim says at this moment.
    fn judge_attach(&mut self, id: &EniId, asked: u64) {
        let Some(eni) = self.vpc.eni(id).cloned() else {
            return;
        };
        let Some(attachment) = eni.attachment() else {
            return;
        };
        let instance = attachment.instance.as_str();
        let Some(claim) = self.claim_of(&eni) else {
            return self.broken(
                "right-node",
                &format!("{id} is attached to {instance}, and no claim wants it"),
            );
        };
        let (bound, placed) = (
            text(&claim, "status.binding.instanceId"),
            at(&claim, "status.attachment"),
        );
        if self.was_restored_since(asked) && (bound.is_empty() || placed.is_null()) {
            return;
        }
        let slot = (
            at(placed, "networkCard").as_u64(),
            at(placed, "deviceIndex").as_u64(),
        );
        let got = (Some(attachment.card.into()), Some(attachment.device.into()));
        if bound != instance || text(placed, "instanceId") != instance {
            let what = format!(
                "{id} is attached to {instance}, its claim is bound to {bound:?} and placed at {placed}"
            );
            self.broken("right-node", &what);
        } else if slot != got {
            self.broken(
                "right-node",
                &format!("{id} is attached at {got:?}, its claim says {slot:?}"),
            );
        } else if wants_release(placed) {
            self.broken(
                "right-node",
                &format!("{id} is attached though its attachment is released"),
            );
        }
    }

    /// Intent before effect: only the groups that its claim says.
    fn judge_groups(&mut self, id: &EniId, groups: &BTreeSet<&str>, asked: u64) {
        let claim = self.vpc.eni(id).and_then(|eni| self.claim_of(eni));
        let wanted = claim
            .as_ref()
            .map(|claim| list(claim, "status.securityGroups.ids"));
        let wanted: BTreeSet<&str> = (wanted.into_iter().flatten())
            .filter_map(Value::as_str)
            .collect();
        if wanted != *groups && !self.was_restored_since(asked) {
            let what = format!("{id} gets {groups:?}, its claim says {wanted:?}");
            self.broken("intent", &what);
        }
    }

    /// no-pull: only what the agent released, or what is at a dead instance.
    fn judge_detach(&mut self, before: &Vpc, eni: &Eni) {
        let Some(attachment) = eni.attachment() else {
            return;
        };
        let (id, instance) = (attachment.id.as_str(), &attachment.instance);
        if before
            .instance(instance)
            .is_none_or(|i| i.state != InstanceState::Running)
        {
            return;
        }
        if self.actors.is_out_of_service(&self.api, instance.as_str()) {
            return;
        }
        if let Some(pod) = self.actors.devices.get(id).cloned() {
            self.broken(
                "no-pull",
                &format!(
                    "{} is detached from {instance} while pod {pod} has it",
                    eni.id
                ),
            );
        } else if !self.judge.released.contains(id) {
            self.broken(
                "no-pull",
                &format!(
                    "{} is detached from {instance}, and the agent did not release {id}",
                    eni.id
                ),
            );
        }
    }

    /// kept: never but by the claim's own deletion.
    fn judge_delete(&mut self, eni: &Eni, asked: u64) {
        if self.was_restored_since(asked) {
            return;
        }
        let Some(claim) = self.claim_of(eni) else {
            return;
        };
        let is_its = text(&claim, "status.eni.id") == eni.id.as_str();
        if is_its && at(&claim, "metadata.deletionTimestamp").is_null() {
            let name = text(&claim, "metadata.name").to_owned();
            self.broken(
                "kept",
                &format!("{} is deleted while its claim {name} stays", eni.id),
            );
        }
    }

    /// not-ours: only with the tag of our cluster.
    fn judge_ours(&mut self, before: &Vpc, id: &EniId) {
        let cluster = self.cluster();
        let tag = before.eni(id).map(|eni| eni.tags.get(crds::tag::CLUSTER));
        if tag.is_some_and(|tag| tag != Some(&cluster)) {
            self.broken("not-ours", &format!("{id} is changed and is not ours"));
        }
    }

    /// The UID of kube-system, by which the operator tags.
    fn cluster(&self) -> String {
        let mut namespaces = self.all("namespaces");
        let system = namespaces.find(|n| text(n, "metadata.name") == "kube-system");
        system
            .map(|n| text(n, "metadata.uid").to_owned())
            .unwrap_or_default()
    }

    /// one-owner and no-leak, after anything changed.
    pub fn judge_objects(&mut self) {
        let version = self.api.version();
        if std::mem::replace(&mut self.judge.looked, version) == version {
            return;
        }
        let claims: BTreeMap<String, Value> = self
            .all("eniclaims")
            .map(|claim| (text(claim, "metadata.uid").to_owned(), claim.clone()))
            .collect();
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        let mut broken = Vec::new();
        for (uid, claim) in &claims {
            let eni = text(claim, "status.eni.id");
            if !eni.is_empty()
                && let Some(other) = owners.insert(eni, uid)
            {
                broken.push((
                    "one-owner",
                    format!("claims {uid} and {other} both name {eni}"),
                ));
            }
        }
        let now = self.now();
        if !self.was_restored_since(now) {
            let gone = self
                .judge
                .claims
                .keys()
                .filter(|uid| !claims.contains_key(*uid));
            for uid in gone {
                let left = self
                    .vpc
                    .enis()
                    .find(|e| e.tags.get(crds::tag::CLAIM_UID) == Some(uid));
                if let Some(eni) = left {
                    broken.push((
                        "no-leak",
                        format!("claim {uid} is gone and {} is left", eni.id),
                    ));
                }
            }
        }
        for (invariant, what) in broken {
            self.broken(invariant, &what);
        }
        self.judge.claims = claims;
    }
}
