//! What comes out of an ENI, seen on the VPC's end of its wire.

use anyhow::{Context, bail};

use super::World;

impl World {
    /// From now on counts the packets that come out of an ENI for the instance metadata service, below all routing.
    pub(super) fn count_metadata(&self, eni: &str) -> anyhow::Result<()> {
        let wire = wire(eni);
        // Matched by the destination's bytes, whatever the frame calls itself; the kernel has taken a VLAN tag off.
        let rules = format!(
            "table netdev {wire} {{
                chain in {{
                    type filter hook ingress device {wire} priority 0;
                    @nh,128,32 0xa9fea9fe counter
                    @nh,192,128 0xfd000ec2000000000000000000000254 counter
                }}
            }}"
        );
        let script = format!("echo '{rules}' | nft -f -");
        self.in_vpc(&script).map(drop)
    }

    /// How many packets for the instance metadata service came out of an ENI: IPv4, IPv6.
    pub fn counted_metadata(&self, eni: &str) -> anyhow::Result<[u64; 2]> {
        let said = self.in_vpc(&format!("nft list table netdev {}", wire(eni)))?;
        let counts: Vec<u64> = said
            .split("counter packets ")
            .skip(1)
            .filter_map(|rest| rest.split(' ').next()?.parse().ok())
            .collect();
        let found = <[u64; 2]>::try_from(counts);
        found
            .ok()
            .with_context(|| format!("not two counters: {said}"))
    }

    /// Ends the counting. The ENI may be gone, and the counting may never have begun.
    pub(super) fn forget_metadata(&self, eni: &str) -> anyhow::Result<()> {
        let wire = wire(eni);
        let script = format!("echo 'table netdev {wire}; delete table netdev {wire}' | nft -f -");
        self.in_vpc(&script).map(drop)
    }

    pub(super) fn in_vpc(&self, script: &str) -> anyhow::Result<String> {
        let netns = format!("{}-vpc", self.cluster.prefix());
        let output = self.cluster.in_netns(&netns, &["sh", "-euc", script])?;
        if !output.status.success() {
            bail!(
                "in the VPC: {script}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// The name of the VPC's end of an ENI's wire.
fn wire(eni: &str) -> String {
    let number = eni.trim_start_matches("eni-").trim_start_matches('0');
    format!("eni{number}")
}
