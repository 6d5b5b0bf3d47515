//! The main job: one labelled pod, from nothing to nothing.

use anyhow::{Context, ensure};
use e2e::world::{PEER, PORT, World};
use serde_json::Value;

/// Ready, its own interface, its own security group, its primary network as before, no metadata, and all gone afterwards.
pub fn one_pod(world: &World) -> anyhow::Result<()> {
    world.kubectl(&[
        "apply",
        "-f",
        &world.example("class.yaml"),
        "-f",
        &world.example("pod.yaml"),
        "-f",
        &world.example("plain-pod.yaml"),
    ])?;
    world.await_ready("web")?;
    let claim = world.claim_of("web")?;
    let (mac, address) = (
        claim["status"]["eni"]["mac"].clone(),
        world.eni_address("web")?,
    );
    link_is_in_the_pod(world, &mac, &address)?;
    let peer = format!("{PEER}:{PORT}");
    let answer = world.exec("web", &["/probe", "get", &peer, "--from", &address])?;
    ensure!(
        answer == format!("hello {address}\n"),
        "the peer saw {answer:?}, not the ENI's address {address}"
    );
    let plain = world.exec("plain", &["/probe", "get", &peer, "--timeout", "2"]);
    ensure!(
        plain.is_err(),
        "the peer let in a pod without the security group"
    );
    metadata_is_blocked(world, &address)?;
    ensure!(
        claim["status"]["device"]["ifName"] == "eni0" && claim["status"]["nodeName"].is_string(),
        "claim: {claim:#}"
    );
    ensure!(
        world.calls("CreateNetworkInterface")?.len() == 1,
        "more than one Create for one pod"
    );
    world.delete_pods(&["web", "plain"])
}

fn link_is_in_the_pod(world: &World, mac: &Value, address: &str) -> anyhow::Result<()> {
    let links = world.exec("web", &["/bin/ip", "address", "show", "eni0"])?;
    ensure!(
        links.contains(mac.as_str().context("no MAC")?) && links.contains(&format!("{address}/32")),
        "eni0: {links}"
    );
    Ok(())
}

fn metadata_is_blocked(world: &World, address: &str) -> anyhow::Result<()> {
    let plain = world.exec(
        "web",
        &[
            "/probe",
            "get",
            "169.254.169.254:80",
            "--from",
            address,
            "--timeout",
            "2",
        ],
    );
    ensure!(
        plain.is_err(),
        "the metadata service answered a kernel socket"
    );
    let raw = world.exec("web", &["/probe", "raw-metadata", "--gateway", "10.0.1.1"]);
    let said = raw
        .err()
        .context("the metadata service answered a raw socket")?
        .to_string();
    ensure!(
        said.contains("did not answer a raw frame") || said.contains("send on eni0"),
        "the raw probe itself failed: {said}"
    );
    Ok(())
}

/// The plugin passes a pod without the annotation through without any socket: seen by strace on the node.
pub fn pass_through(world: &World) -> anyhow::Result<()> {
    let input = r#"{"cniVersion":"1.1.0","name":"pods","type":"eniclaim","prevResult":{"cniVersion":"1.1.0","interfaces":[],"ips":[]}}"#;
    let command = format!(
        "printf '%s' '{input}' | CNI_COMMAND=ADD CNI_CONTAINERID=c1 CNI_NETNS=/run/netns/none CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin \
         strace -f -o /run/trace /opt/cni/bin/eniclaim && cat /run/trace"
    );
    let seen = world.cluster.node(0).exec(&["sh", "-c", &command])?;
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
