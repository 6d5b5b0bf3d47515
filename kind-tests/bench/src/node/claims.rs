//! What the operator has written for the pods of one node.

use std::{
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

use crds::interface::DhcpMode;
use kube_api::{Method, Request};
use serde_json::{Value, json};

use crate::{
    node::{api_server::ApiServer, namespace::Namespace},
    world::makers::mac,
};

/// Name of the node.
pub const NODE: &str = "n1";
/// The watch that an agent keeps.
pub const CLAIMS: &str = "/apis/eniclaim.io/v1alpha1/eniclaims";
/// Namespace of the pods.
const NAMESPACE: &str = "shop";
const INSTANCE: &str = "i-0123456789abcdef0";
const MERGE: &str = "application/merge-patch+json";

const OURS: &str = "eniclaim.io/v1alpha1";
/// Of the subnet of all ENIs; the first 10 addresses are nobody's.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 10);
/// Its router, and what else the VPC has in it.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
/// Its prefix length: room for 750 ENIs.
pub const PREFIX: u8 = 22;
/// The same as a mask.
pub const MASK: Ipv4Addr = Ipv4Addr::from_bits(u32::MAX << (32 - PREFIX));

/// Device indices of a network card, as far as claims can name them.
const INDICES: usize = 127;

/// The reports of few claims must be there by then, and those of each claim more so much later.
const LIMIT: Duration = Duration::from_secs(30);
const LIMIT_EACH: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(250);

/// A pod whose claim has an ENI that is attached to the node.
#[derive(Debug, Clone, Copy)]
pub struct Pod(pub usize);

impl Pod {
    /// MAC address of its ENI.
    pub fn mac(self) -> String {
        mac(self.0).to_string()
    }

    /// Address of its ENI.
    pub fn address(self) -> String {
        let number = u32::try_from(self.0).unwrap_or(u32::MAX);
        Ipv4Addr::from_bits(FIRST.to_bits().saturating_add(number)).to_string()
    }

    /// The other end of its device, in the VPC.
    pub fn other_end(self) -> String {
        format!("eni{}", self.0)
    }

    /// The line for `ip` that makes its device on the host, with the other end in `vpc`.
    pub fn wire(self, vpc: &Namespace) -> String {
        let (device, mac, other) = (self.device_on_host(), self.mac(), self.other_end());
        let vpc = vpc.name();
        format!("link add {device} address {mac} type veth peer name {other} netns {vpc}")
    }

    /// `CNI_ARGS`.
    pub fn args(self) -> String {
        let (name, uid) = (self.name(), self.uid());
        format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE={NAMESPACE};K8S_POD_NAME={name};K8S_POD_UID={uid}"
        )
    }

    /// Name of its device on the host.
    pub fn device_on_host(self) -> String {
        format!("ec{}", self.mac().replace(':', ""))
    }

    fn name(self) -> String {
        format!("web-{}", self.0)
    }

    fn uid(self) -> String {
        format!("0b6f1d5e-0000-4000-8000-{:012x}", self.0)
    }

    fn claim(self) -> String {
        format!("{}-abcde", self.name())
    }

    fn owner(self) -> Value {
        json!({ "kind": "Pod", "name": self.name(), "uid": self.uid() })
    }

    fn status(self, dhcp: DhcpMode) -> Value {
        let number = self.0;
        json!({
            "phase": "Attaching", "nodeName": NODE,
            "binding": { "podName": self.name(), "podUid": self.uid(), "nodeUid": "n-1", "instanceId": INSTANCE, "since": "2026-01-01T00:00:00Z" },
            "interface": { "name": "eni0", "defaultRoute": "Never", "instanceMetadata": "Blocked", "dhcp": { "ipv4": dhcp } },
            "eni": {
                "id": format!("eni-{number:017x}"), "mac": self.mac(), "subnetId": "subnet-0123456789abcdef0",
                "vpcId": "vpc-0123456789abcdef0", "zone": "us-east-1a", "securityGroupIds": ["sg-0123456789abcdef0"],
            },
            "attachment": { "instanceId": INSTANCE, "networkCard": number / INDICES, "deviceIndex": 1 + number % INDICES, "id": format!("eni-attach-{number:017x}") },
            "ipam": { "addresses": [{ "address": self.address(), "prefixLength": PREFIX, "gateway": ROUTER, "role": "Primary" }] },
        })
    }
}

/// Writes the node, and these pods' claims. What is asked DHCPv4 servers for is one thing for all.
pub fn write(
    server: &ApiServer,
    pods: impl Iterator<Item = Pod>,
    dhcp: DhcpMode,
) -> anyhow::Result<()> {
    create(
        server,
        "/api/v1/namespaces",
        "v1",
        "Namespace",
        NAMESPACE,
        &Value::Null,
    )?;
    let nodes = "/apis/eniclaim.io/v1alpha1/eninodes";
    create(
        server,
        "/api/v1/namespaces",
        "v1",
        "Namespace",
        "kube-system",
        &Value::Null,
    )?;
    create(server, nodes, OURS, "EniNode", NODE, &json!({}))?;
    let instance = json!({ "id": INSTANCE, "type": "m5.24xlarge", "zone": "us-east-1a" });
    status(server, nodes, NODE, &json!({ "instance": instance }))?;
    let claims = format!("/apis/eniclaim.io/v1alpha1/namespaces/{NAMESPACE}/eniclaims");
    for pod in pods {
        let spec = json!({ "className": "app", "owner": pod.owner() });
        create(server, &claims, OURS, "EniClaim", &pod.claim(), &spec)?;
        status(server, &claims, &pod.claim(), &pod.status(dhcp))?;
    }
    Ok(())
}

/// Changes what these pods' agent asks DHCPv4 servers for.
pub fn ask_for_leases(
    server: &ApiServer,
    pods: impl Iterator<Item = Pod>,
    dhcp: DhcpMode,
) -> anyhow::Result<()> {
    let claims = format!("/apis/eniclaim.io/v1alpha1/namespaces/{NAMESPACE}/eniclaims");
    for pod in pods {
        let interface = json!({ "interface": { "dhcp": { "ipv4": dhcp } } });
        status(server, &claims, &pod.claim(), &interface)?;
    }
    Ok(())
}

/// Writes the claims of one pod that asks for so many interfaces by name. Its ENIs are those that these other pods would have.
pub fn write_several(server: &ApiServer, pod: Pod, enis: &[Pod]) -> anyhow::Result<()> {
    let claims = format!("/apis/eniclaim.io/v1alpha1/namespaces/{NAMESPACE}/eniclaims");
    for (number, eni) in enis.iter().enumerate() {
        let interface = interface(number);
        let name = format!("{}-{interface}", pod.claim());
        let spec =
            json!({ "className": "app", "owner": pod.owner(), "interface": { "name": interface } });
        create(server, &claims, OURS, "EniClaim", &name, &spec)?;
        let mut written = eni.status(DhcpMode::Maintain);
        for (pointer, value) in [
            ("/binding/podName", pod.name()),
            ("/binding/podUid", pod.uid()),
            ("/interface/name", interface),
        ] {
            if let Some(field) = written.pointer_mut(pointer) {
                *field = json!(value);
            }
        }
        status(server, &claims, &name, &written)?;
    }
    Ok(())
}

/// The annotation by which a pod asks for so many interfaces.
pub fn interfaces(count: usize) -> String {
    let named: Vec<String> = (0..count)
        .map(|n| format!("{}=app", interface(n)))
        .collect();
    named.join(",")
}

fn interface(number: usize) -> String {
    format!("eni{}", number + 1)
}

/// What an agent reports of a claim.
#[derive(Debug, Clone, Copy)]
pub enum Report {
    /// Its device.
    Device,
    /// That its device is in the pod.
    Plugged,
    /// That servers lease its address to it.
    Leased,
}

impl Report {
    fn is_in(self, claim: &Value) -> bool {
        let says = |pointer, word| claim.pointer(pointer).is_some_and(|said| said == word);
        match self {
            Self::Device => claim.pointer("/status/device").is_some(),
            Self::Plugged => says("/status/device/state", "Plugged"),
            Self::Leased => says("/status/leases/0/state", "Leased"),
        }
    }
}

/// Of how many claims the agent has reported that.
pub fn reports(server: &ApiServer, report: Report) -> anyhow::Result<usize> {
    let list = server.call(&Request::new(Method::Get, CLAIMS, Value::Null))?;
    let items = list.get("items").and_then(Value::as_array);
    Ok(items.map_or(0, |items| {
        items.iter().filter(|claim| report.is_in(claim)).count()
    }))
}

/// Waits until the agent has reported that of so many claims.
pub fn wait_for_reports(server: &ApiServer, count: usize, report: Report) -> anyhow::Result<()> {
    let each = LIMIT_EACH.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
    let deadline = Instant::now() + LIMIT + each;
    loop {
        let reports = reports(server, report)?;
        if reports >= count {
            return Ok(());
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "{reports} of {count} reports: {report:?}"
        );
        thread::sleep(PAUSE);
    }
}

fn create(
    server: &ApiServer,
    path: &str,
    version: &str,
    kind: &str,
    name: &str,
    spec: &Value,
) -> anyhow::Result<()> {
    let mut object = json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name } });
    if let (Some(fields), false) = (object.as_object_mut(), spec.is_null()) {
        fields.insert("spec".to_owned(), spec.clone());
    }
    server.call(&Request::new(Method::Post, path, object))?;
    Ok(())
}

fn status(server: &ApiServer, path: &str, name: &str, status: &Value) -> anyhow::Result<()> {
    let path = format!("{path}/{name}/status");
    let request = Request::new(Method::Patch, &path, json!({ "status": status }));
    server.call(&request.with_content_type(MERGE))?;
    Ok(())
}
