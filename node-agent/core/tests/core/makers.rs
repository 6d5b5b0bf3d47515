//! Small makers of the core's nouns.

use std::collections::{BTreeMap, BTreeSet};

use node_agent_core::{
    claim::{
        Address, Attachment, BoundPod, Claim, ClaimKey, DefaultRoute, Dhcp, Eni, Interface,
        Metadata, Mtu, Place, Report, Unreadable, Wait,
    },
    custody::{Custody, Loan},
    dhcp::Leases,
    facts::{
        Facts, Netns, Observed, Origin, Plug, PlugKey, PlugState, Pod, Position, Sandbox, Verb,
    },
    layout::{Features, Limits, Surroundings, layout, steer},
    mac::Mac,
    picture::{Picture, PodSlot},
    plan::{Order, plan},
    replaced::{self, Asked},
};

/// What a configuration of this plugin asks for, for an interface `eth0`.
pub fn read(plugin: &str, text: &str) -> Result<Asked, String> {
    replaced::read(replaced::Configuration {
        plugin,
        text,
        if_name: "eth0",
        pod: Some(a_pod()),
        ip: None,
    })
}

/// A kernel that can do everything.
pub const FULL: Features = Features {
    egress_hook: true,
    ipv6: true,
};

/// A device as EC2 has them.
pub const ENA: Limits = Limits {
    least_mtu: 128,
    most_mtu: 9216,
    mtu: 1500,
    ipv6: true,
};

pub fn an_interface() -> Interface {
    Interface {
        name: "eni0".into(),
        mtu: Mtu::Usual,
        up: true,
        leased_mtu: None,
        node_access: None,
        metadata: Metadata::Blocked,
        addresses: vec![Address {
            ip: "10.0.1.50".parse().unwrap(),
            prefix: 24,
            gateway: Some("10.0.1.1".parse().unwrap()),
        }],
        prefixes: vec![],
        default_route: DefaultRoute::Never,
        destinations: Vec::new(),
        cluster: BTreeSet::new(),
        sysctls: BTreeMap::new(),
        dhcp: Dhcp::OFF,
    }
}

/// A pod whose first interface is eth0, in both families.
pub fn chained() -> Surroundings {
    let ips = |ips: &[&str]| ips.iter().map(|ip| ip.parse().unwrap()).collect();
    Surroundings {
        earlier: ["eth0".to_owned()].into(),
        addresses: ips(&["10.244.1.2", "fd00:10:244::2"]),
        node: ips(&["10.0.1.5", "2001:db8:1::5"]),
    }
}

/// All that is wanted of an ENI among these surroundings.
pub fn wanted(
    interface: &Interface,
    slot: PodSlot,
    features: Features,
    surroundings: &Surroundings,
) -> Picture {
    let mut picture = layout(interface, slot, features, ENA);
    steer(&mut picture, interface, slot, surroundings);
    picture
}

pub fn mac() -> Mac {
    "02:00:00:00:00:0a".parse().unwrap()
}

pub fn key() -> ClaimKey {
    ClaimKey {
        namespace: "shop".into(),
        name: "web-0-abcde".into(),
    }
}

pub fn a_sandbox(container: &str) -> Sandbox {
    Sandbox {
        network: "pods".into(),
        container_id: container.into(),
        if_name: "eth0".into(),
    }
}

/// Pod web-0 with this UID.
pub fn bound_to(uid: &str) -> BoundPod {
    BoundPod {
        name: "web-0".into(),
        uid: uid.into(),
    }
}

/// A claim of pod u-1 whose ENI is attached.
pub fn a_claim() -> Claim {
    Claim {
        key: key(),
        pod: Some(bound_to("u-1")),
        asked_as: None,
        eni: Some(Eni {
            id: "eni-0123abcd".into(),
            mac: mac(),
        }),
        attachment: Some(Attachment {
            id: "eni-attach-1".into(),
            instance: "i-1".into(),
            release: false,
        }),
        interface: an_interface(),
        reported: None,
        outdated: false,
        waits_for: Wait::Progress("the ENI is being attached".into()),
    }
}

/// The same claim, as it is when it cannot be read.
pub fn an_unreadable_claim(pod: Option<BoundPod>) -> Unreadable {
    Unreadable {
        key: key(),
        pod,
        error: "unknown variant `Unheard`".into(),
    }
}

pub fn released(mut claim: Claim) -> Claim {
    claim.attachment.as_mut().unwrap().release = true;
    claim
}

pub fn not_attached(mut claim: Claim) -> Claim {
    claim.attachment = None;
    claim
}

pub fn saying(mut claim: Claim, place: Place) -> Claim {
    claim.reported = Some(report(place));
    claim
}

pub fn report(place: Place) -> Report {
    Report {
        node_access: Vec::new(),
        attachment: "eni-attach-1".into(),
        place,
        leases: Leases::default(),
    }
}

pub fn plugged_place() -> Place {
    Place::Plugged {
        pod_uid: "u-1".into(),
        container_id: "c1".into(),
    }
}

pub fn an_origin() -> Origin {
    Origin::Claim {
        claim: key(),
        attachment: "eni-attach-1".into(),
        pod_uid: "u-1".into(),
    }
}

pub fn a_plug(state: PlugState) -> Plug {
    Plug {
        origin: an_origin(),
        eni: "eni-0123abcd".into(),
        slot: PodSlot(0),
        netns: Netns {
            path: "/run/netns/c1".into(),
            cookie: Some(7),
        },
        position: Position::Chained,
        custody: Custody::Ours,
        hardware: None,
        state,
        observed: Observed::default(),
    }
}

/// A plug whose device another plugin moved.
pub fn a_borrowed_plug(state: PlugState) -> Plug {
    Plug {
        custody: Custody::Borrowed(Loan::new("eth0", 1500)),
        ..a_plug(state)
    }
}

pub fn a_plug_key(container: &str) -> PlugKey {
    PlugKey {
        sandbox: a_sandbox(container),
        mac: mac(),
    }
}

pub fn a_pod() -> Pod {
    Pod {
        namespace: "shop".into(),
        name: "web-0".into(),
        uid: "u-1".into(),
        interfaces: vec![],
    }
}

/// The orders of a plan.
pub fn orders(facts: &Facts, now: u64) -> Vec<Order> {
    plan(facts, now).orders
}

/// The order to plug the only claim's device for request `request`.
pub fn plugs(request: u64, container: &str) -> Order {
    Order::Plug {
        request,
        origin: an_origin(),
        eni: "eni-0123abcd".into(),
        key: a_plug_key(container),
        slot: PodSlot(0),
    }
}

/// What an agent knows; listed, on its own instance, and nothing else.
pub fn an_agent() -> Facts {
    Facts {
        instance: Some("i-1".into()),
        listed: true,
        ..Facts::default()
    }
}

pub trait Knowing {
    fn claim(self, claim: Claim) -> Self;
    fn device_on_host(self) -> Self;
    fn plug(self, container: &str, plug: Plug) -> Self;
    fn asked(self, id: u64, container: &str, verb: Verb) -> Self;
    fn asked_to_add(self, id: u64, container: &str) -> Self;
    fn asked_to_del(self, id: u64, container: &str) -> Self;
}

impl Knowing for Facts {
    fn claim(mut self, claim: Claim) -> Self {
        self.learn(claim, 0);
        self
    }

    fn device_on_host(mut self) -> Self {
        self.arrived(mac(), 0);
        self
    }

    fn plug(mut self, container: &str, plug: Plug) -> Self {
        self.plugs.insert(a_plug_key(container), plug);
        self
    }

    fn asked(mut self, id: u64, container: &str, verb: Verb) -> Self {
        self.ask(id, a_sandbox(container), verb, 0);
        // No other plugin moved the device into its namespace.
        self.requests.get_mut(&id).unwrap().missed.insert(mac());
        self
    }

    fn asked_to_add(self, id: u64, container: &str) -> Self {
        self.asked(id, container, Verb::Add(a_pod().into()))
    }

    fn asked_to_del(self, id: u64, container: &str) -> Self {
        self.asked(id, container, Verb::Del)
    }
}
