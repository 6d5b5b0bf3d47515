//! A device that another plugin moved into the pod: configured where it is, and left there as it was.

use node_agent::{
    error::Error,
    plug::{Failed, Plugged, check_as, forget, plug_as, restore, unplug},
};
use node_agent_core::{
    claim::{Address, Interface, Mtu},
    custody::{Custody, Loan},
    picture::PodSlot,
    plan::Traces,
};
use serde_json::{Value, json};

use crate::world::{HOME, World, an_eni, an_interface};

const SLOT: PodSlot = PodSlot(0);

/// A pod in which another plugin put the device as `net0`, with an address and an alias.
fn lent() -> World {
    let world = World::new();
    let pod = world.name("pod");
    world.ip("host", &format!("link set eth1 alias eth1 netns {pod}"));
    world.ip("pod", "link set eth1 name net0 mtu 1400 up");
    world.ip("pod", "addr add 192.168.7.1/24 dev net0");
    world.wait_until(|world| world.json("pod", "link show net0")[0]["operstate"] == "UP");
    world
}

fn dual() -> Interface {
    let mut interface = an_interface();
    interface.addresses.push(Address {
        ip: "2600:1f16::50".parse().unwrap(),
        prefix: 64,
        gateway: Some("fe80:ec2::1".parse().unwrap()),
    });
    interface
}

fn plug(world: &World, interface: &Interface) -> Result<Plugged, Failed> {
    let pod = world.netns("pod");
    let nothing = |_: &Custody| Ok(());
    plug_as(
        &world.node(),
        &pod,
        &an_eni(),
        interface,
        SLOT,
        None,
        nothing,
    )
}

fn loan(plugged: &Plugged) -> &Loan {
    match &plugged.custody {
        Custody::Borrowed(loan) => loan,
        Custody::Ours => panic!("not borrowed"),
    }
}

fn checked(world: &World, interface: &Interface, custody: &Custody) -> Result<(), Error> {
    let pod = world.netns("pod");
    check_as(&world.node(), &pod, &an_eni(), interface, SLOT, custody)
}

fn addresses(world: &World) -> Vec<Value> {
    let device = world.device("pod").unwrap();
    let all = device["addr_info"].as_array().unwrap().iter();
    let global = all.filter(|address| address["scope"] == "global");
    global.map(|address| address["local"].clone()).collect()
}

#[test]
fn device_keeps_name_alias_and_addresses_and_is_restored_to_the_letter() {
    let world = lent();
    let before = world.portrait("pod");
    let plugged = plug(&world, &dual()).unwrap();
    let device = &world.json("pod", "link show net0")[0];
    assert_eq!(
        (&device["ifalias"], &device["mtu"]),
        (&json!("eth1"), &json!(9001))
    );
    assert_eq!(
        addresses(&world),
        ["192.168.7.1", "10.0.1.50", "2600:1f16::50"]
    );
    assert_eq!(loan(&plugged).addresses.len(), 2);
    checked(&world, &dual(), &plugged.custody).unwrap();
    let restored = restore(
        &world.node(),
        &world.netns("pod"),
        &an_eni(),
        SLOT,
        loan(&plugged),
    );
    assert!(restored.unwrap().left.is_empty());
    assert_eq!(world.portrait("pod"), before);
}

/// Cases: C06, M14.
#[test]
fn check_finds_what_is_ours_missing_and_nothing_else() {
    let world = lent();
    let plugged = plug(&world, &an_interface()).unwrap();
    world.ip("pod", "addr add 192.168.8.1/24 dev net0");
    checked(&world, &an_interface(), &plugged.custody).unwrap();
    world.ip("pod", "addr del 10.0.1.50/32 dev net0");
    let error = checked(&world, &an_interface(), &plugged.custody).unwrap_err();
    assert!(
        error.to_string().contains("10.0.1.50/32 is missing"),
        "{error}"
    );
}

/// Cases: M07.
#[test]
fn failed_step_leaves_the_device_as_it_was() {
    let world = lent();
    let before = world.portrait("pod");
    let mut interface = an_interface();
    interface.mtu = Mtu::Bytes(70_000);
    let failed = plug(&world, &interface).unwrap_err();
    assert!(failed.undo.is_none(), "{failed:?}");
    assert!(matches!(*failed.custody, Custody::Borrowed(_)));
    assert_eq!(world.portrait("pod"), before);
}

#[test]
fn nothing_is_done_that_was_not_written_down() {
    let world = lent();
    let before = world.portrait("pod");
    let (pod, full) = (world.netns("pod"), std::io::ErrorKind::StorageFull);
    let refuse = |custody: &Custody| {
        assert!(matches!(custody, Custody::Borrowed(loan) if loan.name == "net0"));
        Err(Error::File {
            path: "journal".into(),
            source: full.into(),
        })
    };
    plug_as(
        &world.node(),
        &pod,
        &an_eni(),
        &an_interface(),
        SLOT,
        None,
        refuse,
    )
    .unwrap_err();
    assert_eq!(world.portrait("pod"), before);
}

#[test]
fn name_that_the_pod_changed_is_given_back() {
    let world = lent();
    let plugged = plug(&world, &an_interface()).unwrap();
    world.rename("pod", "net0", "stolen");
    let (pod, nothing) = (world.netns("pod"), |_: &Custody| Ok(()));
    let before = Some(&plugged.custody);
    let again = plug_as(
        &world.node(),
        &pod,
        &an_eni(),
        &an_interface(),
        SLOT,
        before,
        nothing,
    );
    assert_eq!(again.unwrap().custody, plugged.custody);
    assert_eq!(world.device("pod").unwrap()["ifname"], "net0");
}

#[test]
fn device_that_nobody_takes_back_is_taken_over_clean() {
    let world = lent();
    let plugged = plug(&world, &an_interface()).unwrap();
    restore(
        &world.node(),
        &world.netns("pod"),
        &an_eni(),
        SLOT,
        loan(&plugged),
    )
    .unwrap();
    let pod = world.netns("pod");
    let unplugged = unplug(&world.node(), Some(&pod), &an_eni(), SLOT, Traces::Remove);
    assert!(unplugged.unwrap().found);
    let device = &world.json("host", &format!("link show {HOME}"))[0];
    assert_eq!(device["ifalias"], Value::Null);
}

/// Hardware comes to the host when its namespace ends, with all that host-device put on it.
#[test]
fn device_on_the_host_is_cleaned_only_if_its_plugin_did_not_return_it() {
    let world = World::new();
    let before = world.portrait("host");
    forget(&world.node(), &an_eni()).unwrap();
    assert_eq!(world.portrait("host"), before);
    world.ip("host", "link set eth1 alias eth1");
    forget(&world.node(), &an_eni()).unwrap();
    let device = &world.json("host", &format!("link show {HOME}"))[0];
    assert_eq!(device["ifalias"], Value::Null);
}
