//! Where leases are measured: a host with many devices, and a VPC whose DHCP server knows all of them.

use std::fmt::Write;

use crate::node::{
    claims::{PREFIX, Pod, ROUTER},
    dnsmasq::Dnsmasq,
    namespace::Namespace,
};

/// Of a lease, in seconds; what a VPC gives for IPv6.
pub const LIFETIME: u32 = 140;
/// What joins the ENIs in the VPC.
const BRIDGE: &str = "subnet";

/// Host, VPC and server.
pub struct Site {
    /// Where agent and plugins run.
    pub host: Namespace,
    /// The DHCP server.
    pub server: Dnsmasq,
    /// Goes last: the server is in it.
    _vpc: Namespace,
}

impl Site {
    /// A host with the devices of so many pods.
    pub fn new(pods: usize) -> anyhow::Result<Self> {
        let (host, vpc) = (Namespace::new("host")?, Namespace::new("vpc")?);
        let mut links = String::new();
        for pod in (0..pods).map(Pod) {
            writeln!(links, "{}", pod.wire(&vpc))?;
        }
        host.ip(&links)?;
        // Its MAC address would change with each link that joins it.
        let mut links = format!(
            "link add {BRIDGE} address 02:ff:00:00:00:01 type bridge mcast_snooping 0\n\
             addr add {ROUTER}/{PREFIX} dev {BRIDGE}\nlink set {BRIDGE} up\n"
        );
        for pod in (0..pods).map(Pod) {
            let (mac, address, other) = (pod.mac(), pod.address(), pod.other_end());
            // No ENI hears what another one broadcasts, and the subnet knows whose each address is.
            writeln!(links, "link set {other} master {BRIDGE}")?;
            writeln!(links, "link set {other} type bridge_slave isolated on")?;
            writeln!(links, "link set {other} up")?;
            writeln!(
                links,
                "neigh add {address} lladdr {mac} dev {BRIDGE} nud permanent"
            )?;
        }
        vpc.ip(&links)?;
        let server = Dnsmasq::start(&vpc, BRIDGE, (0..pods).map(Pod), LIFETIME)?;
        Ok(Self {
            host,
            server,
            _vpc: vpc,
        })
    }
}
