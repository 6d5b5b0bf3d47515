//! Unplug: from wherever the device is and whatever the pod did to it.

use std::os::unix::ffi::OsStrExt;

use node_agent::plug::{Unplugged, plug, unplug};
use node_agent_core::picture::PodSlot;
use node_agent_core::plan::Traces;
use serde_json::json;

use crate::world::{ENI, HOME, MAC, World, an_eni, an_interface};

const FIRST: PodSlot = PodSlot(0);
const LIVES: Traces = Traces::Remove;

fn plug_into(world: &World, pod: &str) {
    plug(
        &world.node(),
        &world.netns(pod),
        &an_eni(),
        &an_interface(),
        FIRST,
    )
    .unwrap();
}

fn plugged() -> World {
    let world = World::new();
    plug_into(&world, "pod");
    world
}

/// Unplugs from a pod that lives on: all went well.
fn home(world: &World) {
    let unplugged = unplug_from_pod(world);
    assert!(unplugged.found);
    assert!(unplugged.left.is_empty(), "{:?}", unplugged.left);
}

fn unplug_from_pod(world: &World) -> Unplugged {
    let (node, pod) = (world.node(), world.netns("pod"));
    unplug(&node, Some(&pod), &an_eni(), FIRST, LIVES).unwrap()
}

fn from_host(world: &World) -> bool {
    unplug(&world.node(), None, &an_eni(), FIRST, Traces::Leave)
        .unwrap()
        .found
}

fn is_home(world: &World) {
    let device = world.device("host").expect("the device is not on the host");
    assert_eq!(device["ifname"], HOME);
    assert_eq!(device["altnames"], json!([ENI]));
    assert_eq!(device["addr_info"], json!([]));
    assert!(device.get("ifalias").is_none(), "{device}");
    assert!(!device["flags"].as_array().unwrap().contains(&json!("UP")));
}

#[test]
fn living_pod_keeps_no_trace() {
    let world = World::new();
    let before = world.portrait("pod");
    plug_into(&world, "pod");
    assert_ne!(world.portrait("pod"), before);
    home(&world);
    assert_eq!(world.portrait("pod"), before);
    is_home(&world);
}

/// Cases: M12.
#[test]
fn second_time_changes_nothing() {
    let world = plugged();
    home(&world);
    let before = world.portrait("host");
    home(&world);
    assert!(from_host(&world));
    assert_eq!(world.portrait("host"), before);
}

#[test]
fn device_can_be_plugged_again_after_it_was_home() {
    let mut world = plugged();
    home(&world);
    world.pod("next");
    plug_into(&world, "next");
    assert_eq!(world.device("next").unwrap()["ifname"], "eni0");
}

#[test]
fn whatever_the_pod_did_to_the_device_it_comes_home_clean() {
    // A second name in the pod that is a link's name on the host makes a bare move fail with EEXIST.
    let world = plugged();
    world.ip("pod", &format!("link property add dev eni0 altname {HOME}"));
    world.ip("pod", "link property add dev eni0 altname veth3");
    world.ip("pod", "link set eni0 alias mine");
    world.rename("pod", "eni0", "taken");
    world.ip("pod", "addr add 192.0.2.1/24 dev taken");
    world.ip("pod", "link add br0 type bridge");
    world.ip("pod", "link set taken master br0");
    assert!(
        world.has_link("host", "veth3"),
        "the pod's first interface ends there"
    );
    home(&world);
    is_home(&world);
}

/// Cases: M12.
#[test]
fn dead_namespace_gives_the_device_back_and_it_is_tidied() {
    let mut world = plugged();
    world.kill("pod");
    // A NIC returns to the host under its name, if that is free; a veth dies with its namespace and is made anew here.
    world.wait_until(|world| {
        world
            .exec("vpc", &["ip", "link", "show", "eni0a"])
            .status
            .code()
            != Some(0)
    });
    assert!(!from_host(&world), "not back yet, and no failure");
    world.wire();
    world.ip("host", "link set eth1 up");
    world.ip("host", "link set eth1 alias left-by-the-pod");
    world.ip("host", "link add mv0 link eth1 type macvlan");
    assert!(from_host(&world));
    is_home(&world);
    assert!(!world.has_link("host", "mv0"));
}

#[test]
fn device_that_is_in_the_pod_under_its_host_name_comes_home() {
    let world = World::new();
    world.ip(
        "host",
        &format!("link set eth1 netns {}", world.name("pod")),
    );
    home(&world);
    is_home(&world);
}

/// The device is on the host, under whatever name.
fn is_on_the_host(world: &World) -> String {
    assert!(world.device("pod").is_none());
    let device = world.device("host").expect("the device is not on the host");
    assert!(!device["flags"].as_array().unwrap().contains(&json!("UP")));
    device["ifname"].as_str().unwrap().to_owned()
}

#[test]
fn name_that_somebody_took_on_the_host_is_replaced_by_another() {
    let mut world = plugged();
    world.ip("host", &format!("link add {HOME} type bridge"));
    home(&world);
    let name = is_on_the_host(&world);
    assert_eq!(name, "e02ec0000000a0");
    // Once more, and it keeps that name; then it gets its own.
    assert!(from_host(&world));
    assert_eq!(is_on_the_host(&world), name);
    world.ip("host", &format!("link del {HOME}"));
    assert!(from_host(&world));
    is_home(&world);
    world.pod("next");
    plug_into(&world, "next");
}

#[test]
fn all_names_taken_by_links_that_the_pod_pushed_into_the_host() {
    // A pod with NET_ADMIN makes links in the namespace at the other end of its veth (IFLA_TARGET_NETNSID).
    let world = plugged();
    for i in 0..100 {
        let name = format!("e02ec0000000a{i}");
        world.ip(
            "pod",
            &format!(
                "link add f{i} type veth peer name {name} netns {}",
                world.name("host")
            ),
        );
    }
    world.ip(
        "pod",
        &format!(
            "link add f type veth peer name {HOME} netns {}",
            world.name("host")
        ),
    );
    home(&world);
    assert!(is_on_the_host(&world).starts_with("eniclaim"));
}

#[test]
fn pod_that_renamed_downed_and_shrank_the_device_leaves_nothing_on_it() {
    let world = plugged();
    world.ip("pod", "link set eni0 down");
    world.ip(
        "pod",
        "link set eni0 name lo1 mtu 1200 txqueuelen 3 promisc on allmulticast on arp off multicast off group 9 mode dormant",
    );
    home(&world);
    is_home(&world);
    let links = world.json("host", "link");
    let mut links = links.as_array().unwrap().iter();
    let device = links.find(|link| link["address"] == MAC).unwrap();
    assert_eq!(device["mtu"], 1500);
    assert_eq!(device["txqlen"], 1000);
    assert_eq!(device["group"], "default");
    assert_eq!(device["linkmode"], "DEFAULT");
    assert_eq!(device["flags"], json!(["BROADCAST", "MULTICAST"]));
}

#[test]
fn links_on_top_of_the_device_are_deleted_before_it_moves() {
    let mut world = plugged();
    world.ip("pod", "link add mv0 link eni0 type macvlan mode bridge");
    world.ip("pod", "link add mv1 link mv0 type macvlan mode bridge");
    world.ip("pod", "link set mv0 up");
    home(&world);
    is_home(&world);
    assert!(!world.has_link("pod", "mv0") && !world.has_link("pod", "mv1"));
    assert!(world.has_link("pod", "eth0"), "nothing else is deleted");
    world.pod("next");
    plug_into(&world, "next");
}

#[test]
fn link_that_the_pod_made_on_the_device_while_it_left_is_deleted_too() {
    let world = plugged();
    // As if it was made between the last look and the move: it stays, on a device of another namespace.
    world.ip("pod", "link add mv0 link eni0 type macvlan");
    world.ip(
        "pod",
        &format!("link set eni0 netns {}", world.name("host")),
    );
    assert!(world.has_link("pod", "mv0"));
    home(&world);
    is_home(&world);
    assert!(!world.has_link("pod", "mv0"));
}

#[test]
fn text_that_is_no_text_hides_no_device() {
    let world = plugged();
    let text = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    for line in [
        &["link", "set", "eni0", "alias"][..],
        &["link", "property", "add", "dev", "eni0", "altname"],
    ] {
        let status = std::process::Command::new("ip")
            .args(["-n", &world.name("pod")])
            .args(line)
            .arg(text)
            .status()
            .unwrap();
        assert!(status.success(), "{line:?}");
    }
    home(&world);
    is_home(&world);
}

#[test]
fn second_name_of_the_device_that_the_host_has_for_a_link_is_taken_off() {
    let world = plugged();
    world.ip("host", "link add br9 type bridge");
    world.ip("host", &format!("link property add dev br9 altname {ENI}"));
    home(&world);
    assert_eq!(is_on_the_host(&world), HOME);
}

#[test]
fn rules_and_routes_in_any_number_do_not_keep_the_device() {
    let world = plugged();
    let lines: Vec<String> = (0..6_000)
        .map(|i| {
            let (a, b) = (i / 250, i % 250);
            format!("route add unreachable 172.16.{a}.{b}/32 table 23600 protocol 236\n")
        })
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines.concat()).unwrap();
    let path = file.path().to_str().unwrap();
    crate::world::run("ip", &["-n", &world.name("pod"), "-batch", path]);
    let unplugged = unplug_from_pod(&world);
    assert!(unplugged.found);
    let left = unplugged.left[0].to_string();
    assert!(left.contains("more than 4096"), "{left}");
    is_home(&world);
}

#[test]
fn namespace_that_is_about_to_die_is_left_as_it_is() {
    let world = plugged();
    let (node, pod) = (world.node(), world.netns("pod"));
    let unplugged = unplug(&node, Some(&pod), &an_eni(), FIRST, Traces::Leave).unwrap();
    assert!(unplugged.found && unplugged.left.is_empty());
    is_home(&world);
    let rules = world.json("pod", "rule");
    let ours = rules.as_array().unwrap().iter();
    assert_eq!(ours.filter(|r| r["protocol"] == "236").count(), 3);
}

#[test]
fn pod_that_makes_links_all_the_time_does_not_keep_the_device() {
    let world = plugged();
    let name = world.name("pod");
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let churn = {
        let stop = stop.clone();
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                for line in ["link add x type bridge", "link del x"] {
                    crate::world::ip(&format!("-n {name} {line}"));
                }
            }
        })
    };
    let unplugged = unplug_from_pod(&world);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    churn.join().unwrap();
    assert!(unplugged.found);
    is_home(&world);
}

#[test]
fn link_that_the_pod_put_on_the_device_from_the_hosts_namespace_is_deleted() {
    let world = plugged();
    // `ip` makes it in the pod and moves it: it stands on the device from another namespace all the same.
    world.ip("pod", "link add mv0 link eni0 type macvlan");
    world.ip("pod", &format!("link set mv0 netns {}", world.name("host")));
    assert!(world.has_link("host", "mv0"));
    home(&world);
    assert!(!world.has_link("host", "mv0"));
}
