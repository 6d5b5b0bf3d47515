//! Node access: what passes between a pod whose only interface is its ENI and the node, and what of it the VPC has to let through.

use serde_json::{Value, json};

use super::runtime::{Site, ours};
use crate::{
    running::{a_claim, wait_until, with},
    world::{HOME, World},
};

const ENI: [&str; 2] = ["10.0.1.50", "2001:db8:1::50"];
/// The node's own address in another subnet of the VPC.
const NODE: [&str; 2] = ["10.0.2.5", "2001:db8:2::5"];
const GATEWAY: [&str; 2] = ["169.254.176.1", "fd00:eca::1"];
const CREDENTIALS: [&str; 2] = ["169.254.170.23", "fd00:ec2::23"];
/// A pod of another plugin, which knows no way to link-local addresses.
const OTHER: [&str; 2] = ["10.244.9.2", "fd00:244::2"];
/// Services: of that pod, and of the one with the ENI.
const OF_OTHER: [&str; 2] = ["10.96.0.10", "fd00:96::10"];
const OF_POD: [&str; 2] = ["10.96.0.11", "fd00:96::11"];
/// One that somebody made for what no pod is to reach.
const OF_METADATA: [&str; 2] = ["10.96.0.12", "fd00:96::12"];
/// Somebody in the VPC.
const PEER: [&str; 2] = ["10.0.9.9", "2001:db8:9::9"];
const METADATA: [&str; 2] = ["169.254.169.254", "fd00:ec2::254"];
const PORT: u16 = 8080;
const HOST_PORT: u16 = 80;

fn access() -> Value {
    json!({ "subnet": "169.254.176.0/22", "ipv6Subnet": "fd00:eca::/112" })
}

/// A pod with both families, whose class says this of node access.
fn site(access: &Value) -> Site {
    let interface = json!({
        "name": "eni0", "defaultRoute": "Fallback", "nodeAccess": access,
        "clusterCidrs": ["10.96.0.0/12", "fd00:96::/112"],
    });
    let addresses = json!([
        { "address": ENI[0], "prefixLength": 24, "gateway": "10.0.1.1", "role": "Primary" },
        { "address": ENI[1], "prefixLength": 64, "gateway": "fe80:ec2::1", "role": "Primary" },
    ]);
    let claim = with(a_claim(), "/status/interface", interface);
    let mut site = Site::of(with(claim, "/status/ipam/addresses", addresses));
    around(&mut site.world);
    site.network(&json!([ours()]));
    site
}

/// A node in the VPC, with kube-proxy's work done by hand.
fn around(world: &mut World) {
    world.namespace("other");
    for (short, line) in [
        ("vpc", "addr add fe80:ec2::1/64 dev eni0a nodad"),
        ("vpc", "addr add 2001:db8:1::1/64 dev eni0a nodad"),
        ("vpc", "addr add 10.0.2.1/24 dev node0a"),
        ("vpc", "addr add 2001:db8:2::1/64 dev node0a nodad"),
        ("vpc", "addr add 2001:db8:9::9/128 dev lo"),
        ("vpc", "addr add fd00:ec2::254/128 dev lo"),
        ("vpc", "link set node0a up"),
        ("host", "addr add 10.0.2.5/24 dev uplink"),
        ("host", "addr add 2001:db8:2::5/64 dev uplink nodad"),
        ("host", "link set uplink up"),
        ("host", "route add default via 10.0.2.1"),
        ("host", "route add default via 2001:db8:2::1"),
        ("host", "addr add 169.254.170.23/32 dev lo"),
        ("host", "addr add fd00:ec2::23/128 dev lo"),
        ("host", "addr add 10.244.9.1/24 dev other0"),
        ("host", "addr add fd00:244::1/64 dev other0 nodad"),
        ("host", "link set other0 up"),
        ("other", "addr add 10.244.9.2/24 dev eth0"),
        ("other", "addr add fd00:244::2/64 dev eth0 nodad"),
        ("other", "link set eth0 up"),
    ] {
        match (short, line) {
            ("vpc", "addr add 10.0.2.1/24 dev node0a") => wire(world, "uplink", "node0a", "vpc"),
            ("host", "addr add 10.244.9.1/24 dev other0") => wire(world, "other0", "eth0", "other"),
            _ => {}
        }
        world.ip(short, line);
    }
    for short in ["host", "vpc"] {
        world.exec(short, &["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
        world.exec(short, &["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"]);
    }
    let rules = format!(
        "add table inet proxy
        add chain inet proxy in {{ type nat hook prerouting priority -100; }}
        add chain inet proxy own {{ type nat hook output priority -100; }}
        add rule inet proxy in ip daddr {} dnat ip to {}
        add rule inet proxy in ip6 daddr {} dnat ip6 to {}
        add rule inet proxy own ip daddr {} dnat ip to {}
        add rule inet proxy own ip6 daddr {} dnat ip6 to {}
        add rule inet proxy in ip daddr {} dnat ip to {}
        add rule inet proxy in ip6 daddr {} dnat ip6 to {}
        add rule inet proxy in ip daddr {} tcp dport {HOST_PORT} dnat ip to {}:{PORT}
        add rule inet proxy in ip6 daddr {} tcp dport {HOST_PORT} dnat ip6 to [{}]:{PORT}",
        OF_OTHER[0],
        OTHER[0],
        OF_OTHER[1],
        OTHER[1],
        OF_POD[0],
        ENI[0],
        OF_POD[1],
        ENI[1],
        OF_METADATA[0],
        METADATA[0],
        OF_METADATA[1],
        METADATA[1],
        NODE[0],
        ENI[0],
        NODE[1],
        ENI[1],
    );
    for rule in rules.lines() {
        nft(world, "host", rule.trim());
    }
}

fn nft(world: &World, short: &str, rule: &str) {
    let output = world.exec(short, &["nft", rule]);
    assert!(output.status.success(), "{rule}: {output:?}");
}

fn wire(world: &World, here: &str, there: &str, short: &str) {
    let far = world.name(short);
    world.ip(
        "host",
        &format!("link add {here} type veth peer name {there} netns {far}"),
    );
}

fn serve(site: &Site, all: &[&str]) {
    for short in all {
        site.world.serve(short, PORT);
    }
}

#[test]
fn pod_and_node_reach_each_other_over_the_bridge_and_nobody_else() {
    let mut site = site(&access());
    let before = site.world.portrait("host");
    let result = site.cnitool("add").unwrap();
    let names: Vec<_> = result["interfaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|interface| interface["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["eth0", "eniclaim0", "vetha9feb002", "node0"]);
    let ips = result["ips"].as_array().unwrap();
    assert!(ips.len() == 2 && ips.iter().all(|ip| ip["interface"] == 0));
    // The device may have been reported before, as it was on the host.
    loop {
        let patch = site.agent.notice().patch().unwrap();
        let addresses = &patch["status"]["device"]["nodeAccess"];
        if !addresses.is_null() {
            assert_eq!(*addresses, json!(["169.254.176.2/22", "fd00:eca::2/112"]));
            break;
        }
    }
    serve(&site, &["bare", "host", "other", "vpc"]);
    let reach = |short: &str, to: &str, port: u16| {
        let reached = site.world.reach(short, None, to, port);
        assert!(reached.is_ok(), "{short} to {to} port {port}: {reached:?}");
    };
    // As an edited class or another one may leave it: the pod answers its own gateway alone.
    site.world
        .ip("host", "addr add fd00:ecb::1/112 dev eniclaim0 nodad");
    // What kubelet's probes do, and a program of the node that asks a Service, whatever the node's security groups let in.
    nft(&site.world, "vpc", "add table inet groups");
    nft(
        &site.world,
        "vpc",
        "add chain inet groups in { type filter hook forward priority 0; }",
    );
    nft(
        &site.world,
        "vpc",
        "add rule inet groups in oifname node0a drop",
    );
    for at in 0..2 {
        reach("host", ENI[at], PORT);
        reach("host", OF_POD[at], PORT);
    }
    nft(&site.world, "vpc", "delete table inet groups");
    for at in 0..2 {
        // From outside, by a port of the node: through the VPC, whose security groups decide.
        reach("vpc", NODE[at], HOST_PORT);
        reach("bare", GATEWAY[at], PORT);
        reach("bare", NODE[at], PORT);
        reach("bare", CREDENTIALS[at], PORT);
        reach("bare", OF_OTHER[at], PORT);
        // What is nobody's of the node leaves by the ENI.
        reach("bare", PEER[at], PORT);
        for refused in [METADATA[at], OTHER[at], OF_METADATA[at]] {
            let reached = site.world.reach("bare", None, refused, PORT);
            assert!(reached.is_err(), "{refused} is reached");
        }
        // From the ENI's address the node's bridge alone is answered.
        site.world.ip(
            "bare",
            &format!("route replace {} dev node0", CREDENTIALS[at]),
        );
        let reached = site
            .world
            .reach("bare", Some(ENI[at]), CREDENTIALS[at], PORT);
        assert!(
            reached.is_err(),
            "{} is reached from the ENI's address",
            CREDENTIALS[at]
        );
        site.world
            .ip("bare", &format!("route del {} dev node0", CREDENTIALS[at]));
        // What the node forwards goes by the VPC.
        let by = |what: &str| {
            let found = site
                .world
                .json("host", &format!("route get {} {what}", ENI[at]));
            found[0]["dev"].clone()
        };
        assert_eq!(by(""), "eniclaim0");
        assert_eq!(by(&format!("from {} iif other0", OTHER[at])), "uplink");
    }
    let site = site.restart();
    assert!(site.cnitool("check").is_err(), "the test deleted routes");
    assert_eq!(site.cnitool("del"), Ok(Value::Null));
    assert!(site.world.has_link("host", HOME));
    let bridge = site.world.json("host", "link show eniclaim0");
    assert_eq!(bridge[0]["ifname"], "eniclaim0", "it stays");
    site.world.ip("host", "link del eniclaim0");
    let (mut left, mut before) = (site.world.portrait("host"), before);
    for portrait in [&mut left, &mut before] {
        for links in [0, 1] {
            let all = portrait[links].as_array_mut().unwrap();
            all.retain(|link| !["eth1", HOME].contains(&link["ifname"].as_str().unwrap_or("eth1")));
        }
    }
    assert_eq!(left, before);
    assert_eq!(site.cnitool("del"), Ok(Value::Null));
}

#[test]
fn what_somebody_removed_is_named_by_check_and_made_again() {
    let site = site(&access());
    site.cnitool("add").unwrap();
    assert_eq!(site.cnitool("check"), Ok(Value::Null));
    let world = &site.world;
    let mut count = 0;
    let mut lacks = |remove: &dyn Fn(), expected: &str| {
        // The agent may look at the node at any time, and make it again.
        wait_until(|| {
            remove();
            let checked = site.cnitool("check");
            checked.is_err_and(|error| error.contains(expected))
        });
        wait_until(|| {
            count += 1;
            // A device of ours that changes lets it look at once.
            world.ip("bare", &format!("link set eth0 alias changed-{count}"));
            site.cnitool("check") == Ok(Value::Null)
        });
    };
    lacks(
        &|| drop(world.exec("host", &["ip", "rule", "del", "priority", "256"])),
        "the node lacks the IPv4 rule 256: iif lo lookup 23599",
    );
    lacks(
        &|| drop(world.ip("host", "route flush table 23599")),
        "the node lacks the route 10.0.1.50/32 via 169.254.176.2",
    );
    for chain in ["inet eniclaim bridges", "inet eniclaim port-vetha9feb002"] {
        let flush = || {
            let words = ["nft", "flush", "chain"].into_iter();
            let words: Vec<_> = words.chain(chain.split(' ')).collect();
            drop(world.exec("host", &words));
        };
        let expected = if chain.ends_with("bridges") {
            "what goes between bridges is not filtered"
        } else {
            "what passes by the bridge is not masqueraded"
        };
        lacks(&flush, expected);
    }
    lacks(
        &|| drop(world.exec("host", &["nft", "delete", "table", "inet", "eniclaim"])),
        "what passes by the bridge is not masqueraded",
    );
    // DEL is not kept from its work by what is gone.
    world.exec("host", &["nft", "delete", "table", "inet", "eniclaim"]);
    assert_eq!(site.cnitool("del"), Ok(Value::Null));
    assert_eq!(world.tables("host"), 1, "the test's own");
}

#[test]
fn node_whose_proxy_forwards_by_ipvs_is_refused() {
    let site = site(&access());
    // It is of another kind there.
    site.world.ip("host", "link add kube-ipvs0 type bridge");
    let error = site.cnitool("add").unwrap_err();
    assert!(
        error.contains("nodeAccess needs kube-proxy in another mode than ipvs"),
        "{error}"
    );
    site.world.ip("host", "link del kube-ipvs0");
    site.cnitool("add").unwrap();
    assert_eq!(site.cnitool("del"), Ok(Value::Null));
}

#[test]
fn subnet_that_the_node_uses_is_refused_by_name() {
    let site = site(&json!({ "subnet": "10.244.0.0/16" }));
    let error = site.cnitool("add").unwrap_err();
    assert!(
        error.contains("the subnet 10.244.0.0/16 of nodeAccess overlaps 10.244.9.0/24"),
        "{error}"
    );
    assert!(!site.world.has_link("host", "eniclaim0") && site.world.has_link("host", "eth1"));
    assert_eq!(site.cnitool("del"), Ok(Value::Null));
}
