//! The executor and the API server it writes to; every effect is judged before it happens.

use operator_core::{
    Change, Effect, Fact, Order, Outcome,
    bind::tag,
    claim::{Claim, DeviceState, Owner, Status},
    cluster::NodeReport,
    id::{ClaimUid, Key, Version},
    report::Report,
};

use super::{ec2, world::World};

impl World {
    pub fn outcome(&mut self, order: Order) -> Option<Outcome> {
        Some(match order {
            Order::Tell(tell) => {
                self.told.push(tell.note);
                return None;
            }
            Order::CreateClaim(new) => {
                if self.claims.contains_key(&new.claim) {
                    return Some(Outcome::Failed);
                }
                let uid = format!("{}-{}", new.claim.name, self.version);
                self.write(Claim {
                    key: new.claim,
                    uid: uid.as_str().into(),
                    version: "0".into(),
                    deleting: false,
                    finalizer: true,
                    class: new.class,
                    owner: Owner {
                        name: new.pod,
                        uid: new.uid,
                    },
                    status: Status::default(),
                    device: None,
                })
            }
            Order::WriteClaim(write) => match self.claims.get(&write.claim).cloned() {
                None => Outcome::ClaimGone,
                Some(claim) if claim.version != write.version || claim.uid != write.uid => {
                    Outcome::Failed
                }
                Some(claim) => {
                    let before = claim.status.attachment.as_ref();
                    assert!(
                        before.is_none_or(|a| !a.release
                            || write.status.attachment.as_ref().is_some_and(|b| b.release)),
                        "a release was taken back"
                    );
                    self.write(Claim {
                        status: *write.status,
                        ..claim
                    })
                }
            },
            Order::Effect {
                claim,
                uid,
                version,
                effect,
            } => self.effect(&claim, &uid, &version, &effect),
            Order::CreateReport { node, .. } => {
                let report = NodeReport {
                    name: node.clone(),
                    agent_boot: Some("boot-1".into()),
                    report: Report::default(),
                };
                self.reports.insert(node, report.clone());
                Outcome::Report(Box::new(report))
            }
            Order::WriteReport { node, report } => {
                let held = self.reports.get_mut(&node).unwrap();
                held.report = *report;
                Outcome::Report(Box::new(held.clone()))
            }
            Order::PatchNode { node, patch } => {
                let held = self.nodes.get_mut(&node).unwrap();
                if let Some(count) = patch.publish {
                    held.published = (Some(count), Some(count));
                }
                for (class, set) in patch.labels {
                    if set {
                        held.classes.insert(class)
                    } else {
                        held.classes.remove(&class)
                    };
                }
                let node = Box::new(held.clone());
                self.stream
                    .push_back(Fact::Nodes(Change::Set(node.clone())));
                Outcome::Node(node)
            }
            Order::Ask(question) => {
                let now = self.millis();
                ec2::answer(&mut self.vpc, &question, now)
            }
        })
    }

    fn effect(&mut self, key: &Key, uid: &ClaimUid, version: &Version, effect: &Effect) -> Outcome {
        let held = self.claims.get(key).cloned();
        match effect {
            Effect::AddFinalizer | Effect::RemoveFinalizer | Effect::DeleteClaim => match held {
                None => Outcome::ClaimGone,
                Some(claim)
                    if claim.uid != *uid
                        || (*effect != Effect::DeleteClaim && claim.version != *version) =>
                {
                    Outcome::Failed
                }
                Some(claim) if *effect == Effect::RemoveFinalizer => {
                    let ours = |e: &&vpc::Eni| {
                        e.tags
                            .get(tag::CLAIM_UID)
                            .is_some_and(|u| u == claim.uid.as_str())
                    };
                    assert_eq!(
                        self.vpc.enis().find(ours),
                        None,
                        "the claim let go of a living ENI"
                    );
                    self.claims.remove(key);
                    self.stream
                        .push_back(Fact::Claims(Change::Gone((key.clone(), uid.clone()))));
                    Outcome::Claim(Box::new(Claim {
                        finalizer: false,
                        ..claim
                    }))
                }
                Some(claim) if *effect == Effect::DeleteClaim => self.write(Claim {
                    deleting: true,
                    ..claim
                }),
                Some(claim) => self.write(Claim {
                    finalizer: true,
                    ..claim
                }),
            },
            Effect::Create(_)
            | Effect::Attach { .. }
            | Effect::SetDeleteOnTermination { .. }
            | Effect::Detach { .. }
            | Effect::Delete { .. } => {
                self.judge(held.as_ref(), effect);
                *self.effects.entry(uid.clone()).or_default() += 1;
                let now = self.millis();
                let outcome = ec2::effect(&mut self.vpc, effect, now);
                let living = self
                    .vpc
                    .enis()
                    .filter(|e| {
                        e.tags
                            .get(tag::CLAIM_UID)
                            .is_some_and(|u| u == uid.as_str())
                    })
                    .count();
                assert!(living <= 1, "{living} ENIs for one claim");
                assert_eq!(self.vpc.violations(), []);
                outcome
            }
        }
    }

    /// The invariants that every effect must keep.
    fn judge(&self, claim: Option<&Claim>, effect: &Effect) {
        // A late order of an operator that is gone finds its claim gone, or further on; ids make it harmless.
        let Some(claim) = claim else { return };
        let status = &claim.status;
        match effect {
            Effect::Create(creation) => assert_eq!(
                status.creation.as_ref(),
                Some(&**creation),
                "a Create without its intent"
            ),
            Effect::Attach { instance, slot, .. } => {
                assert_eq!(
                    status.binding.as_ref().map(|b| &b.instance),
                    Some(instance),
                    "attached to another instance"
                );
                assert_eq!(
                    status.attachment.as_ref().map(|a| a.slot),
                    Some(*slot),
                    "an Attach without its intent"
                );
                let others = self
                    .claims
                    .values()
                    .filter(|c| c.key != claim.key)
                    .filter_map(|c| c.status.attachment.as_ref());
                assert!(
                    others
                        .clone()
                        .all(|a| a.instance != *instance || a.slot != *slot),
                    "one slot given twice"
                );
            }
            Effect::Detach { attachment, .. } => {
                let device = claim.device.as_ref();
                let released = device.is_some_and(|d| {
                    d.attachment == *attachment && d.state == DeviceState::Released
                });
                assert!(released, "pulled from {claim:?}");
            }
            Effect::SetDeleteOnTermination { .. }
            | Effect::Delete { .. }
            | Effect::AddFinalizer
            | Effect::DeleteClaim
            | Effect::RemoveFinalizer => {}
        }
    }

    pub fn write(&mut self, claim: Claim) -> Outcome {
        self.version += 1;
        let claim = Claim {
            version: self.version.to_string().as_str().into(),
            ..claim
        };
        self.claims.insert(claim.key.clone(), claim.clone());
        self.stream
            .push_back(Fact::Claims(Change::Set(Box::new(claim.clone()))));
        Outcome::Claim(Box::new(claim))
    }
}
