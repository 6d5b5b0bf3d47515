//! One labelled pod, from its creation until nothing of it is left.

use anyhow::{Context, ensure};
use e2e::world::{PEER, PORT, Space};
use serde_json::{Value, json};

use super::makers::blocked_and_allowed;

/// Ready, its own interface, its own security group, its primary network as before, and all gone afterwards.
/// Cases: M01, A01.
/// Shape: IPv4.
pub fn one_pod(space: &Space) -> anyhow::Result<()> {
    let created = space.world.calls("CreateNetworkInterface")?.len();
    apply_examples(space)?;
    space.await_ready("web")?;
    let claim = space.claim_of("web")?;
    let (mac, address) = (
        claim["status"]["eni"]["mac"].clone(),
        space.eni_address("web")?,
    );
    link_is_in_the_pod(space, &mac, &address)?;
    let peer = format!("{PEER}:{PORT}");
    let answer = space.exec("web", &["/probe", "get", &peer, "--from", &address])?;
    ensure!(
        answer == format!("hello {address}\n"),
        "the peer saw {answer:?}, not the ENI's address {address}"
    );
    let plain = space.exec("plain", &["/probe", "get", &peer, "--timeout", "2"]);
    ensure!(
        plain.is_err(),
        "the peer let in a pod without the security group"
    );
    ensure!(
        claim["status"]["device"]["ifName"] == "eni0" && claim["status"]["nodeName"].is_string(),
        "claim: {claim:#}"
    );
    ensure!(
        space.world.calls("CreateNetworkInterface")?.len() == created + 1,
        "more than one Create for one pod"
    );
    space.delete_pods(&["web", "plain"])
}

/// The objects of docs/examples, in this namespace.
fn apply_examples(space: &Space) -> anyhow::Result<()> {
    for name in ["class.yaml", "pod.yaml", "plain-pod.yaml"] {
        space.kubectl(&["apply", "-f", &space.world.example(name)])?;
    }
    space.owns_class("app");
    let here = json!({"spec": {"namespaceSelector": {"matchLabels": {
        "kubernetes.io/metadata.name": space.name(),
    }}}});
    let patch = ["patch", "eniclass", "app", "--type=merge", "-p"];
    space
        .kubectl(&[&patch[..], &[&here.to_string()]].concat())
        .map(drop)
}

fn link_is_in_the_pod(space: &Space, mac: &Value, address: &str) -> anyhow::Result<()> {
    let links = space.exec("web", &["/bin/ip", "address", "show", "eni0"])?;
    ensure!(
        links.contains(mac.as_str().context("no MAC")?) && links.contains(&format!("{address}/32")),
        "eni0: {links}"
    );
    Ok(())
}

/// The instance metadata service is refused, and where the class allows it reached, without which the refusals would prove
/// nothing.
/// Cases: I01, I06, I07.
pub fn metadata(space: &Space) -> anyhow::Result<()> {
    blocked_and_allowed(space)?;
    space.await_ready("blocked")?;
    space.await_ready("allowed")?;
    space.metadata_is_reached("allowed")?;
    space.metadata_is_refused("blocked")?;
    space.delete_pods(&["blocked", "allowed"])
}

/// The plugin passes a pod without the annotation through without any socket: seen by strace on the node.
pub fn pass_through(space: &Space) -> anyhow::Result<()> {
    let input = r#"{"cniVersion":"1.1.0","name":"pods","type":"eniclaim","prevResult":{"cniVersion":"1.1.0","interfaces":[],"ips":[]}}"#;
    let command = format!(
        "printf '%s' '{input}' | CNI_COMMAND=ADD CNI_CONTAINERID=c1 CNI_NETNS=/run/netns/none CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin \
         strace -f -o /run/trace /opt/cni/bin/eniclaim && cat /run/trace && rm /run/trace"
    );
    let seen = space.world.cluster.node(0).exec(&["sh", "-c", &command])?;
    let seen = String::from_utf8_lossy(&seen.stdout).into_owned();
    ensure!(
        seen.contains("\"cniVersion\":\"1.1.0\"") && seen.contains("execve("),
        "no pass-through result or no trace: {seen}"
    );
    ensure!(
        !seen.contains("socket(") && !seen.contains("connect("),
        "the plugin opened a socket: {seen}"
    );
    Ok(())
}
