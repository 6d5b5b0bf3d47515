//! Node access: the port that a pod gets before its ENIs, where they are its only interfaces.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};

use super::{LONGEST_ADD, Order, Plug, Request, RequestId, Round, Wait, target::Target};
use crate::{
    claim::Interface,
    facts::{Position, Sandbox},
    layout::{METADATA_V4, METADATA_V6, subnet},
    plan::PortOrder,
    port::{NodeAccess, PortAsked, PortState, on_node},
};

impl Round<'_> {
    /// Whether a pod has what its ENIs say of the way to its node: a port, so that it is there when their routes are made. If it has not
    /// yet, that is ordered or answered.
    pub(super) fn has_node_access(
        &mut self,
        id: RequestId,
        request: &Request,
        targets: &[Target<'_>],
    ) -> bool {
        if request.position != Position::First {
            return true;
        }
        match asked(targets) {
            Ok(None) => true,
            Ok(Some(asked)) => self.port(id, request, &asked).is_some(),
            Err((target, why)) => {
                self.wait(id, request, target, &Wait::Blocked(why));
                false
            }
        }
    }

    /// Whether the port of a pod is as it should be, or there is to be none. If that is not known yet, it is ordered or answered.
    pub(super) fn checks_node_access(
        &mut self,
        id: RequestId,
        request: &Request,
        targets: &[Target<'_>],
    ) -> bool {
        let port = self.facts.ports.of_pod(&request.sandbox);
        let Some((key, _)) = port.filter(|(_, port)| port.state == PortState::Added) else {
            let is_asked = asked(targets).is_ok_and(|asked| asked.is_some());
            let lacks = is_asked && self.is_first(&request.sandbox);
            if lacks {
                self.missing(id, "the pod has no node access, which its class says; delete the pod, its successor has it".to_owned());
            }
            return !lacks;
        };
        if request.port_done {
            return true;
        }
        if self.is_taken(key) {
            let why = "its way to the node is being set up or deleted";
            self.wait_until(request.since + LONGEST_ADD, id, why);
        } else {
            self.taken_ports.insert(key);
            self.order(Order::Port(PortOrder::Check { request: id, key }));
        }
        false
    }

    fn is_first(&self, sandbox: &Sandbox) -> bool {
        let is_first = |plug: &Plug| plug.position == Position::First;
        self.facts.plugs_of(sandbox).any(|(_, plug)| is_first(plug))
    }
}

/// The port of a pod with these ENIs; an error: two of them do not ask for the same.
fn asked<'a>(targets: &[Target<'a>]) -> Result<Option<PortAsked>, (Target<'a>, String)> {
    let access =
        |target: &Target<'a>| -> Option<&'a NodeAccess> { target.interface().node_access.as_ref() };
    let Some((first, wanted)) = targets.iter().find_map(|it| Some((it, access(it)?))) else {
        return Ok(None);
    };
    let mut others = targets.iter();
    if let Some(other) = others.find(|it| access(it).is_some_and(|other| other != wanted)) {
        let why = format!(
            "its class and that of {first} do not say the same of nodeAccess, and a pod has one; make them the same, or take it out of one"
        );
        return Err((*other, why));
    }
    if let Some((target, why)) = targets
        .iter()
        .find_map(|it| Some((*it, overlap(wanted, it.interface())?)))
    {
        return Err((target, why));
    }
    let enis = targets.iter().filter(|it| access(it).is_some());
    let enis = enis.map(|it| -> &'a Interface { it.interface() });
    Ok(Some(wanted.port(enis)))
}

/// What the VPC, and agents of the node, serve at addresses that look like those of a link ("Link-local addresses", Amazon EC2 User Guide).
fn on_link() -> impl Iterator<Item = (IpNet, &'static str)> {
    let vpc = [
        IpAddr::from(METADATA_V4),
        IpAddr::from([169, 254, 169, 253]),
        IpAddr::from([169, 254, 169, 123]),
    ];
    let vpc = vpc.map(|ip| (ip.into(), "an address of the VPC's own services"));
    let ipv6 = Ipv6Net::new_assert(METADATA_V6, 32).trunc();
    let node = on_node().map(|ip| (ip.into(), "an address that agents of the node serve at"));
    vpc.into_iter()
        .chain([(ipv6.into(), "the network of the VPC's own services")])
        .chain(node)
}

/// What of the networks that an ENI, the cluster, the VPC or the node has the bridge would hide.
fn overlap(access: &NodeAccess, interface: &Interface) -> Option<String> {
    let of_eni = interface
        .addresses
        .iter()
        .map(|it| (subnet(it), "the ENI's subnet"));
    let of_cluster = interface
        .cluster
        .iter()
        .map(|it| (*it, "a network of the cluster"));
    let of_destinations = (access.destinations.iter()).map(|it| (*it, "one of its destinations"));
    let mut networks = of_eni
        .chain(of_cluster)
        .chain(of_destinations)
        .chain(on_link());
    networks.find_map(|(network, whose)| {
        let mut subnets = access.subnets.iter();
        let subnet = subnets.find(|it| it.contains(&network) || network.contains(*it))?;
        Some(format!(
            "the subnet {subnet} of nodeAccess overlaps {network}, {whose}; choose another subnet in the class"
        ))
    })
}
