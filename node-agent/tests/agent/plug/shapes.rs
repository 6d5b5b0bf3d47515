//! Every shape of addresses of one ENI: families, secondary addresses, delegated prefixes.

use node_agent::plug::{check, unplug};
use node_agent_core::{picture::PodSlot, plan::Traces};

use super::shape::{Counts, Shape, V4, V6, interface, is_in_the_kernel};
use crate::{
    plug::plug,
    world::{World, an_eni},
};

const FIRST: PodSlot = PodSlot(0);

/// Cases: M01.
/// Shape: IPv4 or IPv6 or IPv4+IPv6, 1 or 2 addresses, 0 or 1 prefixes.
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
    let (node, pod) = (world.node(), world.netns("pod"));
    let before = world.portrait("pod");
    for shape in shapes {
        let interface = interface(shape, FIRST);
        let plugged = plug(&world, &interface).unwrap_or_else(|e| panic!("{shape:?}: {e:?}"));
        assert_eq!(plugged.addresses, interface.addresses);
        is_in_the_kernel(&world, shape, FIRST);
        let checked = check(&node, &pod, &an_eni(), &interface, FIRST);
        assert_eq!(checked.map_err(|e| e.to_string()), Ok(()), "{shape:?}");
        let home = unplug(&node, Some(&pod), &an_eni(), FIRST, Traces::Remove).unwrap();
        assert!(home.found && home.left.is_empty(), "{shape:?}");
        assert_eq!(world.portrait("pod"), before, "{shape:?}");
    }
}

/// An address of a prefix that the pod does not use is not sent to the VPC, which would send it back.
#[test]
fn what_the_pod_does_not_use_of_a_prefix_is_unreachable() {
    let world = World::new();
    plug(&world, &interface([Counts(1, 1); 2], FIRST)).unwrap();
    for family in [V4, V6] {
        let (inside, [from, _]) = (family.inside(FIRST), family.addresses(FIRST));
        let way = world.exec("pod", &["ip", "route", "get", &inside, "from", &from]);
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
    let plugged = plug(&world, &interface([Counts(1, 0); 2], FIRST)).unwrap();
    assert_eq!(
        plugged.addresses,
        interface([Counts(1, 0), Counts(0, 0)], FIRST).addresses
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
        let interface = interface(shape, FIRST);
        node_agent::plug::plug(&node, &pod, &an_eni(), &interface, FIRST)
    };
    let refused = plug([Counts(0, 0), Counts(1, 0)]).unwrap_err();
    let said = refused.error.to_string();
    assert!(
        said.contains("the kernel of this node has no IPv6"),
        "{said}"
    );
    assert!(refused.undo.is_none() && world.device("host").is_some());
    let plugged = plug([Counts(1, 1); 2]).unwrap();
    assert!(plugged.without_ipv6);
    world.serve("vpc", 8080);
    world
        .reach("pod", Some("10.0.1.50"), "10.0.9.9", 8080)
        .unwrap();
}
