//! One life of a NIC: plugged into the running machine, moved into pods, unplugged while it is in one.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, ensure};
use node_agent::{
    kernel::{
        hardware::{identify, whereabouts},
        link::Drivers,
        namespace::Namespace,
        netlink::Netlink,
        view::Inspector,
    },
    plug::{Eni, Node, check, plug, unplug},
};
use node_agent_core::{
    absence::Whereabouts,
    claim::{Address, DefaultRoute, Dhcp, Interface, Metadata, Mtu},
    facts::Hardware,
    picture::PodSlot,
    plan::Traces,
};
use serde_json::{Value, json};

use crate::{
    console::Console,
    netns::{self, ip, list, wait_until},
};

/// What the host gives to the NIC, and to the one that is there from the start.
const MAC: &str = "02:ec:00:00:00:0a";
const ROUTER_MAC: &str = "02:ec:00:00:01:01";
const ID: &str = "eni-0123456789abcdef0";
const ADDRESS: &str = "10.0.1.50";
const ROUTER: &str = "10.0.1.1";
const METADATA: &str = "169.254.169.254";
const NAME: &str = "eni0";
const SLOT: PodSlot = PodSlot(0);

type Step = fn(&mut Nic) -> anyhow::Result<()>;

/// In this order: each begins where the one before ended.
const STEPS: &[(&str, Step)] = &[
    ("new_nic_moves_into_a_pod_and_works_there", Nic::moves_in),
    (
        "nic_that_its_pod_hid_is_known_to_be_there_and_returns",
        Nic::hides,
    ),
    ("nic_of_a_dead_namespace_returns_to_the_host", Nic::returns),
    (
        "nic_that_returned_works_in_the_next_pod",
        Nic::moves_in_again,
    ),
    (
        "nic_that_is_unplugged_in_a_pod_is_gone_and_no_failure",
        Nic::vanishes,
    ),
    (
        "nic_that_is_plugged_again_works_in_the_same_pod_and_leaves_it_clean",
        Nic::comes_back,
    ),
];

struct Nic {
    console: Console,
    node: Node,
    eni: Eni,
    interface: Interface,
    /// The hardware that it was when it last moved into a pod.
    hardware: Option<Hardware>,
}

pub fn run(console: Console) -> anyhow::Result<()> {
    add_router()?;
    let mut nic = Nic::new(console)?;
    for (name, step) in STEPS {
        let outcome = step(&mut nic);
        let word = match &outcome {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("FAILED: {error:#}"),
        };
        nic.console.say(&format!("test nic::{name} ... {word}"))?;
        outcome.with_context(|| format!("nic::{name}"))?;
    }
    Ok(())
}

/// The other end of the wire, with the addresses that a VPC answers for.
fn add_router() -> anyhow::Result<()> {
    let link = link_with(ROUTER_MAC)?;
    let name = link
        .as_ref()
        .and_then(|link| link["ifname"].as_str())
        .context("the router has no NIC")?;
    let router = netns::add("router")?;
    ip(&format!("link set {name} netns router"))?;
    ip(&format!("-n router addr add {ROUTER}/24 dev {name}"))?;
    ip(&format!("-n router addr add {METADATA}/32 dev lo"))?;
    ip(&format!("-n router link set {name} up"))?;
    netns::serve(&router)
}

impl Nic {
    fn new(console: Console) -> anyhow::Result<Self> {
        let proc_sys_net = PathBuf::from("/proc/sys/net");
        let features = Inspector::features(Path::new(&proc_sys_net))?;
        let inspector = Inspector {
            drivers: Drivers::default(),
            proc_sys_net,
            features,
        };
        let node = Node::new(Namespace::own()?, inspector);
        let eni = Eni {
            mac: MAC.parse()?,
            id: ID.into(),
        };
        let address = Address {
            ip: ADDRESS.parse()?,
            prefix: 24,
            gateway: Some(ROUTER.parse()?),
        };
        let interface = Interface {
            name: NAME.into(),
            leased_mtu: None,
            node_access: None,
            mtu: Mtu::Usual,
            up: true,
            metadata: Metadata::Blocked,
            addresses: vec![address],
            default_route: DefaultRoute::Never,
            destinations: Vec::new(),
            cluster: BTreeSet::new(),
            sysctls: BTreeMap::new(),
            dhcp: Dhcp::OFF,
            prefixes: vec![],
        };
        Ok(Self {
            console,
            node,
            eni,
            interface,
            hardware: None,
        })
    }

    fn moves_in(&mut self) -> anyhow::Result<()> {
        self.plug_into_the_machine()?;
        let pod = netns::add("first")?;
        self.move_into(&pod)?;
        self.works_in(&pod, "first")
    }

    fn hides(&mut self) -> anyhow::Result<()> {
        let pod = Namespace::open("/run/netns/first")?;
        netns::add("hideout")?;
        ip(&format!("-n first link set {NAME} netns hideout"))?;
        let unplugged = unplug(&self.node, Some(&pod), &self.eni, SLOT, Traces::Remove)?;
        ensure!(!unplugged.found, "the agent found a device that is hidden");
        self.hardware_is(Whereabouts::There)?;
        netns::delete("hideout")?;
        wait_until("the NIC is back on the host", || {
            self.is_in(&self.node.host)
        })?;
        self.hardware_is(Whereabouts::There)?;
        self.move_into(&pod)
    }

    /// What sysfs shows of the hardware that was last in a pod.
    fn hardware_is(&self, wanted: Whereabouts) -> anyhow::Result<()> {
        let hardware = self.hardware.as_ref().context("no hardware was seen")?;
        let seen = whereabouts(Some(hardware))?;
        ensure!(seen == wanted, "{hardware:?} is {seen:?}, not {wanted:?}");
        Ok(())
    }

    fn returns(&mut self) -> anyhow::Result<()> {
        netns::delete("first")?;
        wait_until("the NIC is back on the host", || {
            self.is_in(&self.node.host)
        })?;
        self.is_unplugged_from_the_pod(None)
    }

    fn moves_in_again(&mut self) -> anyhow::Result<()> {
        let pod = netns::add("second")?;
        self.interface.metadata = Metadata::Allowed;
        self.move_into(&pod)?;
        self.works_in(&pod, "second")
    }

    fn vanishes(&mut self) -> anyhow::Result<()> {
        let pod = Namespace::open("/run/netns/second")?;
        self.console.unplug_nic()?;
        wait_until("the NIC is gone from the pod", || Ok(!self.is_in(&pod)?))?;
        ensure!(!self.is_in(&self.node.host)?, "the NIC is on the host");
        let traces = Traces::Remove;
        let unplugged = unplug(&self.node, Some(&pod), &self.eni, SLOT, traces)?;
        ensure!(!unplugged.found, "the agent found a device that is gone");
        ensure!(
            unplugged.left.is_empty(),
            "left behind: {:?}",
            unplugged.left
        );
        self.hardware_is(Whereabouts::Gone)?;
        no_trace("second")
    }

    fn comes_back(&mut self) -> anyhow::Result<()> {
        self.plug_into_the_machine()?;
        // Whatever is attached in its place.
        self.hardware_is(Whereabouts::Gone)?;
        self.interface.metadata = Metadata::Blocked;
        let pod = Namespace::open("/run/netns/second")?;
        self.move_into(&pod)?;
        self.works_in(&pod, "second")?;
        self.is_unplugged_from_the_pod(Some(&pod))?;
        no_trace("second")
    }

    fn plug_into_the_machine(&mut self) -> anyhow::Result<()> {
        self.console.plug_nic()?;
        wait_until("the machine has the NIC", || self.is_in(&self.node.host))
    }

    fn move_into(&mut self, pod: &Namespace) -> anyhow::Result<()> {
        let plugged = plug(&self.node, pod, &self.eni, &self.interface, SLOT);
        let device = plugged
            .map_err(|failed| anyhow!("plug: {failed:?}"))?
            .device;
        self.hardware = identify(&device)?;
        self.hardware_is(Whereabouts::There)?;
        ensure!(device.name == NAME, "the device is named {}", device.name);
        ensure!(
            !self.is_in(&self.node.host)?,
            "the NIC is still on the host"
        );
        Ok(())
    }

    /// Up, with its address and traffic, and the metadata service only where it is allowed.
    fn works_in(&self, pod: &Namespace, name: &str) -> anyhow::Result<()> {
        check(&self.node, pod, &self.eni, &self.interface, SLOT)?;
        let links = list(&format!("-n {name} addr show dev {NAME} up"))?;
        let shown = links.first().context("the device is not up")?;
        ensure!(shown["address"] == MAC, "another device: {shown}");
        let addresses = shown["addr_info"].as_array().context("no addresses")?;
        ensure!(
            addresses.iter().any(|address| address["local"] == ADDRESS),
            "no address: {shown}"
        );
        netns::reach(pod, ADDRESS.parse()?, ROUTER.parse()?)?;
        let metadata = netns::reach(pod, ADDRESS.parse()?, METADATA.parse()?);
        ensure!(
            metadata.is_ok() == (self.interface.metadata == Metadata::Allowed),
            "the metadata service should be {:?}, and: {metadata:?}",
            self.interface.metadata
        );
        Ok(())
    }

    /// The agent takes the NIC back, and it is on the host as it should be.
    fn is_unplugged_from_the_pod(&self, pod: Option<&Namespace>) -> anyhow::Result<()> {
        let traces = Traces::Remove;
        let unplugged = unplug(&self.node, pod, &self.eni, SLOT, traces)?;
        ensure!(unplugged.found, "the agent does not find the NIC");
        ensure!(
            unplugged.left.is_empty(),
            "left behind: {:?}",
            unplugged.left
        );
        let link = link_with(MAC)?.context("the NIC is not on the host")?;
        let wanted =
            json!({ "ifname": self.eni.mac.home_name(), "altnames": [ID], "operstate": "DOWN" });
        for (key, value) in wanted.as_object().into_iter().flatten() {
            ensure!(
                link.get(key) == Some(value),
                "{key} should be {value}: {link}"
            );
        }
        Ok(())
    }

    /// Whether the agent sees the NIC in a namespace.
    fn is_in(&self, netns: &Namespace) -> anyhow::Result<bool> {
        let devices = || -> anyhow::Result<_> {
            Ok(Netlink::route()?.devices(&self.node.inspector.drivers)?)
        };
        Ok(netns
            .inside(devices)??
            .all
            .iter()
            .any(|device| device.mac == self.eni.mac))
    }
}

/// The link with this address in the host's namespace.
fn link_with(mac: &str) -> anyhow::Result<Option<Value>> {
    let links = list("link")?;
    Ok(links.into_iter().find(|link| link["address"] == mac))
}

/// What nothing of ours was ever in has no rule but the kernel's own.
fn no_trace(name: &str) -> anyhow::Result<()> {
    for (family, kernels) in [("-4", 3), ("-6", 2)] {
        let rules = list(&format!("-n {name} {family} rule"))?;
        ensure!(
            rules.len() == kernels,
            "rules are left in the pod: {rules:?}"
        );
    }
    Ok(())
}
