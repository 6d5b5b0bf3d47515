//! Every shape of addresses, as `ip` shows it in the kernel: families, secondary addresses, delegated prefixes.

use ipnet::IpNet;
use node_agent::plug::{check, unplug};
use node_agent_core::{
    claim::{Address, Interface},
    picture::PodSlot,
    plan::Traces,
};
use serde_json::Value;

use crate::{
    plug::plug,
    world::{World, an_eni, an_interface},
};

/// What an ENI may have of one family, and what the VPC has there.
struct Family {
    /// Arguments of `ip`.
    flag: &'static str,
    addresses: [&'static str; 2],
    length: u8,
    gateway: &'static str,
    subnet: &'static str,
    prefix: &'static str,
    /// An address out of the prefix.
    inside: &'static str,
    beyond: &'static str,
    /// What Linux makes of metric 0.
    metric: u64,
}

const V4: Family = Family {
    flag: "-4",
    addresses: ["10.0.1.50", "10.0.1.51"],
    length: 24,
    gateway: "10.0.1.1",
    subnet: "10.0.1.0/24",
    prefix: "10.0.1.64/28",
    inside: "10.0.1.70",
    beyond: "10.0.9.9",
    metric: 0,
};
const V6: Family = Family {
    flag: "-6",
    addresses: ["2001:db8:1::50", "2001:db8:1::51"],
    length: 64,
    gateway: "fe80:ec2::1",
    subnet: "2001:db8:1::/64",
    prefix: "2001:db8:1:0:1::/80",
    inside: "2001:db8:1:0:1::7",
    beyond: "2001:db8:9::9",
    metric: 1024,
};

/// How many addresses and prefixes of a family.
#[derive(Debug, Clone, Copy)]
struct Counts(usize, usize);

/// Of IPv4 and of IPv6.
type Shape = [Counts; 2];

fn interface(shape: Shape) -> Interface {
    let mut interface = an_interface();
    interface.addresses.clear();
    for (Counts(addresses, prefixes), family) in shape.into_iter().zip([V4, V6]) {
        let address = |ip: &&str| Address {
            ip: ip.parse().unwrap(),
            prefix: family.length,
            gateway: family.gateway.parse().unwrap(),
        };
        let addresses = family.addresses.iter().take(addresses);
        interface.addresses.extend(addresses.map(address));
        let prefix: IpNet = family.prefix.parse().unwrap();
        interface.prefixes.extend((prefixes > 0).then_some(prefix));
    }
    interface
}

/// A list of `ip`, one text each, sorted.
fn listed(world: &World, line: &str, text: impl Fn(&Value) -> Option<String>) -> Vec<String> {
    let all = world.json("pod", line);
    let mut texts: Vec<_> = all.as_array().unwrap().iter().filter_map(text).collect();
    texts.sort();
    texts
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

fn has(world: &World, family: &Family, Counts(addresses, prefixes): Counts) {
    let own: Vec<&str> = family.addresses.into_iter().take(addresses).collect();
    let device = world.device("pod").unwrap();
    let inet = if family.flag == "-4" { "inet" } else { "inet6" };
    let here = device["addr_info"].as_array().unwrap().iter();
    let here = here.filter(|a| a["family"] == inet && a["scope"] == "global");
    let here: Vec<_> = here.map(|a| a["local"].as_str().unwrap()).collect();
    assert_eq!(here.len(), own.len());
    assert!(own.iter().all(|address| here.contains(address)), "{here:?}");

    let rules = listed(world, &format!("{} rule", family.flag), |rule| {
        let ours = rule["protocol"] == "236" && rule["priority"] == 512;
        let length = rule["srclen"].as_u64().map(|n| format!("/{n}"));
        let oif = rule["oif"].as_str().map(|name| format!(" oif {name}"));
        let table = rule["table"].as_str();
        assert!(!ours || table == Some("23600"), "{rule}");
        ours.then(|| {
            let source = rule["src"].as_str().unwrap();
            format!(
                "{source}{}{}",
                length.unwrap_or_default(),
                oif.unwrap_or_default()
            )
        })
    });
    let none = addresses + prefixes == 0;
    let mut expected: Vec<String> = own.iter().map(|&address| address.to_owned()).collect();
    expected.extend((!none).then(|| "all oif eni0".to_owned()));
    expected.extend((prefixes > 0).then(|| family.prefix.to_owned()));
    assert_eq!(rules, sorted(expected));

    // A table that never had a route cannot be shown alone.
    let all = format!("{} route show table all", family.flag);
    let routes = listed(world, &all, |r| {
        let mut parts = vec![r["dst"].as_str()?.to_owned()];
        for key in ["type", "gateway", "prefsrc", "metric"] {
            match &r[key] {
                Value::Null => {}
                Value::String(value) => parts.push(format!("{key} {value}")),
                value => parts.push(format!("{key} {value}")),
            }
        }
        (r["table"] == "23600").then(|| parts.join(" "))
    });
    let metric = match family.metric {
        0 => String::new(),
        metric => format!(" metric {metric}"),
    };
    let nowhere = |to: &str| format!("{to} type unreachable metric 4294967295");
    let mut expected = Vec::new();
    if !none {
        let source = own.first().map(|first| format!(" prefsrc {first}"));
        let gateway = family.gateway;
        let by = format!(
            "default gateway {gateway}{}{metric}",
            source.as_deref().unwrap_or("")
        );
        expected.extend([by, nowhere("default")]);
        expected.extend(source.map(|source| format!("{}{source}{metric}", family.subnet)));
        expected.extend((prefixes > 0).then(|| nowhere(family.prefix)));
    }
    assert_eq!(routes, sorted(expected));

    let sources = own.iter().copied();
    let inside = (prefixes > 0).then_some(family.inside);
    if let Some(inside) = inside {
        // The pod decides which of them it uses: it puts one on an interface of its own.
        world.ip("pod", &format!("addr add {inside} dev lo"));
    }
    for source in sources.chain(inside) {
        let way = world.json("pod", &format!("route get {} from {source}", family.beyond));
        assert_eq!(
            (&way[0]["dev"], &way[0]["gateway"]),
            (&"eni0".into(), &family.gateway.into())
        );
    }
    if let Some(inside) = inside {
        world.ip("pod", &format!("addr del {inside} dev lo"));
    }
}

/// Cases: M01.
/// Shape: IPv4.
/// Shape: IPv4, 2 addresses.
/// Shape: IPv4, 1 prefix.
/// Shape: IPv4, 2 addresses, 1 prefix.
/// Shape: IPv6.
/// Shape: IPv6, 2 addresses.
/// Shape: IPv6, 1 prefix.
/// Shape: IPv6, 2 addresses, 1 prefix.
/// Shape: IPv4+IPv6.
/// Shape: IPv4+IPv6, 2 addresses.
/// Shape: IPv4+IPv6, 1 prefix.
/// Shape: IPv4+IPv6, 2 addresses, 1 prefix.
/// Each family alone, and both; with and without secondary addresses and prefixes.
#[test]
fn every_shape_is_in_the_kernel_as_ip_shows_it_and_leaves_nothing() {
    let of_family = || {
        let all = [1, 2].map(|addresses| [0, 1].map(|prefixes| Counts(addresses, prefixes)));
        all.concat()
    };
    let nothing = Counts(0, 0);
    let mut shapes: Vec<Shape> = of_family().into_iter().map(|v4| [v4, nothing]).collect();
    shapes.extend(of_family().into_iter().map(|v6| [nothing, v6]));
    for v4 in of_family() {
        // EC2 gives IPv6 as a prefix without an address, too.
        shapes.extend(
            of_family()
                .into_iter()
                .chain([Counts(0, 1)])
                .map(|v6| [v4, v6]),
        );
    }
    let world = World::new();
    let (node, pod, slot) = (world.node(), world.netns("pod"), PodSlot(0));
    let before = world.portrait("pod");
    for shape in shapes {
        let interface = interface(shape);
        let plugged = plug(&world, &interface).unwrap_or_else(|e| panic!("{shape:?}: {e:?}"));
        assert_eq!(plugged.addresses, interface.addresses);
        for (counts, family) in shape.into_iter().zip([V4, V6]) {
            has(&world, &family, counts);
        }
        let checked = check(&node, &pod, &an_eni(), &interface, slot);
        assert_eq!(checked.map_err(|e| e.to_string()), Ok(()), "{shape:?}");
        let home = unplug(&node, Some(&pod), &an_eni(), slot, Traces::Remove).unwrap();
        assert!(home.found && home.left.is_empty(), "{shape:?}");
        assert_eq!(world.portrait("pod"), before, "{shape:?}");
    }
}

/// An address of a prefix that the pod does not use is not sent to the VPC, which would send it back.
#[test]
fn what_the_pod_does_not_use_of_a_prefix_is_unreachable() {
    let world = World::new();
    plug(&world, &interface([Counts(1, 1), Counts(1, 1)])).unwrap();
    for family in [V4, V6] {
        let line = [
            "ip",
            "route",
            "get",
            family.inside,
            "from",
            family.addresses[0],
        ];
        let way = world.exec("pod", &line);
        let said = String::from_utf8_lossy(&way.stderr);
        assert!(
            !way.status.success() && said.contains("No route to host"),
            "{said}"
        );
    }
}

/// Cases: I02, I03.
/// What the pod cannot have is in the answer to nobody.
#[test]
fn without_ipv6_the_addresses_of_the_answer_are_those_of_ipv4() {
    let world = World::new();
    let sysctl = "net.ipv6.conf.all.disable_ipv6=1";
    assert!(
        world
            .exec("pod", &["sysctl", "-w", sysctl])
            .status
            .success()
    );
    let shape = [Counts(1, 0), Counts(1, 0)];
    let plugged = plug(&world, &interface(shape)).unwrap();
    assert_eq!(
        plugged.addresses,
        interface([Counts(1, 0), Counts(0, 0)]).addresses
    );
    assert!(plugged.without_ipv6);
}

/// Cases: I02.
/// A kernel that was started without IPv6.
#[test]
fn a_kernel_without_ipv6_serves_ipv4_and_refuses_ipv6_alone() {
    let world = World::new();
    let mut node = world.node();
    node.inspector.features.ipv6 = false;
    let pod = world.netns("pod");
    let plug = |shape| {
        let interface = interface(shape);
        node_agent::plug::plug(&node, &pod, &an_eni(), &interface, PodSlot(0))
    };
    let refused = plug([Counts(0, 0), Counts(1, 0)]).unwrap_err();
    let said = refused.error.to_string();
    assert!(
        said.contains("the kernel of this node has no IPv6"),
        "{said}"
    );
    assert!(refused.undo.is_none() && world.device("host").is_some());
    let plugged = plug([Counts(1, 1), Counts(1, 1)]).unwrap();
    assert!(plugged.without_ipv6);
    world.serve("vpc", 8080);
    world
        .reach("pod", Some("10.0.1.50"), "10.0.9.9", 8080)
        .unwrap();
}
