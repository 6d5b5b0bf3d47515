//! Who is asked by a pod, and who asks it, in each family; and by which interface the answers go, as the interface's counters show.

use std::{fmt::Write as _, net::SocketAddr};

use anyhow::{Context, ensure};
use e2e::world::{PEER, PEER_V6, PORT, Space};
use serde_json::Value;

/// A TCP connection sends at least so many packets; neighbour discovery and the like, fewer.
const CONNECTION: u64 = 3;
/// Says how many packets the ENI has sent.
const SENT: &str = "/bin/busybox awk '/eni0:/ { print $11 }' /proc/net/dev";

/// What a pod is asked or asks, as a person calls it, and by which interface it is answered.
pub type Answer = (&'static str, String);

/// A family, and who is where in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// EKS Pod Identity, on every node.
    pub fn credentials(self) -> &'static str {
        match self {
            Self::V4 => "169.254.170.23",
            Self::V6 => "fd00:ec2::23",
        }
    }

    pub fn peer(self) -> &'static str {
        match self {
            Self::V4 => PEER,
            Self::V6 => PEER_V6,
        }
    }

    /// Where EC2 answers, outside the VPC.
    pub fn outside(self) -> &'static str {
        match self {
            Self::V4 => "192.0.2.1",
            Self::V6 => "2001:db8::1",
        }
    }

    /// What of an object's lists of addresses, one a family, is of this one.
    pub fn of(self, list: &Value) -> Option<&str> {
        let is_ours = |address: &&str| address.contains(':') == (self == Self::V6);
        let texts = list.as_array().into_iter().flatten();
        let mut texts = texts.filter_map(|one| one.as_str().or_else(|| one["ip"].as_str()));
        texts.find(is_ours)
    }

    pub fn pod(self, space: &Space, name: &str) -> anyhow::Result<String> {
        let pod = space.get("pod", name)?;
        let address = self.of(&pod["status"]["podIPs"]);
        Ok(address
            .with_context(|| format!("{name} has no {} address", self.name()))?
            .to_owned())
    }

    pub fn service(self, space: &Space, name: &str) -> anyhow::Result<String> {
        let service = space.kubectl(&["get", "service", name, "-o", "json"])?;
        let service: Value = serde_json::from_str(&service)?;
        let address = self.of(&service["spec"]["clusterIPs"]);
        Ok(address
            .with_context(|| format!("{name}: {service}"))?
            .to_owned())
    }

    /// The address of a node in its subnet, counted from 0.
    pub fn node(self, space: &Space, node: usize) -> anyhow::Result<String> {
        if self == Self::V4 {
            return Ok(space.world.cluster.node(node).address());
        }
        let script = "ip -6 -o address show dev eth0 scope global | awk '{ print $4 }'";
        let said = space.world.on_node(node, script)?;
        let address = said.trim().strip_suffix("/128");
        Ok(address
            .with_context(|| format!("node {node}: {said}"))?
            .to_owned())
    }

    pub fn eni(self, space: &Space, pod: &str) -> anyhow::Result<String> {
        let addresses = e2e::world::addresses(&space.claim_of(pod)?);
        let mut ours = addresses.into_iter();
        let ours = ours.find(|address| address.contains(':') == (self == Self::V6));
        ours.with_context(|| format!("the ENI of {pod} has no {}", self.name()))
    }
}

pub fn at(address: &str, port: u16) -> anyhow::Result<String> {
    Ok(SocketAddr::new(address.parse()?, port).to_string())
}

/// Whom the pod asks, without choosing an address of its own.
pub fn outward(space: &Space, pod: &str, family: Family) -> anyhow::Result<Vec<Answer>> {
    let outside = at(family.outside(), 80)?;
    let mut questions = vec![
        ("asks a Service", at(&family.service(space, "other")?, 53)?),
        (
            "asks its own Service",
            at(&family.service(space, pod)?, 53)?,
        ),
        ("asks cluster DNS", at(&family.service(space, "dns")?, 53)?),
        (
            match family {
                Family::V4 => "asks for credentials at 169.254.170.23",
                Family::V6 => "asks for credentials at fd00:ec2::23",
            },
            at(family.credentials(), 80)?,
        ),
        ("asks its node", at(&family.node(space, 0)?, 80)?),
        (
            "asks a pod of its node",
            at(&family.pod(space, "other")?, PORT)?,
        ),
    ];
    if family == Family::V4 {
        let far = at(&family.pod(space, "far")?, PORT)?;
        questions.push(("asks a pod of another node", far));
    }
    questions.extend([
        (
            "asks a neighbour in the subnet of ENI and node",
            at(&family.node(space, 1)?, 8081)?,
        ),
        (
            "asks a peer that lets in the ENI's security group alone",
            at(family.peer(), PORT)?,
        ),
        ("asks somebody outside the VPC", outside.clone()),
    ]);
    let mut script = format!("eni() {{ {SENT}; }}\n");
    for (_, to) in &questions {
        // Outside the VPC nobody serves what the probe expects: that the connection stands is the answer.
        let verb = if *to == outside { "connect" } else { "get" };
        writeln!(
            script,
            "before=$(eni); /probe {verb} {to} --timeout 1 >/dev/null 2>&1; echo $before $? $(eni)"
        )?;
    }
    let said = space.exec(pod, &["/bin/sh", "-c", &script])?;
    let lines: Vec<&str> = said.lines().collect();
    ensure!(lines.len() == questions.len(), "{pod}: {said}");
    (questions.iter().zip(lines))
        .map(|((what, _), line)| Ok((*what, way(line).with_context(|| format!("{pod} {what}"))?)))
        .collect()
}

/// Who asks the pod, at its usual address and at the ENI's.
pub fn inward(space: &Space, pod: &str, family: Family) -> anyhow::Result<Vec<Answer>> {
    let (usual, eni) = (family.pod(space, pod)?, family.eni(space, pod)?);
    let its_node = ("is asked by its node", "host", &usual);
    let of_its_node = ("is asked by a pod of its node", "other", &usual);
    let at_the_eni = (
        "is asked by a neighbour at the ENI's address",
        "neighbour",
        &eni,
    );
    let mut seen = Vec::new();
    let questions = match family {
        Family::V4 => {
            // It is Ready, so they were answered; and they go to the pod's usual address.
            seen.push(("is asked by kubelet's probes", "eth0".to_owned()));
            let neighbour = "is asked by a neighbour in the subnet of ENI and node";
            vec![
                its_node,
                (neighbour, "neighbour", &usual),
                of_its_node,
                ("is asked by a pod of another node", "far", &usual),
                at_the_eni,
            ]
        }
        Family::V6 => vec![its_node, of_its_node, at_the_eni],
    };
    for (what, who, to) in questions {
        let sent = || -> anyhow::Result<u64> {
            Ok(space.exec(pod, &["/bin/sh", "-c", SENT])?.trim().parse()?)
        };
        let before = sent()?;
        let asked = space.exec(who, &["/probe", "get", &at(to, PORT)?, "--timeout", "1"]);
        let failed = i32::from(asked.is_err());
        let line = format!("{before} {failed} {}", sent()?);
        seen.push((what, way(&line).with_context(|| format!("{pod} {what}"))?));
    }
    Ok(seen)
}

/// From what the ENI had sent before and after, and whether there was an answer.
fn way(line: &str) -> anyhow::Result<String> {
    let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [before, failed, after] = numbers[..] else {
        anyhow::bail!("not three numbers: {line}");
    };
    let by_eni = after - before >= CONNECTION;
    Ok(match (failed, by_eni) {
        (0, true) => "eni0",
        (0, false) => "eth0",
        _ => "no answer",
    }
    .to_owned())
}
