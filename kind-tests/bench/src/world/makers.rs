//! Objects by number: equal numbers give equal objects.

use std::collections::{BTreeMap, BTreeSet};

use api::{
    ClassStatus, ConnectionTracking, DriftPolicy, Interface, IpFamily, SourceDestCheck, Time,
    claim::RequestedCounts,
    class::{SecurityGroups, Subnets},
    id::{
        AttachmentId, BootId, ClassName, EniId, InstanceId, InstanceType, Mac, NodeName, PodUid,
        SecurityGroupId, Slot, SubnetId, VpcId, Zone,
    },
};
use operator_core::{
    addresses::Addresses,
    claim::{Attachment, Binding, Claim, Device, DeviceState, Eni, Ipam, Owner},
    cluster::{
        AgentPod, Ask, Class, Key, NamespaceFacts, Node, NodeHealth, Pod, PodSource, Requirement,
        Selector, Version,
    },
    ec2::{
        AttachmentState, AttachmentView, EniTags, EniView, Instance, InstanceState, Subnet,
        TypeFacts,
    },
    marks::{Marks, Network, Networks},
    request::Shape,
    subnet,
    token::claim_name,
    uses::Uses,
};

/// When the benchmark begins: in the past of any clock on a wall.
pub const START: Time = Time(1_760_000_000_000);
/// UID of kube-system.
pub const CLUSTER: &str = "6a1f0a6c-4f0e-4d4e-9f6d-0d8f4f7f3c11";
/// Claims on each node of a big cluster.
pub const ON_NODE: usize = 10;
/// Its classes.
pub const CLASSES: usize = 20;
/// Its namespaces.
pub const NAMESPACES: usize = 50;
const ZONES: [&str; 3] = ["us-east-1a", "us-east-1b", "us-east-1c"];

/// Digits as UIDs and ids of EC2 have them: without a pattern, so that comparing two soon ends. No two numbers give the same.
fn digits(number: usize) -> u64 {
    let number = u64::try_from(number).unwrap_or(0);
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) ^ 0x5bd1_e995
}

fn uid(kind: u16, number: usize) -> String {
    let digits = digits(number);
    format!(
        "{:08x}-{kind:04x}-4000-8000-{:012x}",
        digits >> 32,
        digits & 0xffff_ffff
    )
}

macro_rules! ids {
    ($($name:ident: $id:ty = $prefix:literal $digits:literal),+ $(,)?) => {$(
        #[doc = concat!("`", $prefix, "…`.")]
        // A number of at most 17 hexadecimal digits behind the right prefix always is an id.
        #[allow(clippy::expect_used)]
        pub fn $name(number: usize) -> $id {
            format!(concat!($prefix, "{:0", $digits, "x}"), digits(number)).parse().expect("an id")
        }
    )+};
}

ids! {
    eni_id: EniId = "eni-" 17,
    attachment: AttachmentId = "eni-attach-" 17,
    instance_id: InstanceId = "i-" 17,
    subnet_id: SubnetId = "subnet-" 17,
    group: SecurityGroupId = "sg-" 17,
    vpc: VpcId = "vpc-" 17,
}

/// A MAC address.
// Two hexadecimal digits between colons always are one.
#[allow(clippy::expect_used)]
pub fn mac(number: usize) -> Mac {
    let byte = |shift: usize| (number >> shift) & 0xff;
    format!(
        "02:00:{:02x}:{:02x}:{:02x}:{:02x}",
        byte(24),
        byte(16),
        byte(8),
        byte(0)
    )
    .parse()
    .expect("a MAC address")
}

/// Name of a node.
pub fn node_name(number: usize) -> NodeName {
    format!("ip-10-{}-{}.ec2.internal", number / 250, number % 250).into()
}

/// Name of a class.
pub fn class_name(number: usize) -> ClassName {
    format!("app-{:02}", number % CLASSES).into()
}

fn zone(node: usize) -> Zone {
    ZONES
        .get(node % ZONES.len())
        .copied()
        .unwrap_or_default()
        .into()
}

/// The subnets: one in each zone.
pub fn subnets() -> BTreeMap<SubnetId, Subnet> {
    let make = |n: usize| Subnet {
        id: subnet_id(n),
        zone: zone(n),
        vpc: vpc(1),
        ipv4: "10.0.0.0/16".parse().ok(),
        ipv6: None,
        assigns_ipv6: false,
        free: 30_000,
    };
    (0..ZONES.len()).map(|n| (subnet_id(n), make(n))).collect()
}

/// A namespace of that name whose labels say `eni=yes`.
pub fn namespace(name: &str) -> NamespaceFacts {
    NamespaceFacts {
        name: name.into(),
        uid: if name == "kube-system" { CLUSTER } else { name }.to_owned(),
        labels: BTreeMap::from([("eni".to_owned(), "yes".to_owned())]),
        deleting: false,
    }
}

/// A class for namespaces whose labels say `eni=yes`.
pub fn class(number: usize) -> Class {
    Class {
        name: class_name(number),
        namespaces: Some(Selector {
            requirements: vec![Requirement::In(
                "eni".to_owned(),
                BTreeSet::from(["yes".to_owned()]),
            )],
        }),
        uid: class_name(number).as_str().into(),
        version: Version::default(),
        generation: 1,
        subnets: Subnets {
            ids: (0..ZONES.len()).map(subnet_id).collect(),
            ..Subnets::default()
        },
        addresses: Addresses::default(),
        groups: SecurityGroups {
            ids: vec![group(number), group(100)],
            ..SecurityGroups::default()
        },
        drift_policy: DriftPolicy::Report,
        status: ClassStatus::default(),
        interface: Interface::default(),
        source_dest_check: SourceDestCheck::Enabled,
        connection_tracking: ConnectionTracking::default(),
        tags: BTreeMap::from([
            ("team".to_owned(), format!("team-{number}")),
            ("cost-centre".to_owned(), "4711".to_owned()),
        ]),
    }
}

/// A node that is ready; its agent's part of the report is [`agent`].
pub fn node(number: usize) -> Node {
    Node {
        name: node_name(number),
        uid: uid(1, number).into(),
        version: "1".into(),
        instance: Ok(instance_id(number)),
        boot: format!("boot-of-{}", node_name(number)).into(),
        health: NodeHealth::Ready,
        classes: BTreeSet::new(),
        published: (None, None),
    }
}

/// What the agent of a node reports.
pub fn agent(node: &NodeName) -> (BootId, PodUid) {
    (
        format!("boot-of-{node}").into(),
        format!("agent-of-{node}").into(),
    )
}

/// The agent's pod.
pub fn agent_pod(number: usize) -> AgentPod {
    let node = node_name(number);
    AgentPod {
        key: Key::new("eniclaim", &format!("agent-{number:05}")),
        uid: agent(&node).1,
        node: Some(node),
        ready: true,
    }
}

/// The type of every instance: fifteen slots on one card.
pub fn instance_type() -> InstanceType {
    "m5.24xlarge".into()
}

/// What it holds.
pub fn types() -> BTreeMap<InstanceType, TypeFacts> {
    let facts = TypeFacts {
        cards: vec![(0, 15)],
    };
    BTreeMap::from([(instance_type(), facts)])
}

/// The instance of a node.
pub fn instance(number: usize) -> Instance {
    Instance {
        id: instance_id(number),
        instance_type: instance_type(),
        zone: zone(number),
        vpc: Some(vpc(1)),
        state: InstanceState::Alive,
        attached: Vec::new(),
    }
}

/// A pod that asks, on a node where one is given.
pub fn pod(namespace: &str, number: usize, node: Option<usize>) -> Pod {
    Pod {
        key: Key::new(
            namespace,
            &format!("web-{:010x}-{number:05}", digits(number) >> 24),
        ),
        uid: uid(2, number).into(),
        source: PodSource::Api,
        asks: vec![Ask {
            class: class_name(number),
            interface: None,
        }],
        uses: Uses::Own,
        malformed: None,
        annotated: true,
        host_network: false,
        node: node.map(node_name),
        requested: Some(1),
        net_admin: None,
        deleting: false,
        terminal: false,
        created: START.after(-3_600_000),
        marks: Marks {
            object: uid(2, number).into(),
            ..Marks::default()
        },
    }
}

/// Namespace of the n-th claim of a big cluster.
pub fn namespace_of(number: usize) -> String {
    format!("shop-{:02}", number % NAMESPACES)
}

/// The pod of the n-th claim of a big cluster, which says what its ENI is.
pub fn pod_of(number: usize) -> Pod {
    let mut pod = pod(&namespace_of(number), number, Some(number / ON_NODE));
    let eni = eni(number);
    let network = Network {
        class: class_name(number),
        interface: Interface::default().name.into(),
        ips: eni.addresses.into_boxed_slice(),
        mac: eni.mac,
    };
    pod.marks.networks = Networks::List {
        others: Box::default(),
        ours: [network].into(),
    };
    pod.marks.ready = Some(true);
    pod
}

/// An ENI, attached and marked, of the n-th claim of a big cluster.
pub fn eni(number: usize) -> EniView {
    let node = number / ON_NODE;
    let index = u32::try_from(14 - number % ON_NODE).unwrap_or(1);
    let address = u32::from(std::net::Ipv4Addr::new(10, 0, 1, 0))
        .saturating_add(u32::try_from(number).unwrap_or(0));
    EniView {
        id: eni_id(number),
        mac: mac(number),
        subnet: subnet_id(node % ZONES.len()),
        vpc: vpc(1),
        zone: zone(node),
        groups: vec![group(number % CLASSES), group(100)],
        addresses: vec![std::net::Ipv4Addr::from(address).into()],
        prefixes: Vec::new(),
        source_dest_check: SourceDestCheck::Enabled,
        available: false,
        attachment: Some(AttachmentView {
            id: attachment(number),
            instance: instance_id(node),
            slot: Slot { card: 0, index },
            state: AttachmentState::Attached,
            delete_on_termination: true,
        }),
        tags: EniTags::default(),
    }
}

/// The n-th claim of a big cluster, bound, and its request frozen: EC2 has not been called yet.
pub fn unfinished(number: usize) -> Claim {
    let pod = pod_of(number);
    let name = pod.key.name.as_str().into();
    let node = node(number / ON_NODE);
    let mut claim = Claim {
        key: Key::of(pod.key.namespace.clone(), claim_name(&name, &pod.uid, None)),
        uid: uid(3, number).into(),
        version: Version::from((10_000 + number).to_string()),
        generation: 1,
        deleting: false,
        finalizer: true,
        class: class_name(number),
        interface: None,
        owner: Some(Owner {
            name: name.clone(),
            uid: pod.uid.clone(),
            source: pod.source,
        }),
        force_detach: None,
        force_forget: None,
        status: api::ClaimStatus::default(),
        device: None,
        leased: None,
    };
    let status = &mut claim.status;
    status.node_name = Some(node.name);
    status.binding = Some(Binding {
        pod_name: name,
        pod_uid: pod.uid,
        node_uid: node.uid,
        instance_id: instance_id(number / ON_NODE),
        since: START.after(-3_600_000),
        net_admin: None,
    });
    status.interface = Some(Interface::default());
    status.timeline.requested = Some(START.after(-3_600_000));
    let class = class(number % CLASSES);
    let shape = Shape {
        subnet: subnet_id((number / ON_NODE) % ZONES.len()),
        counts: RequestedCounts::default(),
        groups: class.groups.ids,
        connection_tracking: class.connection_tracking,
        tags: class.tags,
    };
    let creation = shape.freeze(&claim, &cluster(), 1, START.after(-3_600_000));
    claim.status.creation = Some(creation);
    claim
}

/// The same with its ENI plugged into the pod, before the operator has said so in conditions.
pub fn plugged(number: usize) -> (Claim, EniView) {
    let mut claim = unfinished(number);
    let mut view = eni(number);
    let past = START.after(-3_590_000);
    let status = &mut claim.status;
    if let Some(creation) = &status.creation {
        view.tags = EniTags::of(creation.request.tags.to_map());
    }
    status.eni = Some(Eni {
        id: view.id.clone(),
        mac: view.mac.clone(),
        subnet_id: view.subnet.clone(),
        vpc_id: view.vpc.clone(),
        zone: view.zone.clone(),
        security_group_ids: view.groups.clone(),
        source_dest_check: view.source_dest_check,
    });
    status.ipam = subnets().get(&view.subnet).map_or_else(
        || None::<Ipam>,
        |s| Some(subnet::ipam(&view, s, IpFamily::IPv4)),
    );
    status.attachment = view.attachment.as_ref().map(|on| Attachment {
        instance_id: on.instance.clone(),
        slot: on.slot,
        id: Some(on.id.clone()),
        requested_at: Some(past),
        attached_at: Some(past),
        release: None,
    });
    status.timeline.created = Some(past);
    status.timeline.attached = Some(past);
    claim.device = view.attachment.as_ref().map(|on| Device {
        node_access: Vec::new(),
        attachment_id: on.id.clone(),
        state: DeviceState::Plugged,
        pod_uid: claim.owner.as_ref().map(|o| o.uid.clone()),
        container_id: Some("0123456789abcdef".repeat(4).into()),
        if_name: Some("eni0".into()),
        since: past,
    });
    (claim, view)
}

/// This cluster.
pub fn cluster() -> operator_core::cluster::Cluster {
    operator_core::cluster::Cluster {
        id: CLUSTER.into(),
        uid: CLUSTER.into(),
    }
}
