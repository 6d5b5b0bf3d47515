//! What filters the packets of ports is there again after somebody removed it.

use serde_json::Value;

use super::{FIRST, PORT, SECOND, a_node, task, usual};
use crate::running::{Agent, a_claim, wait_until};

#[test]
fn packets_are_filtered_again_after_somebody_removed_the_rules_of_the_node() {
    let (world, agent) = a_node(&["a", "b"]);
    let (a, b) = (task(&world, &agent, "a"), task(&world, &agent, "b"));
    let mut check = usual();
    check["prevResult"] = a.add(&usual());
    b.add(&usual());
    // Routes of their own, and nothing else that keeps them apart.
    let routes = [("a", SECOND), ("b", FIRST)];
    for (short, to) in routes {
        world.ip(short, &format!("route add {to} dev eth0"));
    }
    for end in ["vetha9feac02", "vetha9feac03"] {
        world.ip(
            "host",
            &format!("link set {end} type bridge_slave isolated off"),
        );
    }
    let neighbour = || world.reach("a", None, SECOND, PORT);
    assert!(neighbour().is_err(), "a neighbour is reached");
    let folder = agent.stop();
    world.exec("host", &["nft", "flush", "ruleset"]);
    neighbour().expect("nothing keeps them apart");
    // By an agent that starts, and by one that runs.
    let agent = Agent::start_in(&world, folder);
    agent.list(vec![a_claim()]);
    let said =
        "somebody had changed filters, rules or routes of a port; they are as they should be again";
    let times = || agent.log().matches(said).count();
    wait_until(|| times() == 2);
    assert!(neighbour().is_err(), "a neighbour is reached");
    // Of one that is down the kernel does not say it.
    world.ip("host", "link set eth1 up");
    let mut count = 0;
    world.exec("host", &["nft", "flush", "ruleset"]);
    wait_until(|| {
        count += 1;
        // An ENI that changes lets it look at the node at once, and not in half a minute.
        world.ip("host", &format!("link set eth1 alias changed-{count}"));
        times() == 4
    });
    assert!(neighbour().is_err(), "a neighbour is reached");
    let (a, b) = (task(&world, &agent, "a"), task(&world, &agent, "b"));
    for (short, to) in routes {
        world.ip(short, &format!("route del {to} dev eth0"));
    }
    assert_eq!(a.run("CHECK", &check), (true, Value::Null));
    // With one port gone the other is still filtered, and with both nothing is left.
    b.del(&usual());
    assert_eq!(a.run("CHECK", &check), (true, Value::Null));
    a.del(&usual());
    assert_eq!(world.tables("host"), 0);
}
