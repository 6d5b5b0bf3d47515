//! Pods with several interfaces of several classes: how they start, and which are refused.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use e2e::world::{SOON, Space, addresses, peer_of};
use serde_json::{Value, json};

use super::makers::{asking, asking_several, class, pod};

/// Of the first class and of the second one in turn.
pub const NAMES: [&str; 4] = ["eni1", "eni2", "eni3", "eni4"];
/// How much later four interfaces may be Ready than one.
const LATER: Duration = Duration::from_millis(1500);
/// The MTU of the second class, which has IPv6 beside IPv4.
const MTU: u64 = 1400;

/// Shape: IPv4 or IPv4+IPv6, 4 interfaces.
/// Four are Ready hardly later than one, each with its addresses and as its class says, and again in the pod's next sandbox.
pub fn four_of_two_classes(space: &Space) -> anyhow::Result<()> {
    space.real_delays()?;
    let four = with_classes(space)?;
    hardly_later(space, &four)?;
    space.await_ready("four")?;
    policy_has_counted(space)?;
    each_reaches_the_peer(space, "four")?;
    each_event_once(space)?;
    let former = space.end_sandbox("four")?;
    space.await_sandbox("four", &former)?;
    each_reaches_the_peer(space, "four")?;
    space.delete_pods(&["one", "four"])
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
    two_classes(space)?;
    Ok(asking_several(pod("four"), space.name(), &four(space)))
}

/// Applies a class with IPv4 and one with both families.
pub fn two_classes(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    space.apply(&second_class(space))
}

pub fn second_class(space: &Space) -> Value {
    let mut second = class(space);
    second["metadata"]["name"] = json!(second_name(space));
    second["spec"]["ipFamilies"] = json!(["IPv4", "IPv6"]);
    second["spec"]["interface"] = json!({"mtu": MTU});
    second
}

fn second_name(space: &Space) -> String {
    format!("{}-second", space.name())
}

/// Four interfaces, as a pod asks for them.
pub fn four(space: &Space) -> String {
    let classes = [space.name().to_owned(), second_name(space)];
    let of_class = NAMES.iter().zip(classes.iter().cycle());
    let all: Vec<String> = of_class
        .map(|(name, class)| format!("{name}={class}"))
        .collect();
    all.join(",")
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
    for class in [space.name().to_owned(), second_name(space)] {
        let key = format!("class.eniclaim.io/{class}");
        ensure!(selector[&key] == "true", "no {key}: {selector}");
    }
    Ok(())
}

/// The addresses of a pod's interface.
pub fn of_interface(space: &Space, pod: &str, name: &str) -> anyhow::Result<Vec<String>> {
    let own = addresses(&space.claim_of_interface(pod, name)?);
    ensure!(!own.is_empty(), "{name} of {pod} has no address");
    Ok(own)
}

/// Each interface has its own addresses and MTU, and the peer sees each of these addresses.
pub fn each_reaches_the_peer(space: &Space, pod: &str) -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    for (number, name) in NAMES.iter().enumerate() {
        let second = number % 2 == 1;
        let own = of_interface(space, pod, name)?;
        let ipv6 = own.iter().filter(|address| address.contains(':')).count();
        ensure!(
            [own.len(), ipv6] == if second { [2, 1] } else { [1, 0] },
            "{name}: {own:?}"
        );
        let link = space.exec(pod, &["/bin/ip", "address", "show", name])?;
        ensure!(
            link.contains(&format!("mtu {MTU} ")) == second,
            "{name}: {link}"
        );
        for address in own {
            ensure!(link.contains(&format!(" {address}/")), "{name}: {link}");
            let get = ["/probe", "get", &peer_of(&address), "--from", &address];
            let answer = space.exec(pod, &get)?;
            ensure!(
                answer == format!("hello {address}\n"),
                "by {name} the peer saw {answer:?}, not {address}"
            );
            seen.insert(address);
        }
    }
    ensure!(seen.len() == 6, "addresses: {seen:?}");
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
