//! Small makers of the core's nouns.

use node_agent_core::{
    claim::{Address, Attachment, Claim, ClaimKey, Eni, Interface, Metadata, Place, Report},
    facts::{Ask, Facts, Plug, PlugState, Sandbox, Wish},
    mac::Mac,
};

pub fn an_interface() -> Interface {
    Interface {
        name: "eni0".into(),
        mtu: None,
        metadata: Metadata::Blocked,
        addresses: vec![Address {
            ip: "10.0.1.50".parse().unwrap(),
            prefix: 24,
            gateway: "10.0.1.1".parse().unwrap(),
        }],
    }
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

/// A claim of pod u-1 whose ENI is attached.
pub fn a_claim() -> Claim {
    Claim {
        key: key(),
        pod_uid: Some("u-1".into()),
        eni: Some(Eni {
            id: "eni-0123abcd".into(),
            mac: mac(),
        }),
        attachment: Some(Attachment {
            id: "eni-attach-1".into(),
            release: false,
        }),
        interface: an_interface(),
        reported: None,
        waits_for: "the ENI is being attached".into(),
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
        attachment: "eni-attach-1".into(),
        place,
    }
}

pub fn plugged_place() -> Place {
    Place::Plugged {
        pod_uid: "u-1".into(),
        container_id: "c1".into(),
    }
}

pub fn a_plug(state: PlugState) -> Plug {
    Plug {
        claim: key(),
        attachment: "eni-attach-1".into(),
        mac: mac(),
        eni: "eni-0123abcd".into(),
        pod_uid: "u-1".into(),
        netns: "/run/netns/c1".into(),
        state,
        failures: 0,
        retry_at: 0,
        alive: true,
    }
}

/// What an agent knows; listed, and nothing else.
pub fn an_agent() -> Facts {
    Facts {
        listed: true,
        ..Facts::default()
    }
}

pub trait Knowing {
    fn claim(self, claim: Claim) -> Self;
    fn device_on_host(self) -> Self;
    fn plug(self, container: &str, plug: Plug) -> Self;
    fn asked_to_add(self, id: u64, container: &str) -> Self;
    fn asked_to_del(self, id: u64, container: &str) -> Self;
}

impl Knowing for Facts {
    fn claim(mut self, claim: Claim) -> Self {
        self.learn(claim, 0);
        self
    }

    fn device_on_host(mut self) -> Self {
        self.devices.insert(mac(), 0);
        self
    }

    fn plug(mut self, container: &str, plug: Plug) -> Self {
        self.plugs.insert(a_sandbox(container), plug);
        self
    }

    fn asked_to_add(mut self, id: u64, container: &str) -> Self {
        let wish = Wish::Add {
            namespace: "shop".into(),
            pod: "web-0".into(),
            pod_uid: "u-1".into(),
        };
        self.asks.insert(
            id,
            Ask {
                sandbox: a_sandbox(container),
                wish,
                since: 0,
                progress: 0,
            },
        );
        self
    }

    fn asked_to_del(mut self, id: u64, container: &str) -> Self {
        self.asks.insert(
            id,
            Ask {
                sandbox: a_sandbox(container),
                wish: Wish::Del,
                since: 0,
                progress: 0,
            },
        );
        self
    }
}
