//! Pods with IPv6, secondary addresses and delegated prefixes, and the peer in the VPC that sees where their traffic comes from.

use anyhow::{Context, ensure};
use e2e::world::{Space, peer_of};
use serde_json::{Value, json};

use super::makers::{asking, capable, class, pod};

const NODES: &str = "subnet-000000000000000a1";
const IPV6_ALONE: &str = "subnet-000000000000000a6";

/// Addresses of the pod's ENI: of IPv4 and of IPv6, then its prefixes.
struct Shape([usize; 2], &'static [u64]);

/// Shape: IPv4+IPv6, 2 addresses, 1 prefix.
/// Shape: IPv6.
/// Dual-stack with a secondary address and a prefix of the other family, both ways round, and IPv6 alone: each talks with the
/// peer from every address it has, and from one out of each prefix.
pub fn talk_from_every_address(space: &Space) -> anyhow::Result<()> {
    let created = space.world.calls("CreateNetworkInterface")?.len();
    let pods = [
        (
            "four",
            NODES,
            json!(["IPv4", "IPv6"]),
            json!({"ipv4": 2, "ipv6Prefixes": 1}),
            Shape([2, 0], &[80]),
        ),
        (
            "six",
            NODES,
            json!(["IPv6", "IPv4"]),
            json!({"ipv6": 2, "ipv4Prefixes": 1}),
            Shape([1, 2], &[28]),
        ),
        (
            "only",
            IPV6_ALONE,
            json!(["IPv6"]),
            json!({}),
            Shape([0, 1], &[]),
        ),
    ];
    for (name, subnet, families, counts, _) in &pods {
        let of_pod = format!("{}-{name}", space.name());
        let mut class = class(space);
        class["metadata"]["name"] = json!(of_pod);
        class["spec"]["subnets"]["ids"] = json!([subnet]);
        class["spec"]["ipFamilies"] = families.clone();
        class["spec"]["addressCounts"] = counts.clone();
        space.apply(&class)?;
        // It puts an address out of its prefix on an interface of its own.
        space.apply(&capable(asking(pod(name), &of_pod), &["NET_ADMIN"]))?;
    }
    for (name, _, families, _, shape) in &pods {
        space.await_ready(name)?;
        let claim = space.claim_of(name)?;
        let first = address(&claim, 0)?;
        ensure!(first.contains(':') == (families[0] == "IPv6"), "{claim:#}");
        talks(space, name, &claim, shape).with_context(|| format!("pod {name}"))?;
    }
    let made = space.world.calls("CreateNetworkInterface")?.len() - created;
    ensure!(made == pods.len(), "{made} Creates for {} pods", pods.len());
    let wide = space.kubectl(&["get", "eniclaims", "-o", "wide"])?;
    ensure!(
        wide.contains("IPV6") && wide.contains("2001:db8:ec2:a6::"),
        "{wide}"
    );
    space.delete_pods(&pods.map(|(name, ..)| name))
}

fn address(claim: &Value, index: usize) -> anyhow::Result<String> {
    let address = claim["status"]["ipam"]["addresses"][index]["address"].as_str();
    Ok(address.with_context(|| format!("{claim:#}"))?.to_owned())
}

/// The claim says what the ENI has, and the peer sees each of it.
fn talks(
    space: &Space,
    pod: &str,
    claim: &Value,
    Shape(counts, lengths): &Shape,
) -> anyhow::Result<()> {
    let ipam = &claim["status"]["ipam"];
    let all: Vec<String> = (0..counts.iter().sum())
        .map(|index| address(claim, index))
        .collect::<anyhow::Result<_>>()?;
    let ipv6 = all.iter().filter(|address| address.contains(':')).count();
    ensure!([all.len() - ipv6, ipv6] == *counts, "{ipam:#}");
    let prefixes: Vec<&str> = ipam["prefixes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    ensure!(prefixes.len() == lengths.len(), "{ipam:#}");
    let mut sources = all;
    for (prefix, length) in prefixes.iter().zip(*lengths) {
        let base = prefix
            .strip_suffix(&format!("/{length}"))
            .with_context(|| format!("{ipam:#}"))?;
        let inside = match base.rsplit_once('.') {
            Some((network, last)) => format!("{network}.{}", last.parse::<u8>()? + 3),
            None => format!("{base}3"),
        };
        space.exec(pod, &["/bin/ip", "address", "add", &inside, "dev", "lo"])?;
        sources.push(inside);
    }
    for source in &sources {
        let get = ["/probe", "get", &peer_of(source), "--from", source];
        let answer = space.exec(pod, &get)?;
        ensure!(
            answer == format!("hello {source}\n"),
            "the peer saw {answer:?}, not {source}"
        );
    }
    Ok(())
}
