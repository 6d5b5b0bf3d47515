//! Pods with several interfaces of several classes.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use e2e::world::{PEER, PORT, SOON, Space, address, condition};
use serde_json::{Value, json};

use super::makers::{asking, asking_several, class, pod};

const NAMES: [&str; 4] = ["eni1", "eni2", "eni3", "eni4"];
/// How much later four interfaces may be Ready than one.
const LATER: Duration = Duration::from_millis(1500);
/// The MTU of the second class.
const MTU: u64 = 1400;

/// Shape: IPv4, 4 interfaces.
/// Four are Ready hardly later than one, each with its address and as its class says, and again in the pod's next sandbox.
pub fn four_of_two_classes(space: &Space) -> anyhow::Result<()> {
    space.real_delays()?;
    let four = with_classes(space)?;
    hardly_later(space, &four)?;
    space.await_ready("four")?;
    policy_has_counted(space)?;
    each_reaches_the_peer(space)?;
    each_event_once(space)?;
    let former = space.end_sandbox("four")?;
    space.await_sandbox("four", &former)?;
    each_reaches_the_peer(space)?;
    space.delete_pods(&["one", "four"])
}

/// Another client of EC2 takes the ENI of one interface: the others go on, not a connection fails, and the pod's next sandbox
/// has all four again, one of them another ENI.
pub fn one_is_replaced(space: &Space) -> anyhow::Result<()> {
    space.apply(&with_classes(space)?)?;
    space.await_ready("four")?;
    let (victim, before) = (space.claim_of_interface("four", "eni2")?, others(space)?);
    let traffic = NAMES.iter().filter(|name| **name != "eni2").map(|name| {
        let claim = space.claim_of_interface("four", name)?;
        space.traffic_from("four", &address(&claim)?)
    });
    let traffic = traffic.collect::<anyhow::Result<Vec<_>>>()?;
    let eni = victim["status"]["eni"]["id"].as_str().context("no ENI")?;
    let attachment = &victim["status"]["attachment"]["id"];
    let attachment = attachment.as_str().context("no attachment")?;
    let world = space.world;
    world.ec2("DetachNetworkInterface", &[("AttachmentId", attachment)])?;
    world.wait("the ENI to be deleted", SOON, || {
        let deleted = world.ec2("DeleteNetworkInterface", &[("NetworkInterfaceId", eni)]);
        deleted.map(|_| true)
    })?;
    world.wait("another ENI of the same claim", 2 * SOON, || {
        let status = space.claim_of_interface("four", "eni2")?["status"].clone();
        Ok(status["eni"]["id"].is_string()
            && status["eni"]["id"] != eni
            && status["attachment"]["id"].is_string())
    })?;
    space.await_event("four", "interface eni2: ")?;
    for stream in traffic {
        stream.answered()?;
        stream.end()?;
    }
    let after = others(space)?;
    ensure!(after == before, "claims changed: {before:?}, {after:?}");
    let former = space.end_sandbox("four")?;
    space.await_sandbox("four", &former)?;
    each_reaches_the_peer(space)?;
    space.delete_pods(&["four"])
}

/// The API server says what is wrong; nothing of the pod comes to be.
pub fn refused(space: &Space) -> anyhow::Result<()> {
    for (interfaces, says) in [
        ("eni1", "a list of <interface>=<class>"),
        ("eth0=app", "eth0, lo, all and default are taken"),
        ("eni1=app,eni1=app", "names an interface twice"),
        ("eni1=db", "the label eniclaim.io/class is app"),
        (
            "e1=app,e2=app,e3=app,e4=app,e5=app,e6=app,e7=app,e8=app,e9=app",
            "a pod has 8 at most",
        ),
    ] {
        is_refused(
            space,
            &asking_several(pod("wrong"), "app", interfaces),
            says,
        )?;
    }
    let mut unlabelled = asking_several(pod("wrong"), "app", "eni1=app");
    unlabelled["metadata"]["labels"] = json!({});
    is_refused(space, &unlabelled, "needs the label eniclaim.io/class")?;
    let mut counted = asking_several(pod("wrong"), "app", "eni1=app,eni2=app");
    counted["spec"]["containers"][0]["resources"] = json!({"limits": {"eniclaim.io/eni": "1"}});
    is_refused(space, &counted, "gets 2 ENIs, and its limits count 1")?;
    // What runs keeps what it asked for.
    space.apply(&pod("plain"))?;
    let annotate = [
        "annotate",
        "pod",
        "plain",
        "eniclaim.io/interfaces=eni1=app",
    ];
    match space.kubectl(&annotate) {
        Err(error) if format!("{error:#}").contains("cannot change") => {}
        other => bail!("the annotation of a pod was changed: {other:?}"),
    }
    space.delete_pods(&["plain"])
}

fn is_refused(space: &Space, pod: &Value, says: &str) -> anyhow::Result<()> {
    let Err(error) = space.dry_run(pod) else {
        bail!("{says}: the API server took {pod}");
    };
    ensure!(
        format!("{error:#}").contains(says),
        "{says}: the API server said {error:#}"
    );
    Ok(())
}

/// Applies two classes; a pod `four` with two interfaces of each.
fn with_classes(space: &Space) -> anyhow::Result<Value> {
    space.apply(&class(space))?;
    let (first, second) = (space.name(), format!("{}-second", space.name()));
    let mut other = class(space);
    other["metadata"]["name"] = json!(second);
    other["spec"]["interface"] = json!({"mtu": MTU});
    space.apply(&other)?;
    let interfaces = format!("eni1={first},eni2={second},eni3={first},eni4={second}");
    Ok(asking_several(pod("four"), first, &interfaces))
}

/// Tries it up to three times, since other processes of the machine make four later more often than one.
fn hardly_later(space: &Space, four: &Value) -> anyhow::Result<()> {
    let mut tried = Vec::new();
    for _ in 0..3 {
        let one = until_ready(space, &asking(pod("one"), space.name()))?;
        let took = until_ready(space, four)?;
        println!(
            "Ready with one interface: {:.1} s, with four: {:.1} s",
            one.as_secs_f32(),
            took.as_secs_f32()
        );
        if took <= one + LATER {
            return Ok(());
        }
        tried.push((one, took));
        space.delete_pods(&["one", "four"])?;
    }
    bail!("too late each time, with one interface and with four: {tried:?}")
}

/// From the pod's creation until its claims are Ready; kubelet's probe asks once a second only.
fn until_ready(space: &Space, pod: &Value) -> anyhow::Result<Duration> {
    let name = pod["metadata"]["name"].as_str().context("a name")?;
    let interfaces = pod["metadata"]["annotations"]["eniclaim.io/interfaces"].as_str();
    let wanted = interfaces.map_or(1, |text| text.split(',').count());
    let start = Instant::now();
    space.apply(pod)?;
    space.world.wait("its claims", SOON, || {
        Ok(space.claims_of(name)?.len() == wanted)
    })?;
    space.await_claims(name)?;
    Ok(start.elapsed())
}

fn policy_has_counted(space: &Space) -> anyhow::Result<()> {
    let pod = space.get("pod", "four")?;
    let limits = &pod["spec"]["containers"][0]["resources"]["limits"];
    ensure!(limits["eniclaim.io/eni"] == "4", "limits: {limits}");
    let selector = &pod["spec"]["nodeSelector"];
    for class in [space.name().to_owned(), format!("{}-second", space.name())] {
        let key = format!("class.eniclaim.io/{class}");
        ensure!(selector[&key] == "true", "no {key}: {selector}");
    }
    Ok(())
}

/// Each interface has its own address and MTU, and the peer sees that address.
fn each_reaches_the_peer(space: &Space) -> anyhow::Result<()> {
    let peer = format!("{PEER}:{PORT}");
    let mut addresses = BTreeSet::new();
    for (number, name) in NAMES.iter().enumerate() {
        let own = address(&space.claim_of_interface("four", name)?)?;
        let link = space.exec("four", &["/bin/ip", "address", "show", name])?;
        ensure!(link.contains(&format!("inet {own}/32")), "{name}: {link}");
        let small = link.contains(&format!("mtu {MTU} "));
        ensure!(small == (number % 2 == 1), "{name}: {link}");
        let answer = space.exec("four", &["/probe", "get", &peer, "--from", &own])?;
        ensure!(
            answer == format!("hello {own}\n"),
            "by {name} the peer saw {answer:?}, not {own}"
        );
        addresses.insert(own);
    }
    ensure!(addresses.len() == NAMES.len(), "addresses: {addresses:?}");
    Ok(())
}

/// No two Events of the pod say the same.
fn each_event_once(space: &Space) -> anyhow::Result<()> {
    let events = space.events_of("Pod", "four")?;
    let ours = events
        .iter()
        .filter(|event| event["reportingComponent"] == "eniclaim-operator");
    let said: Vec<&Value> = ours.map(|event| &event["message"]).collect();
    let different: BTreeSet<String> = said.iter().map(ToString::to_string).collect();
    ensure!(different.len() == said.len(), "twice the same: {said:?}");
    Ok(())
}

/// ENIs, attachments and devices of the other claims, all Ready.
fn others(space: &Space) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    for name in ["eni1", "eni3", "eni4"] {
        let claim = space.claim_of_interface("four", name)?;
        let ready = condition(&claim, "Ready");
        ensure!(ready["status"] == "True", "{name}: {ready}");
        let status = &claim["status"];
        found.push(json!([
            status["eni"],
            status["attachment"],
            status["device"],
            ready
        ]));
    }
    Ok(found)
}
