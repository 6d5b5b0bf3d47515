//! Home: from wherever the device is and whatever the pod did to it.

use node_agent::plug::{home, plug};
use serde_json::json;

use crate::world::{ENI, HOME, World, an_eni, an_interface};

fn plugged() -> World {
    let world = World::new();
    plug(
        &world.node(),
        &world.netns("pod"),
        &an_eni(),
        &an_interface(),
    )
    .unwrap();
    world
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
    plug(
        &world.node(),
        &world.netns("pod"),
        &an_eni(),
        &an_interface(),
    )
    .unwrap();
    assert_ne!(world.portrait("pod"), before);
    assert!(home(&world.node(), Some(&world.netns("pod")), &an_eni()).unwrap());
    assert_eq!(world.portrait("pod"), before);
    is_home(&world);
}

#[test]
fn second_time_changes_nothing() {
    let world = plugged();
    home(&world.node(), Some(&world.netns("pod")), &an_eni()).unwrap();
    let before = world.portrait("host");
    assert!(home(&world.node(), Some(&world.netns("pod")), &an_eni()).unwrap());
    assert!(home(&world.node(), None, &an_eni()).unwrap());
    assert_eq!(world.portrait("host"), before);
}

#[test]
fn device_can_be_plugged_again_after_it_was_home() {
    let mut world = plugged();
    home(&world.node(), Some(&world.netns("pod")), &an_eni()).unwrap();
    world.pod("next");
    plug(
        &world.node(),
        &world.netns("next"),
        &an_eni(),
        &an_interface(),
    )
    .unwrap();
    assert_eq!(world.device("next").unwrap()["ifname"], "eni0");
}

#[test]
fn whatever_the_pod_did_to_the_device_it_comes_home_clean() {
    // A second name in the pod that is a link's name on the host makes a bare move fail with EEXIST.
    let world = plugged();
    world.ip("pod", &format!("link property add dev eni0 altname {HOME}"));
    world.ip("pod", "link property add dev eni0 altname veth3");
    world.ip("pod", "link set eni0 alias mine");
    world.ip("pod", "link set eni0 name taken");
    world.ip("pod", "addr add 192.0.2.1/24 dev taken");
    world.ip("pod", "link add br0 type bridge");
    world.ip("pod", "link set taken master br0");
    assert!(
        world.has_link("host", "veth3"),
        "the pod's first interface ends there"
    );
    assert!(home(&world.node(), Some(&world.netns("pod")), &an_eni()).unwrap());
    is_home(&world);
}

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
    assert!(
        !home(&world.node(), None, &an_eni()).unwrap(),
        "not back yet, and no failure"
    );
    world.wire();
    world.ip("host", "link set eth1 up");
    world.ip("host", "link set eth1 alias left-by-the-pod");
    assert!(home(&world.node(), None, &an_eni()).unwrap());
    is_home(&world);
}

#[test]
fn device_that_is_in_the_pod_under_its_host_name_comes_home() {
    let world = World::new();
    world.ip(
        "host",
        &format!("link set eth1 netns {}", world.name("pod")),
    );
    assert!(home(&world.node(), Some(&world.netns("pod")), &an_eni()).unwrap());
    is_home(&world);
}

#[test]
fn home_name_that_somebody_took_is_an_error_and_the_device_stays() {
    let world = plugged();
    world.ip("host", &format!("link add {HOME} type bridge"));
    home(&world.node(), Some(&world.netns("pod")), &an_eni()).unwrap_err();
    world.ip("host", &format!("link del {HOME}"));
    assert!(home(&world.node(), Some(&world.netns("pod")), &an_eni()).unwrap());
    is_home(&world);
}
