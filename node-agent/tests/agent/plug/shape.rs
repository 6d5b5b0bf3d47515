//! The ENIs of a pod by the shape of what they have: device, interface, and how `ip` shows it in the kernel.

use ipnet::IpNet;
use node_agent::plug::Eni;
use node_agent_core::{
    claim::{Address, Interface},
    picture::PodSlot,
};
use serde_json::Value;

use crate::world::{World, an_interface};

/// What an ENI may have of one family, and what the VPC has there.
pub struct Family {
    /// Arguments of `ip`.
    pub flag: &'static str,
    /// What `ip` calls it.
    inet: &'static str,
    /// What all addresses and prefixes of the subnet begin with.
    network: &'static str,
    length: u8,
    gateway: &'static str,
    subnet: &'static str,
    pub beyond: &'static str,
    /// What Linux makes of metric 0.
    metric: u64,
}

pub const V4: Family = Family {
    flag: "-4",
    inet: "inet",
    network: "10.0.1.",
    length: 24,
    gateway: "10.0.1.1",
    subnet: "10.0.1.0/24",
    beyond: "10.0.9.9",
    metric: 0,
};
pub const V6: Family = Family {
    flag: "-6",
    inet: "inet6",
    network: "2001:db8:1:",
    length: 64,
    gateway: "fe80:ec2::1",
    subnet: "2001:db8:1::/64",
    beyond: "2001:db8:9::9",
    metric: 1024,
};

impl Family {
    fn is_v4(&self) -> bool {
        self.flag == V4.flag
    }

    /// The addresses that the ENI may have.
    pub fn addresses(&self, PodSlot(slot): PodSlot) -> [String; 2] {
        let between = if self.is_v4() { "" } else { ":" };
        [0, 1].map(|more| format!("{}{between}{}", self.network, 50 + 2 * slot + more))
    }

    /// The prefix that may be delegated to the ENI.
    fn prefix(&self, PodSlot(slot): PodSlot) -> String {
        if self.is_v4() {
            format!("{}{}/28", self.network, 64 + 16 * slot)
        } else {
            format!("{}0:{}::/80", self.network, 1 + slot)
        }
    }

    /// An address out of the prefix.
    pub fn inside(&self, PodSlot(slot): PodSlot) -> String {
        if self.is_v4() {
            format!("{}{}", self.network, 70 + 16 * slot)
        } else {
            format!("{}0:{}::7", self.network, 1 + slot)
        }
    }
}

/// How many addresses and prefixes of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts(pub usize, pub usize);

/// Of IPv4 and of IPv6.
pub type Shape = [Counts; 2];

/// The ENI of a pod; that of the first slot is the one of every test.
pub fn eni(PodSlot(slot): PodSlot) -> Eni {
    Eni {
        mac: mac(slot).parse().unwrap(),
        id: format!("eni-0123456789abcdef{slot}"),
    }
}

fn mac(slot: u8) -> String {
    format!("02:ec:00:00:00:{:02x}", 10 + slot)
}

/// The devices of the slots up to this number appear on the host; the first is there already.
pub fn wire(world: &World, slots: u8) {
    let vpc = world.name("vpc");
    for slot in 1..slots {
        world.ip(
            "host",
            &format!(
                "link add eth{} address {} type veth peer name vpc-eni{slot} netns {vpc}",
                slot + 1,
                mac(slot)
            ),
        );
        world.ip("vpc", &format!("link set vpc-eni{slot} up"));
    }
}

/// What the claim says of the ENI at a slot.
pub fn interface(shape: Shape, slot: PodSlot) -> Interface {
    let mut interface = an_interface();
    interface.name = name(slot);
    interface.addresses.clear();
    for (Counts(addresses, prefixes), family) in shape.into_iter().zip([V4, V6]) {
        let address = |ip: &String| Address {
            ip: ip.parse().unwrap(),
            prefix: family.length,
            gateway: Some(family.gateway.parse().unwrap()),
        };
        let own = family.addresses(slot);
        let addresses = own.iter().take(addresses);
        interface.addresses.extend(addresses.map(address));
        let prefix: IpNet = family.prefix(slot).parse().unwrap();
        interface.prefixes.extend((prefixes > 0).then_some(prefix));
    }
    interface
}

pub fn name(PodSlot(slot): PodSlot) -> String {
    format!("eni{slot}")
}

/// The kernel has what the ENI at a slot should have, no more and no less, and what it sends leaves by it.
pub fn is_in_the_kernel(world: &World, shape: Shape, slot: PodSlot) {
    for (counts, family) in shape.into_iter().zip([V4, V6]) {
        addresses_are(world, &family, counts, slot);
        rules_are(world, &family, counts, slot);
        routes_are(world, &family, counts, slot);
        leaves_by_the_interface(world, &family, counts, slot);
    }
}

/// A list of `ip`, one text each, sorted.
fn listed(world: &World, line: &str, text: impl Fn(&Value) -> Option<String>) -> Vec<String> {
    let all = world.json("pod", line);
    sorted(all.as_array().unwrap().iter().filter_map(text).collect())
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

fn own(family: &Family, Counts(addresses, _): Counts, slot: PodSlot) -> Vec<String> {
    let all = family.addresses(slot).into_iter();
    all.take(addresses).collect()
}

fn addresses_are(world: &World, family: &Family, counts: Counts, slot: PodSlot) {
    let device = world.json("pod", &format!("addr show {}", name(slot)));
    let here = device[0]["addr_info"].as_array().unwrap().iter();
    let here = here.filter(|a| a["family"] == family.inet && a["scope"] == "global");
    let here = here.map(|a| a["local"].as_str().unwrap().to_owned());
    assert_eq!(sorted(here.collect()), own(family, counts, slot));
}

fn rules_are(world: &World, family: &Family, counts: Counts, slot: PodSlot) {
    let PodSlot(number) = slot;
    let rules = listed(world, &format!("{} rule", family.flag), |rule| {
        let ours = rule["protocol"] == "236" && rule["priority"] == 512 + u64::from(number);
        let length = rule["srclen"].as_u64().map(|n| format!("/{n}"));
        let oif = rule["oif"].as_str().map(|name| format!(" oif {name}"));
        assert!(!ours || rule["table"] == table(slot), "{rule}");
        ours.then(|| {
            let source = rule["src"].as_str().unwrap();
            format!(
                "{source}{}{}",
                length.unwrap_or_default(),
                oif.unwrap_or_default()
            )
        })
    });
    let mut expected = own(family, counts, slot);
    if counts != Counts(0, 0) {
        expected.push(format!("all oif {}", name(slot)));
    }
    expected.extend((counts.1 > 0).then(|| family.prefix(slot)));
    assert_eq!(rules, sorted(expected));
}

fn table(PodSlot(slot): PodSlot) -> String {
    (23_600 + u32::from(slot)).to_string()
}

fn routes_are(world: &World, family: &Family, counts: Counts, slot: PodSlot) {
    // A table that never had a route cannot be shown alone.
    let all = format!("{} route show table all", family.flag);
    let routes = listed(world, &all, |r| {
        let mut parts = vec![r["dst"].as_str()?.to_owned()];
        for key in ["type", "gateway", "dev", "prefsrc", "metric"] {
            match &r[key] {
                Value::Null => {}
                // IPv6 says of an unreachable route that it is of lo.
                Value::String(dev) if dev == "lo" => {}
                Value::String(value) => parts.push(format!("{key} {value}")),
                value => parts.push(format!("{key} {value}")),
            }
        }
        (r["table"] == table(slot)).then(|| parts.join(" "))
    });
    let metric = match family.metric {
        0 => String::new(),
        metric => format!(" metric {metric}"),
    };
    let nowhere = |to: &str| format!("{to} type unreachable metric 4294967295");
    let mut expected = Vec::new();
    if counts != Counts(0, 0) {
        let dev = format!("dev {}", name(slot));
        let source = own(family, counts, slot).into_iter().next();
        let source = source.map(|first| format!(" prefsrc {first}"));
        let gateway = family.gateway;
        let by = format!(
            "default gateway {gateway} {dev}{}{metric}",
            source.as_deref().unwrap_or("")
        );
        expected.extend([by, nowhere("default")]);
        let subnet = source.map(|source| format!("{} {dev}{source}{metric}", family.subnet));
        expected.extend(subnet);
        expected.extend((counts.1 > 0).then(|| nowhere(&family.prefix(slot))));
    }
    assert_eq!(routes, sorted(expected));
}

fn leaves_by_the_interface(world: &World, family: &Family, counts: Counts, slot: PodSlot) {
    let inside = (counts.1 > 0).then(|| family.inside(slot));
    if let Some(inside) = &inside {
        // The pod decides which of them it uses: it puts one on an interface of its own.
        world.ip("pod", &format!("addr add {inside} dev lo"));
    }
    for source in own(family, counts, slot).iter().chain(&inside) {
        let way = world.json("pod", &format!("route get {} from {source}", family.beyond));
        assert_eq!(
            (&way[0]["dev"], &way[0]["gateway"]),
            (&name(slot).into(), &family.gateway.into()),
            "from {source}"
        );
    }
    if let Some(inside) = &inside {
        world.ip("pod", &format!("addr del {inside} dev lo"));
    }
}
