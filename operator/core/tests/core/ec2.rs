//! EC2's rules as the core's executor would meet them.

use std::collections::BTreeMap;

use operator_core::{
    Effect, Outcome, Question,
    bind::tag,
    claim::Slot,
    cloud::{
        AttachedEni, AttachmentState, AttachmentView, EniView, Instance, InstanceState, Refusal,
        Subnet, TypeFacts,
    },
    kind::{classify, code},
};
use vpc::{Attach, Change, Create, Ec2Error, Eni, Filter, Query, Request, Response, Vpc};

pub fn effect(vpc: &mut Vpc, effect: &Effect, now: u64) -> Outcome {
    let request = match effect {
        Effect::Create(creation) => Request::CreateNetworkInterface(Create {
            subnet: creation.request.subnet.as_str().into(),
            address: None,
            groups: creation
                .request
                .groups
                .iter()
                .map(|g| g.as_str().into())
                .collect(),
            description: creation.request.description.clone(),
            tags: creation.request.tags.clone(),
            client_token: Some(creation.token.clone()),
        }),
        Effect::Attach {
            eni,
            instance,
            slot,
        } => Request::AttachNetworkInterface(Attach {
            eni: eni.as_str().into(),
            instance: instance.as_str().into(),
            card: slot.card,
            device: slot.index,
        }),
        Effect::SetDeleteOnTermination { eni, attachment } => {
            Request::ModifyNetworkInterfaceAttribute(
                eni.as_str().into(),
                Change::DeleteOnTermination {
                    attachment: attachment.as_str().into(),
                    value: true,
                },
            )
        }
        Effect::Detach { attachment, .. } => {
            Request::DetachNetworkInterface(attachment.as_str().into())
        }
        Effect::Delete { eni } => Request::DeleteNetworkInterface(eni.as_str().into()),
        Effect::AddFinalizer | Effect::DeleteClaim | Effect::RemoveFinalizer => {
            panic!("not a call of EC2")
        }
    };
    match (vpc.call(request, now), effect) {
        (Err(error), _) => Outcome::Refused(Box::new(refusal(&error))),
        (Ok(Response::Created(eni)), _) => Outcome::Created(Box::new(view(&eni))),
        (Ok(Response::Attached { attachment, .. }), _) => {
            Outcome::Attached(attachment.as_str().into())
        }
        (Ok(_), Effect::SetDeleteOnTermination { .. }) => Outcome::Modified,
        (Ok(_), Effect::Detach { .. }) => Outcome::Detached,
        (Ok(_), _) => Outcome::Deleted,
    }
}

pub fn answer(vpc: &mut Vpc, question: &Question, now: u64) -> Outcome {
    let by = |name: &str, values: Vec<String>| Query {
        filters: vec![Filter {
            name: name.into(),
            values,
        }],
        ..Query::default()
    };
    let strings = |ids: Vec<&str>| ids.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let request = match question {
        Question::OurEnis { cluster, .. } => Request::DescribeNetworkInterfaces(by(
            &format!("tag:{}", tag::CLUSTER),
            vec![cluster.to_string()],
        )),
        Question::Enis { ids, .. } => Request::DescribeNetworkInterfaces(by(
            "network-interface-id",
            strings(ids.iter().map(operator_core::id::EniId::as_str).collect()),
        )),
        Question::Instances(ids) => Request::DescribeInstances(by(
            "instance-id",
            strings(
                ids.iter()
                    .map(operator_core::id::InstanceId::as_str)
                    .collect(),
            ),
        )),
        Question::Types(ids) => Request::DescribeInstanceTypes(strings(
            ids.iter()
                .map(operator_core::id::InstanceType::as_str)
                .collect(),
        )),
        Question::Subnets(ids) => Request::DescribeSubnets(by(
            "subnet-id",
            strings(
                ids.iter()
                    .map(operator_core::id::SubnetId::as_str)
                    .collect(),
            ),
        )),
    };
    match (vpc.call(request, now).unwrap(), question) {
        (Response::Enis(found, _), _) => Outcome::Enis {
            question: Box::new(question.clone()),
            found: found.iter().map(view).collect(),
        },
        (Response::Instances(found, _), Question::Instances(asked)) => Outcome::Instances {
            asked: asked.clone(),
            found: found.iter().map(instance).collect(),
        },
        (Response::InstanceTypes(found), Question::Types(asked)) => {
            let facts = |kind: &vpc::InstanceType| TypeFacts {
                cards: (0..).zip(kind.cards.iter().copied()).collect(),
            };
            let found: BTreeMap<_, _> = found
                .into_iter()
                .map(|kind| (kind.name.into(), facts(kind)))
                .collect();
            Outcome::Types {
                asked: asked.clone(),
                found,
            }
        }
        (Response::Subnets(found, _), Question::Subnets(asked)) => Outcome::Subnets {
            asked: asked.clone(),
            found: found.iter().map(|s| subnet(&s.subnet)).collect(),
        },
        (other, _) => panic!("{other:?} answers no such question"),
    }
}

pub fn lost() -> Outcome {
    Outcome::Refused(Box::new(Refusal {
        kind: classify(code::TIMEOUT, ""),
        code: code::TIMEOUT.into(),
        message: "lost".into(),
        request_id: None,
    }))
}

fn refusal(error: &Ec2Error) -> Refusal {
    let message = error.to_string();
    Refusal {
        kind: classify(error.code(), &message),
        code: error.code().into(),
        message,
        request_id: Some("r".into()),
    }
}

fn view(eni: &Eni) -> EniView {
    EniView {
        id: eni.id.as_str().into(),
        mac: eni.mac.to_string().into(),
        subnet: eni.subnet.as_str().into(),
        vpc: eni.vpc.as_str().into(),
        zone: eni.zone.as_str().into(),
        groups: eni.groups.iter().map(|g| g.as_str().into()).collect(),
        address: eni.address,
        available: matches!(eni.state, vpc::EniState::Available),
        attachment: eni.attachment().map(|a| AttachmentView {
            id: a.id.as_str().into(),
            instance: a.instance.as_str().into(),
            slot: Slot {
                card: a.card,
                index: a.device,
            },
            state: match a.state {
                vpc::AttachmentState::Attaching { .. } => AttachmentState::Attaching,
                vpc::AttachmentState::Attached => AttachmentState::Attached,
                vpc::AttachmentState::Detaching { .. } => AttachmentState::Detaching,
            },
            delete_on_termination: a.delete_on_termination,
        }),
        claim: eni.tags.get(tag::CLAIM_UID).map(|uid| uid.as_str().into()),
    }
}

fn instance(seen: &vpc::InstanceView) -> Instance {
    Instance {
        id: seen.instance.id.as_str().into(),
        kind: seen.instance.kind.name.into(),
        zone: "us-east-1a".into(),
        vpc: vpc::world::VPC.into(),
        state: match seen.instance.state {
            vpc::InstanceState::Pending { .. }
            | vpc::InstanceState::Running
            | vpc::InstanceState::Stopping { .. } => InstanceState::Alive,
            vpc::InstanceState::Stopped => InstanceState::Stopped,
            vpc::InstanceState::ShuttingDown { .. } | vpc::InstanceState::Terminated { .. } => {
                InstanceState::Dead
            }
        },
        attached: seen
            .enis
            .iter()
            .filter_map(|eni| {
                let at = eni.attachment()?;
                let slot = Slot {
                    card: at.card,
                    index: at.device,
                };
                Some(AttachedEni {
                    slot,
                    eni: eni.id.as_str().into(),
                    mac: eni.mac.to_string().into(),
                })
            })
            .collect(),
    }
}

fn subnet(subnet: &vpc::Subnet) -> Subnet {
    let gateway = u32::from(subnet.cidr.gateway());
    Subnet {
        id: subnet.id.as_str().into(),
        zone: subnet.zone.as_str().into(),
        vpc: subnet.vpc.as_str().into(),
        base: (gateway - 1).into(),
        prefix: subnet.cidr.prefix(),
    }
}
