//! EC2's rules as an executor meets them, and what goes wrong on the way.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

use api::{
    SourceDestCheck,
    claim::{FrozenTags, RequestedCounts},
    class::Tags,
    id::Slot,
};
use operator_core::{
    Outcome, Read,
    ec2::{
        AttachedEni, AttachmentState, AttachmentView, EniTags, EniView, Group, Instance,
        InstanceState, Subnet, TypeFacts,
    },
    error::{Ec2Error, classify, code},
    fact::Found,
    order::{Action, DetachMode, Effect, Lookup},
};
use vpc::{Attach, Counts, Create, Detach, Eni, Filter, Query, Request, Response, Vpc};

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is carried out and answered.
    Fine,
    /// It is carried out, and its answer is lost.
    LoseReply,
    /// It never arrives.
    LoseCall,
    /// EC2 refuses it with this code, message and HTTP status.
    Refuse(&'static str, &'static str, u16),
    /// It is carried out so many milliseconds late, and its answer is lost.
    Late(i64),
    /// It is carried out, and answered so many milliseconds late.
    SlowReply(i64),
    /// A read of instances that shows none, as reads behind the truth may.
    ShowsNone,
}

/// What goes wrong, on purpose or at random.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// For the next call of that action, in this order.
    pub next: VecDeque<(Action, Verdict)>,
    /// For every call of that action.
    pub always: BTreeMap<Action, Verdict>,
    /// Percentages for mutating calls.
    pub lose_reply: u64,
    pub lose_call: u64,
    pub late: u64,
    pub unknown: u64,
    pub throttle: u64,
    pub deny: u64,
    /// Percentages for reads.
    pub lose_read: u64,
    pub slow_read: u64,
    /// Percentages for writes to Kubernetes.
    pub lose_write: u64,
    pub lose_written: u64,
    /// How far the watches are behind, at most.
    pub lag: i64,
}

impl Script {
    /// The next call of the action meets that.
    pub fn once(&mut self, action: Action, verdict: Verdict) {
        self.next.push_back((action, verdict));
    }

    pub fn planned(&mut self, action: Action) -> Option<Verdict> {
        if let Some(index) = self.next.iter().position(|(a, _)| *a == action) {
            return self.next.remove(index).map(|(_, verdict)| verdict);
        }
        self.always.get(&action).cloned()
    }
}

/// The call of EC2 that an effect is.
pub fn request(effect: &Effect) -> Request {
    match effect {
        Effect::Create(creation) => Request::CreateNetworkInterface(Create {
            subnet: creation.request.subnet_id.as_str().into(),
            address: None,
            counts: counts(creation.request.counts),
            groups: creation
                .request
                .security_group_ids
                .iter()
                .map(|g| g.as_str().into())
                .collect(),
            description: creation.request.description.to_string(),
            connection_tracking: tracking(creation.request.connection_tracking),
            tags: tags(&creation.request.tags),
            client_token: Some(creation.token.to_string()),
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
        Effect::SetSourceDestCheck { eni, check } => Request::ModifyNetworkInterfaceAttribute(
            eni.as_str().into(),
            vpc::Change::SourceDestCheck(check.is_enabled()),
        ),
        Effect::SetDeleteOnTermination { eni, attachment } => {
            Request::ModifyNetworkInterfaceAttribute(
                eni.as_str().into(),
                vpc::Change::DeleteOnTermination {
                    attachment: attachment.as_str().into(),
                    value: true,
                },
            )
        }
        Effect::SetSecurityGroups { eni, groups } => Request::ModifyNetworkInterfaceAttribute(
            eni.as_str().into(),
            vpc::Change::Groups(groups.iter().map(|g| g.as_str().into()).collect()),
        ),
        Effect::Detach {
            attachment, mode, ..
        } => Request::DetachNetworkInterface(Detach {
            attachment: attachment.as_str().into(),
            force: *mode == DetachMode::Force,
        }),
        Effect::Delete { eni } => Request::DeleteNetworkInterface(eni.as_str().into()),
    }
}

pub fn call(vpc: &mut Vpc, request: Request, now: u64) -> Outcome {
    match vpc.call(request, now) {
        Err(error) => failed(error.code(), &error.to_string(), error.status()),
        Ok(Response::Created(eni)) => Outcome::Created(Box::new(view(&eni))),
        Ok(Response::Attached { attachment, .. }) => {
            Outcome::Attached(attachment.as_str().parse().unwrap())
        }
        Ok(_) => Outcome::Changed,
    }
}

pub fn failed(code: &str, message: &str, status: u16) -> Outcome {
    Outcome::Failed(Box::new(Ec2Error {
        class: classify(code, message, status),
        code: code.to_owned(),
        message: message.to_owned(),
        request_id: Some("r".to_owned()),
    }))
}

pub fn lost() -> Outcome {
    failed(code::TIMEOUT, "no answer in 10 s", 0)
}

/// The answer to a read; a listing is answered by pages first.
pub fn read(vpc: &mut Vpc, read: &Read, now: u64) -> Result<Answer, Outcome> {
    let request = match read {
        Read::Listing(cluster) => enis("tag:eniclaim.io/cluster", vec![cluster.clone()]),
        Read::Enis(ids) => enis("network-interface-id", strings(ids)),
        Read::Tagged(ids) => enis("tag:eniclaim.io/claim-uid", strings(ids)),
        Read::Eni(id) => Request::DescribeNetworkInterfaces(Query {
            ids: vec![id.to_string()],
            ..Query::default()
        }),
        Read::Instances(ids) => Request::DescribeInstances(by("instance-id", strings(ids))),
        Read::Types(ids) => Request::DescribeInstanceTypes(Query {
            ids: strings(ids),
            ..Query::default()
        }),
        Read::Subnets(lookup) => {
            let call = |query| match vpc.call(Request::DescribeSubnets(query), now)? {
                Response::Subnets(found, _) => Ok(found.iter().map(subnet).collect()),
                other => panic!("{other:?}"),
            };
            return found(lookup, "subnet-id", call).map(|f| Answer::One(Outcome::Subnets(f)));
        }
        Read::Groups(lookup) => {
            let call = |query| match vpc.call(Request::DescribeSecurityGroups(query), now)? {
                Response::Groups(found, _) => Ok(found.iter().map(group).collect()),
                other => panic!("{other:?}"),
            };
            return found(lookup, "group-id", call).map(|f| Answer::One(Outcome::Groups(f)));
        }
        Read::Pod(_) => panic!("not a read of EC2"),
    };
    match vpc.call(request, now) {
        Err(error) => Err(failed(error.code(), &error.to_string(), error.status())),
        Ok(response) => Ok(answer(read, response)),
    }
}

pub enum Answer {
    Pages(Vec<Vec<EniView>>),
    One(Outcome),
}

fn answer(read: &Read, response: Response) -> Answer {
    Answer::One(match (read, response) {
        (Read::Listing(_), Response::Enis(found, _)) => {
            return Answer::Pages(
                found
                    .chunks(3)
                    .map(|p| p.iter().map(view).collect())
                    .collect(),
            );
        }
        (Read::Eni(_), Response::Enis(found, _)) => {
            Outcome::Eni(found.first().map(|eni| Box::new(view(eni))))
        }
        (_, Response::Enis(found, _)) => Outcome::Enis(found.iter().map(view).collect()),
        (_, Response::Instances(found, _)) => {
            Outcome::Instances(found.iter().map(instance).collect())
        }
        (_, Response::InstanceTypes(found, _)) => {
            let facts = |kind: &vpc::InstanceType| TypeFacts {
                cards: (0..).zip(kind.cards.iter().copied()).collect(),
            };
            Outcome::Types(
                found
                    .into_iter()
                    .map(|k| (k.name.into(), facts(k)))
                    .collect(),
            )
        }
        (read, other) => panic!("{other:?} answers no {read:?}"),
    })
}

/// One call for the ids, and one for each set of tags.
fn found<I: ToString, T>(
    lookup: &Lookup<I>,
    ids: &str,
    mut call: impl FnMut(Query) -> Result<Vec<T>, vpc::Ec2Error>,
) -> Result<Found<T>, Outcome> {
    let mut call = |query| {
        call(query).map_err(|error| failed(error.code(), &error.to_string(), error.status()))
    };
    let mut found = Found::by_id(Vec::new());
    if !lookup.ids.is_empty() {
        found.by_id = call(by(ids, strings(&lookup.ids)))?;
    }
    for tags in &lookup.tags {
        found.by_tags.push((tags.clone(), call(by_tags(tags))?));
    }
    Ok(found)
}

fn by_tags(tags: &Tags) -> Query {
    let filter = |(key, value): (&String, &String)| Filter {
        name: format!("tag:{key}"),
        values: vec![value.clone()],
    };
    Query {
        filters: tags.iter().map(filter).collect(),
        ..Query::default()
    }
}

fn enis(filter: &str, values: Vec<String>) -> Request {
    Request::DescribeNetworkInterfaces(by(filter, values))
}

fn by(name: &str, values: Vec<String>) -> Query {
    Query {
        filters: vec![Filter {
            name: name.into(),
            values,
        }],
        ..Query::default()
    }
}

fn strings<T: ToString>(ids: &[T]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

pub fn view(eni: &Eni) -> EniView {
    EniView {
        id: eni.id.as_str().parse().unwrap(),
        mac: eni.mac.to_string().parse().unwrap(),
        subnet: eni.subnet.as_str().parse().unwrap(),
        vpc: eni.vpc.as_str().parse().unwrap(),
        zone: eni.zone.as_str().into(),
        groups: eni
            .groups
            .iter()
            .map(|g| g.as_str().parse().unwrap())
            .collect(),
        addresses: eni
            .ipv4()
            .map(IpAddr::V4)
            .chain(eni.others.ipv6.iter().copied().map(IpAddr::V6))
            .collect(),
        prefixes: [
            strings(&eni.others.ipv4_prefixes),
            strings(&eni.others.ipv6_prefixes),
        ]
        .concat()
        .iter()
        .map(|prefix| prefix.parse().unwrap())
        .collect(),
        source_dest_check: SourceDestCheck::of(eni.source_dest_check),
        available: matches!(eni.state, vpc::EniState::Available),
        attachment: eni.attachment().map(|a| AttachmentView {
            id: a.id.as_str().parse().unwrap(),
            instance: a.instance.as_str().parse().unwrap(),
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
        tags: EniTags::of(&eni.tags),
    }
}

fn instance(seen: &vpc::InstanceView) -> Instance {
    let state = match seen.instance.state {
        vpc::InstanceState::Pending { .. }
        | vpc::InstanceState::Running
        | vpc::InstanceState::Stopping { .. } => InstanceState::Alive,
        vpc::InstanceState::Stopped => InstanceState::Stopped,
        vpc::InstanceState::ShuttingDown { .. } => InstanceState::ShuttingDown,
        vpc::InstanceState::Terminated { .. } => InstanceState::Terminated,
    };
    Instance {
        id: seen.instance.id.as_str().parse().unwrap(),
        instance_type: seen.instance.kind.name.into(),
        zone: zone_of(seen.instance.subnet.as_str()).into(),
        vpc: (state != InstanceState::Terminated).then(|| vpc::world::VPC.parse().unwrap()),
        state,
        attached: seen
            .enis
            .iter()
            .filter_map(|eni| {
                let at = eni.attachment()?;
                Some(AttachedEni {
                    slot: Slot {
                        card: at.card,
                        index: at.device,
                    },
                    eni: eni.id.as_str().parse().unwrap(),
                    mac: eni.mac.to_string().parse().unwrap(),
                    trunk: eni.description == TRUNK,
                })
            })
            .collect(),
    }
}

/// Description of ENIs that stand for trunks, which EC2's rules here do not have.
pub const TRUNK: &str = "trunk";

pub fn zone_of(subnet: &str) -> &'static str {
    if subnet == vpc::world::SUBNET_ZONE_B {
        "us-east-1b"
    } else {
        "us-east-1a"
    }
}

fn group(group: &vpc::SecurityGroup) -> Group {
    Group {
        id: group.id.as_str().parse().unwrap(),
        vpc: group.vpc.as_str().parse().unwrap(),
    }
}

fn subnet(seen: &vpc::SubnetView) -> Subnet {
    Subnet {
        id: seen.subnet.id.as_str().parse().unwrap(),
        zone: seen.subnet.zone.as_str().into(),
        vpc: seen.subnet.vpc.as_str().parse().unwrap(),
        ipv4: seen
            .subnet
            .cidr
            .map(|cidr| cidr.to_string().parse().unwrap()),
        ipv6: seen
            .subnet
            .ipv6
            .map(|cidr| cidr.to_string().parse().unwrap()),
        assigns_ipv6: seen.subnet.assigns_ipv6,
        free: u32::try_from(seen.free).unwrap(),
    }
}

fn counts(counts: RequestedCounts) -> Counts {
    let RequestedCounts {
        secondary_private_ip_address_count,
        ipv4_prefix_count,
        ipv6_address_count,
        ipv6_prefix_count,
    } = counts;
    Counts {
        secondary: secondary_private_ip_address_count.map(u32::from),
        ipv4_prefixes: ipv4_prefix_count.map(u32::from),
        ipv6: ipv6_address_count.map(u32::from),
        ipv6_prefixes: ipv6_prefix_count.map(u32::from),
    }
}

fn tracking(seconds: api::ConnectionTracking) -> vpc::ConnectionTracking {
    vpc::ConnectionTracking {
        tcp_established: seconds.tcp_established,
        udp_stream: seconds.udp_stream,
        udp: seconds.udp,
    }
}

fn tags(tags: &FrozenTags) -> BTreeMap<String, String> {
    let tags = tags.to_map().into_iter();
    tags.map(|(key, value)| (key.into(), value.into()))
        .collect()
}
