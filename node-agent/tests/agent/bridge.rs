//! Configurations of ecs-bridge and ecs-ipam, through the plugin and the engine, on the real kernel.

#[path = "bridge/addresses.rs"]
mod addresses;
#[path = "bridge/guard.rs"]
mod guard;

use cni::{
    error::code,
    protocol::{Add, Asked, Configuration, Position, Request, Sandbox},
};
use serde_json::{Value, json};

use crate::{caller::Caller, running::Agent, task::Task, world::World};

const GATEWAY: &str = "169.254.172.1";
const FIRST: &str = "169.254.172.2";
const SECOND: &str = "169.254.172.3";
/// Where the credentials are.
const ENDPOINT: &str = "169.254.170.2";
const METADATA: &str = "169.254.169.254";
const PORT: u16 = 8080;

/// A node with the endpoint, and containers that serve.
fn a_node(containers: &[&str]) -> (World, Agent) {
    let mut world = World::new();
    world.ip("host", &format!("addr add {ENDPOINT}/32 dev lo"));
    world.ip("host", &format!("addr add {METADATA}/32 dev lo"));
    world.serve("host", PORT);
    for short in containers {
        world.namespace(short);
        world.serve(short, PORT);
    }
    let agent = Agent::start(&world);
    (world, agent)
}

fn bridge(ipam: &Value) -> Value {
    let mut all = json!({ "type": "ecs-ipam", "ipv4-subnet": "169.254.172.0/22", "ipv4-routes": [{ "dst": "169.254.170.2/32" }] });
    let keys = ipam.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(keys);
    json!({ "type": "ecs-bridge", "cniVersion": "0.4.0", "bridge": "ecs-br0", "mtu": 1500, "ipam": all })
}

fn usual() -> Value {
    bridge(&json!({}))
}

fn task<'a>(world: &World, agent: &Agent, short: &'a str) -> Task<'a> {
    Task::new(world, agent, short, "eth0").in_namespace(world, short)
}

/// How many ports the journal has.
fn ports(agent: &Agent) -> usize {
    let files = std::fs::read_dir(agent.folder().path().join("ports")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let other = ["common.json", ".unreadable"];
    names
        .filter(|name| !other.contains(&&**name) && !name.contains("draft"))
        .count()
}

/// Cases: B07.
#[test]
fn configuration_is_enough_from_add_to_the_second_del() {
    let (world, agent) = a_node(&["a"]);
    let a = task(&world, &agent, "a");
    let result = a.add(&usual());
    assert_eq!(
        result,
        json!({
            "cniVersion": "0.4.0",
            "interfaces": [
                { "name": "ecs-br0", "mac": "0a:ec:a9:fe:ac:01" },
                { "name": "vetha9feac02", "mac": result["interfaces"][1]["mac"] },
                { "name": "eth0", "mac": "0a:58:a9:fe:ac:02", "sandbox": world.path("a") },
            ],
            "ips": [{ "version": "4", "interface": 2, "address": "169.254.172.2/22", "gateway": GATEWAY }],
            "routes": [{ "dst": "169.254.170.2/32", "gw": GATEWAY }, { "dst": "169.254.172.1/32", "gw": GATEWAY }],
        })
    );
    world.reach("a", None, GATEWAY, PORT).unwrap();
    world.reach("a", None, ENDPOINT, PORT).unwrap();
    world.reach("host", None, FIRST, PORT).unwrap();
    assert_eq!(a.add(&usual()), result, "ADD again");
    let mut check = usual();
    check["prevResult"] = result;
    assert_eq!(a.run("CHECK", &check), (true, Value::Null));
    // An agent that starts knows it from the journal, and disturbs nothing.
    let before = (world.portrait("a"), world.portrait("host"));
    let agent = Agent::start_in(&world, agent.stop());
    let a = task(&world, &agent, "a");
    assert_eq!(a.run("CHECK", &check), (true, Value::Null));
    assert_eq!((world.portrait("a"), world.portrait("host")), before);
    a.del(&usual());
    assert_eq!(ports(&agent), 0);
    assert_eq!(world.tables("host"), 0, "nothing is filtered any more");
    assert!(!world.has_link("a", "eth0") && !world.has_link("host", "vetha9feac02"));
    // The bridge stays, with its address.
    assert_eq!(
        world.json("host", "addr show ecs-br0")[0]["addr_info"][0]["local"],
        GATEWAY
    );
    a.del(&usual());
}

/// Cases: B03, B09.
#[test]
fn container_reaches_the_node_and_never_its_neighbours_whatever_it_does() {
    let (world, agent) = a_node(&["a", "b"]);
    for short in ["a", "b"] {
        let everywhere = json!({ "ipv4-routes": [{ "dst": "0.0.0.0/0" }] });
        task(&world, &agent, short).add(&bridge(&everywhere));
    }
    world.exec("host", &["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    world.reach("a", None, ENDPOINT, PORT).unwrap();
    world.reach("host", None, SECOND, PORT).unwrap();
    let refused = |to: &str, what: &str| {
        let reached = world.reach("a", None, to, PORT);
        assert!(reached.is_err(), "{what}: {to} is reached");
    };
    refused(SECOND, "by the default route");
    refused(METADATA, "by the default route");
    world.ip("a", &format!("route add {SECOND} dev eth0"));
    world.ip("b", &format!("route add {FIRST} dev eth0"));
    refused(SECOND, "directly");
    // From an address or a MAC address that is not its own.
    world.ip("a", "addr add 169.254.172.77/32 dev eth0");
    let reached = world.reach("a", Some("169.254.172.77"), ENDPOINT, PORT);
    assert!(reached.is_err(), "a source of its own choice passes");
    world.ip("a", &format!("addr add {SECOND}/32 dev eth0"));
    world.ip("host", "neigh flush dev ecs-br0");
    let claimed = world.json("a", &format!("addr show to {SECOND}"));
    assert_eq!(claimed.as_array().unwrap().len(), 1);
    world.reach("host", None, SECOND, PORT).unwrap();
    let neighbours = world.json("host", &format!("neigh show {SECOND}"));
    assert_eq!(
        neighbours[0]["lladdr"], "0a:58:a9:fe:ac:03",
        "a neighbour took the address"
    );
    world.ip("a", "link set eth0 address 02:00:00:00:00:77");
    let reached = world.reach("a", Some(FIRST), GATEWAY, PORT);
    assert!(reached.is_err(), "a MAC address of its own choice passes");
}

#[test]
fn no_packet_goes_from_a_bridge_to_another() {
    let (world, agent) = a_node(&["a", "b"]);
    let everywhere = json!({ "ipv4-routes": [{ "dst": "0.0.0.0/0" }] });
    task(&world, &agent, "a").add(&bridge(&everywhere));
    let mut other =
        bridge(&json!({ "ipv4-subnet": "10.7.0.0/24", "ipv4-routes": [{ "dst": "0.0.0.0/0" }] }));
    other["bridge"] = json!("ecs-br1");
    task(&world, &agent, "b").add(&other);
    world.exec("host", &["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    world.reach("host", None, "10.7.0.2", PORT).unwrap();
    let reached = world.reach("a", None, "10.7.0.2", PORT);
    assert!(
        reached.is_err(),
        "a container of the other bridge is reached"
    );
}

#[test]
fn port_of_a_running_container_stays_when_a_repeated_add_is_given_up() {
    let (world, agent) = a_node(&["a"]);
    let a = task(&world, &agent, "a");
    let mut check = usual();
    check["prevResult"] = a.add(&usual());
    let before = (world.portrait("a"), world.portrait("host"));
    for _ in 0..20 {
        let request = Request::Add(Add {
            sandbox: Sandbox {
                network: "ecs-bridge".into(),
                container_id: "a".into(),
                if_name: "eth0".into(),
            },
            netns: world.path("a"),
            asked: Asked::Configuration(Configuration {
                plugin: "ecs-bridge".into(),
                text: usual().to_string(),
                pod: None,
                ip: None,
            }),
            position: Position::First,
        });
        drop(Caller::ask(&agent, request, Some(&world.path("a"))));
    }
    assert_eq!(a.run("CHECK", &check), (true, Value::Null));
    assert_eq!((world.portrait("a"), world.portrait("host")), before);
    assert_eq!(ports(&agent), 1);
}

/// Cases: P03.
#[test]
fn both_families_are_there_when_add_returns() {
    let (world, agent) = a_node(&["a", "b"]);
    let dual = bridge(
        &json!({ "ipv6-subnet": "fd00:172::/64", "ipv6-routes": [{ "dst": "fd00:ec2::23" }] }),
    );
    // A runtime that gives no IPv6 disables it.
    world.exec(
        "a",
        &[
            "sysctl",
            "-qw",
            "net.ipv6.conf.all.disable_ipv6=1",
            "net.ipv6.conf.default.disable_ipv6=1",
        ],
    );
    let result = task(&world, &agent, "a").add(&dual);
    assert_eq!(result["ips"][1]["address"], "fd00:172::2/64");
    world.reach("a", None, "fd00:172::1", PORT).unwrap();
    world.reach("host", None, "fd00:172::2", PORT).unwrap();
    task(&world, &agent, "b").add(&dual);
    world.exec("host", &["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"]);
    let reached = world.reach("a", None, "fd00:172::3", PORT);
    assert!(reached.is_err(), "a neighbour is reached");
    // What the kernel makes of its MAC address.
    let neighbour = "fe80::858:a9ff:fefe:ac03%eth0";
    let scoped = world.exec("a", &["ping", "-6", "-c1", "-W1", neighbour]);
    assert!(!scoped.status.success(), "{scoped:?}");
}

/// Cases: B10.
#[test]
fn node_that_disables_ipv6_gives_ipv4_alone() {
    let (world, agent) = a_node(&["a"]);
    world.exec(
        "host",
        &[
            "sysctl",
            "-qw",
            "net.ipv6.conf.all.disable_ipv6=1",
            "net.ipv6.conf.default.disable_ipv6=1",
        ],
    );
    let a = task(&world, &agent, "a");
    let dual = bridge(&json!({ "ipv6-subnet": "fd00:172::/64" }));
    let result = a.add(&dual);
    assert_eq!(result["ips"].as_array().unwrap().len(), 1, "{result}");
    world.reach("a", None, ENDPOINT, PORT).unwrap();
    a.del(&dual);
    let ipv6_alone = json!({
        "type": "ecs-bridge", "cniVersion": "0.4.0", "bridge": "ecs-br6",
        "ipam": { "type": "ecs-ipam", "ipv6-subnet": "fd00:172::/64" },
    });
    let (_, why) = a.refused(&ipv6_alone);
    assert!(why.contains("IPv6"), "{why}");
    assert!(!world.has_link("host", "ecs-br6"));
}

/// Cases: B02, B06.
#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    let (world, agent) = a_node(&["a"]);
    let a = task(&world, &agent, "a");
    let before = (world.portrait("host"), world.portrait("a"));
    let other_ipam = bridge(&json!({ "type": "host-local" }));
    let (code, why) = a.refused(&other_ipam);
    assert_eq!(code, u64::from(code::CONFIGURATION));
    assert!(
        why.contains("ecs-bridge: ipam.type \"host-local\""),
        "{why}"
    );
    assert_eq!((world.portrait("host"), world.portrait("a")), before);
    world.ip("a", "link add eth0 type bridge");
    let (code, why) = a.refused(&usual());
    assert_eq!(code, u64::from(code::KERNEL));
    assert!(why.contains("an interface named eth0 already"), "{why}");
    assert!(
        !world.has_link("host", "ecs-br0"),
        "a bridge was made for it"
    );
    world.ip("a", "link del eth0");
    world.ip("host", "link add ecs-br0 type veth peer name x");
    let (_, why) = a.refused(&usual());
    assert!(
        why.contains("the link ecs-br0 of this node is no bridge"),
        "{why}"
    );
    world.ip("host", "link del ecs-br0");
    world.ip("host", "link add ecs-br0 type bridge");
    world.ip("host", "addr add 10.0.0.1/24 dev ecs-br0");
    let (_, why) = a.refused(&usual());
    assert!(
        why.contains("has the address 10.0.0.1/24, and its containers need 169.254.172.1/22"),
        "{why}"
    );
    assert_eq!(ports(&agent), 0);
    // Where that is mended, the next ADD works, and with the first address.
    world.ip("host", "addr del 10.0.0.1/24 dev ecs-br0");
    assert_eq!(a.add(&usual())["ips"][0]["interface"], 2);
}

#[test]
fn check_says_what_somebody_changed() {
    let (world, agent) = a_node(&["a"]);
    let a = task(&world, &agent, "a");
    let mut check = usual();
    check["prevResult"] = a.add(&usual());
    for (namespace, line, expected) in [
        ("a", "route del 169.254.170.2", "route 169.254.170.2/32"),
        (
            "host",
            "link set vetha9feac02 nomaster",
            "is no port of the bridge ecs-br0",
        ),
    ] {
        world.ip(namespace, line);
        let (is_success, said) = a.run("CHECK", &check);
        let why = said["msg"].as_str().unwrap_or_default();
        assert!(!is_success && why.contains(expected), "{said}");
    }
    world.exec("host", &["nft", "flush", "ruleset"]);
    let (_, said) = a.run("CHECK", &check);
    let why = said["msg"].as_str().unwrap_or_default();
    assert!(
        why.contains("what comes by vetha9feac02 is not filtered"),
        "{said}"
    );
    // ADD again makes it as it was.
    a.add(&usual());
    assert_eq!(a.run("CHECK", &check), (true, Value::Null));
}
