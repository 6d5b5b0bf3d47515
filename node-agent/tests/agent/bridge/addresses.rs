//! Who gets which address of a bridge's subnet, and when it comes free.

use cni::error::code;
use ipnet::IpNet;
use serde_json::json;

use super::{ENDPOINT, GATEWAY, PORT, a_node, bridge, ports, task, usual};
use crate::running::{Agent, wait_until};

/// Cases: B08.
#[test]
fn namespace_that_ends_without_a_del_gives_its_address_back() {
    let (mut world, agent) = a_node(&["b"]);
    world.namespace("a");
    let small = bridge(&json!({ "ipv4-subnet": "10.0.0.0/30", "id": "one" }));
    task(&world, &agent, "a").add(&small);
    let b = task(&world, &agent, "b");
    let other = bridge(&json!({ "ipv4-subnet": "10.0.0.0/30", "id": "two" }));
    let (code, why) = b.refused(&other);
    assert_eq!(code, u64::from(code::TRY_LATER));
    assert!(
        why.contains("all addresses of the subnet 10.0.0.0/30 are in use"),
        "{why}"
    );
    let (_, why) = b.refused(&small);
    assert!(why.contains("ipam.id \"one\" is that of 10.0.0.2"), "{why}");
    world.kill("a");
    // The runtime's DEL comes without a namespace.
    task(&world, &agent, "a").del(&small);
    assert_eq!(b.add(&small)["ips"][0]["address"], "10.0.0.2/30");
}

#[test]
fn addresses_of_the_plugin_before_are_not_given_again() {
    let (world, agent) = a_node(&["old", "a", "b"]);
    // As ecs-bridge leaves it.
    world.ip("host", "link add ecs-br0 type bridge");
    world.ip("host", "addr add 169.254.172.1/22 dev ecs-br0");
    world.ip("host", "link set ecs-br0 up");
    let peer = world.name("old");
    world.ip(
        "host",
        &format!("link add veth12345678 master ecs-br0 up type veth peer name eth0 netns {peer}"),
    );
    world.ip("old", "addr add 169.254.172.2/22 dev eth0");
    world.ip("old", "link set eth0 up");
    let result = task(&world, &agent, "a").add(&usual());
    assert_eq!(result["ips"][0]["address"], "169.254.172.3/22");
    world.reach("old", None, GATEWAY, PORT).unwrap();
    let named = bridge(&json!({ "ipv4-address": "169.254.172.2/22" }));
    let b = task(&world, &agent, "b");
    let (_, why) = b.refused(&named);
    assert!(
        why.contains("169.254.172.2 is in use on the bridge ecs-br0"),
        "{why}"
    );
    // So it is when the journal is lost.
    let folder = agent.stop();
    std::fs::remove_dir_all(folder.path().join("ports")).unwrap();
    let agent = Agent::start_in(&world, folder);
    let b = task(&world, &agent, "b");
    assert_eq!(b.add(&usual())["ips"][0]["address"], "169.254.172.4/22");
}

/// Cases: P05.
#[test]
fn changed_subnet_drains_the_old_one() {
    let (world, agent) = a_node(&["a", "b"]);
    let (a, b) = (task(&world, &agent, "a"), task(&world, &agent, "b"));
    a.add(&usual());
    let changed = bridge(&json!({ "ipv4-subnet": "10.7.0.0/24" }));
    b.add(&changed);
    world.reach("a", None, ENDPOINT, PORT).unwrap();
    world.reach("b", None, ENDPOINT, PORT).unwrap();
    a.del(&usual());
    b.del(&changed);
    b.add(&changed);
    let addresses = world.json("host", "-4 addr show ecs-br0");
    let addresses = addresses[0]["addr_info"].as_array().unwrap().iter();
    let addresses: Vec<_> = addresses.map(|address| address["local"].clone()).collect();
    assert_eq!(addresses, ["10.7.0.1"]);
}

/// Cases: P05.
#[test]
fn subnet_that_is_changed_there_and_back_under_load_serves_every_container() {
    const CONTAINERS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    let (world, agent) = a_node(&CONTAINERS);
    let tasks: Vec<_> = CONTAINERS
        .iter()
        .map(|short| task(&world, &agent, short))
        .collect();
    std::thread::scope(|scope| {
        for (number, (task, short)) in tasks.iter().zip(CONTAINERS).enumerate() {
            let world = &world;
            scope.spawn(move || {
                for round in 0..8 {
                    let subnet = ["169.254.172.0/22", "10.7.0.0/24"][(number + round) % 2];
                    let configuration = bridge(&json!({ "ipv4-subnet": subnet }));
                    task.add(&configuration);
                    world.reach(short, None, ENDPOINT, PORT).unwrap();
                    task.del(&configuration);
                }
            });
        }
    });
    assert_eq!(ports(&agent), 0);
}

/// Cases: P07.
#[test]
fn addresses_alone_touch_nothing_and_are_given_back_by_name() {
    let (world, agent) = a_node(&["a"]);
    let before = (world.portrait("host"), world.portrait("a"));
    let of = |id: &str| json!({ "cniVersion": "0.3.0", "ipam": { "type": "ecs-ipam", "id": id, "ipv4-subnet": "10.0.0.0/24", "ipv6-subnet": "fd00::/64", "ipv4-routes": [{ "dst": "169.254.170.2" }] } });
    let a = task(&world, &agent, "a").called("ecs-ipam");
    let result = a.add(&of("one"));
    assert_eq!(
        result,
        json!({
            "cniVersion": "0.3.0",
            "ips": [
                { "version": "4", "address": "10.0.0.2/24", "gateway": "10.0.0.1" },
                { "version": "6", "address": "fd00::2/64", "gateway": "fd00::1" },
            ],
            "routes": [{ "dst": "169.254.170.2/32" }],
        })
    );
    assert_eq!(a.add(&of("two"))["ips"][0]["address"], "10.0.0.3/24");
    let (_, why) = a.refused(&of("two"));
    assert!(
        why.contains("ipam.id \"two\" is that of 10.0.0.3 and fd00::3"),
        "{why}"
    );
    a.del(&of("one"));
    a.del(&of("one"));
    assert_eq!(ports(&agent), 1);
    // Freed ones come round last.
    assert_eq!(a.add(&of("one"))["ips"][0]["address"], "10.0.0.4/24");
    assert_eq!((world.portrait("host"), world.portrait("a")), before);
    // A DEL that finds no agent is made up for, and is not done to who has the name afterwards.
    let folder = agent.stop();
    a.del(&of("two"));
    let agent = Agent::start_in(&world, folder);
    wait_until(|| ports(&agent) == 1);
    let a = task(&world, &agent, "a").called("ecs-ipam");
    let again = a.add(&of("two"));
    let ip: IpNet = again["ips"][0]["address"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(ip.addr().to_string(), "10.0.0.5");
    assert_eq!(ports(&agent), 2);
}

/// Cases: B01, P09.
#[test]
fn containers_that_come_at_once_have_one_bridge_and_addresses_of_their_own() {
    const CONTAINERS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let (world, agent) = a_node(&CONTAINERS);
    let tasks: Vec<_> = CONTAINERS
        .iter()
        .map(|short| task(&world, &agent, short))
        .collect();
    let mut given: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = tasks
            .iter()
            .map(|task| {
                scope.spawn(|| {
                    task.add(&usual())["ips"][0]["address"]
                        .as_str()
                        .unwrap()
                        .to_owned()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    given.sort();
    let expected: Vec<_> = (2..10)
        .map(|last| format!("169.254.172.{last}/22"))
        .collect();
    assert_eq!(given, expected);
    for short in CONTAINERS {
        world.reach(short, None, ENDPOINT, PORT).unwrap();
    }
}
