//! Interfaces that leases configure, by a running agent.

use cni::protocol::{Added, Reply};
use crds::EniClaim;
use serde_json::{Value, json};

use super::{
    SERVER_END, has_link_local,
    kept::Kept,
    server::{Server, Service, Software},
};
use crate::{
    running::{Agent, a_claim, wait_until},
    world::World,
};

const V4: Service = Service::V4 { subnet: 1 };
const V6: Service = Service::V6 { subnet: 1, id: 1 };

/// A claim without any address.
fn a_claim_of(dhcp: &Value) -> EniClaim {
    let mut document = serde_json::to_value(a_claim()).unwrap();
    document["status"]["ipam"]["addresses"] = json!([]);
    document["status"]["interface"]["dhcp"] = dhcp.clone();
    serde_json::from_value(document).unwrap()
}

fn ipv4() -> EniClaim {
    a_claim_of(&json!({ "ipv4": "Configure", "ipv6": "Disabled" }))
}

fn start(claim: EniClaim) -> (Kept, Added) {
    let world = World::new();
    let server = Server::start(&world, Software::Dnsmasq, V4);
    Kept::start(world, claim, |_| server)
}

/// The address without the length of its prefix.
fn host(added: &Added) -> &str {
    let address = &added.addresses[0].address;
    address.split('/').next().unwrap()
}

fn routes(kept: &Kept, table: &str) -> String {
    let routes = format!("-4 route show table {table}");
    kept.world.ip("pod", &routes)
}

#[test]
fn pod_without_an_address_in_its_claim_runs_with_its_lease() {
    let (mut kept, added) = start(ipv4());
    let address = &added.addresses[0];
    assert!(address.address.starts_with("10.0.1.1") && address.address.ends_with("/24"));
    assert_eq!(address.gateway.as_deref(), Some("10.0.1.1"));
    assert_eq!(added.mtu, 1400);
    let own = host(&added).to_owned();
    assert!(kept.addresses().contains(&format!("inet {own}/32")));
    let table = routes(&kept, "23600");
    assert!(table.contains("default via 10.0.1.1 dev eni0"), "{table}");
    assert!(table.contains("10.9.0.0/16 dev eni0"), "{table}");
    kept.world.serve("vpc", 80);
    kept.world.reach("pod", Some(&own), "10.0.1.1", 80).unwrap();
    assert_eq!(kept.condition().0, "Leased");
    assert!(kept.agent.is_quiet());

    kept.wait_for("DHCPACK", 2);
    assert!(kept.agent.is_quiet());

    let before = kept.world.portrait("pod");
    let kept = kept.restart();
    kept.wait_for("DHCPACK", 2);
    assert_eq!(kept.messages("DHCPDISCOVER("), 1);
    assert_eq!(kept.world.portrait("pod"), before);

    let netns = kept.world.path("pod");
    assert_eq!(kept.agent.del(Some(netns), "c1"), Reply::Deleted);
    kept.server.wait_for_log(&["DHCPRELEASE", &own]);
}

#[test]
fn lease_of_another_address_takes_the_place_of_the_one_before() {
    let (mut kept, added) = start(ipv4());
    let first = host(&added).to_owned();
    // The server has forgotten it, and leases another range.
    let other = Service::V4 { subnet: 2 };
    kept.world
        .ip("vpc", &format!("addr add 10.0.2.1/24 dev {SERVER_END}"));
    kept.server.forget(other);
    wait_until(|| kept.addresses().contains("inet 10.0.2.1"));
    let addresses = kept.addresses();
    assert!(!addresses.contains(&first), "{addresses}");
    let table = routes(&kept, "23600");
    assert!(table.contains("default via 10.0.2.1") && !table.contains("10.0.1."));
    while kept.condition().0 != "Leased" || !format!("{:?}", kept.claim.status).contains("10.0.2.1")
    {
        kept.notice();
    }
}

#[test]
fn address_that_another_host_uses_is_declined_and_the_pod_is_told() {
    let (kept, added) = start(ipv4());
    let taken = host(&added).to_owned();
    drop(kept);
    let world = World::new();
    world.ip("vpc", &format!("addr add {taken}/32 dev {SERVER_END}"));
    let server = Server::start(&world, Software::Dnsmasq, V4);
    let agent = Agent::start(&world);
    agent.list(vec![ipv4()]);
    let Reply::Failed(error) = agent.add(&world, "c1", "pod") else {
        panic!("an address of another host was used");
    };
    let why = "another host uses the address that a DHCPv4 server leased to it";
    assert!(error.msg.contains(why), "{}", error.msg);
    server.wait_for_log(&["DHCPDECLINE", &taken]);
    let netns = world.path("pod");
    assert_eq!(agent.del(Some(netns), "c1"), Reply::Deleted);
    // The server gives another one now.
    let Reply::Added(added) = agent.add(&world, "c2", "pod") else {
        panic!("no other address");
    };
    assert_ne!(host(&added[0]), taken);
}

#[test]
fn pod_waits_for_its_lease_and_is_told_that_no_server_answers() {
    let world = World::new();
    let agent = Agent::start(&world);
    agent.list(vec![ipv4()]);
    let Reply::Failed(error) = agent.add(&world, "c1", "pod") else {
        panic!("the pod has no address");
    };
    let why = "no DHCPv4 server has leased it an address yet";
    assert!(error.msg.contains(why), "{}", error.msg);
    assert_eq!(agent.del(Some(world.path("pod")), "c1"), Reply::Deleted);
    wait_until(|| agent.journal() == 0);
}

#[test]
fn pod_runs_with_addresses_and_a_prefix_of_dhcpv6() {
    let dhcp = json!({ "ipv4": "Disabled", "ipv6": "Configure" });
    let mut document = serde_json::to_value(a_claim_of(&dhcp)).unwrap();
    document["status"]["ipam"]["prefixes"] = json!(["2001:db8:9::/80"]);
    let claim: EniClaim = serde_json::from_value(document).unwrap();
    // Kea serves a link that is up, and its other end is up in the pod.
    let (mut kept, added) = Kept::start(World::new(), claim, |world| {
        has_link_local(world, ("vpc", SERVER_END));
        Server::start(world, Software::Kea, V6)
    });
    let own = host(&added).to_owned();
    assert!(own.starts_with("2001:db8:1::1"), "{own}");
    let addresses = kept.world.ip("pod", "-6 addr show dev eni0");
    assert!(addresses.contains(&own), "{addresses}");
    let rules = kept.world.ip("pod", "-6 rule show");
    assert!(rules.contains("from 2001:db8:8000:"), "{rules}");
    assert!(!rules.contains("2001:db8:9:"), "{rules}");
    let status = format!("{:?}", kept.claim.status);
    assert!(status.contains("2001:db8:8000:"), "{status}");
    assert_eq!(kept.condition().0, "Leased");
    assert!(kept.agent.is_quiet());
}
