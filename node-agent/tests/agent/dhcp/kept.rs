//! Leases that a running agent keeps beside a claim's addresses, from dnsmasq.

use std::time::{Duration, Instant};

use cni::protocol::{Added, Reply};
use crds::EniClaim;
use node_agent::report::Notice;
use node_agent_core::{
    claim::Place,
    dhcp::{Contents, Standing},
};
use serde_json::json;

use super::{
    SERVER_END,
    server::{Server, Service, Software},
};
use crate::{
    running::{Agent, a_claim, after, wait_until, with},
    world::World,
};

/// T1 is 6 seconds.
const SERVICE: Service = Service::V4 { subnet: 1 };
/// An address that the server gives to whoever asks for it, and one that it never gives.
const GIVEN: &str = "10.0.1.105";
const NOT_GIVEN: &str = "10.0.1.50";

/// A pod that has its claim's interface, an agent, and a server.
pub struct Kept {
    pub world: World,
    pub server: Server,
    pub agent: Agent,
    pub claim: EniClaim,
}

impl Kept {
    fn new(address: &str) -> Self {
        let world = World::new();
        let server = Server::start(&world, Software::Dnsmasq, SERVICE);
        let claim = with(
            a_claim(),
            "/status/ipam/addresses/0/address",
            json!(address),
        );
        let (kept, _) = Self::start(world, claim, |_| server);
        kept
    }

    /// The pod has the claim's interface, and the claim says so. The server is there while the interface is being added.
    pub fn start(
        world: World,
        claim: EniClaim,
        server: impl FnOnce(&World) -> Server,
    ) -> (Self, Added) {
        let agent = Agent::start(&world);
        agent.list(vec![claim.clone()]);
        let adding = agent.adding(&world, "c1", "pod");
        let server = server(&world);
        let reply = adding.join().unwrap();
        let Reply::Added(mut added) = reply else {
            panic!("{reply:?}");
        };
        let mut kept = Self {
            world,
            server,
            agent,
            claim,
        };
        while !matches!(kept.notice().report.place, Place::Plugged { .. }) {}
        (kept, added.remove(0))
    }

    /// The agent ends, and another one goes on.
    pub fn restart(self) -> Self {
        let Self {
            world,
            server,
            agent,
            claim,
        } = self;
        let agent = Agent::start_in(&world, agent.stop());
        agent.list(vec![claim.clone()]);
        Self {
            world,
            server,
            agent,
            claim,
        }
    }

    /// The next report; the claim shows it.
    pub fn notice(&mut self) -> Notice {
        let notice = self.agent.notice();
        self.claim = after(&self.claim, &notice);
        self.agent.claim(self.claim.clone());
        notice
    }

    pub fn messages(&self, name: &str) -> usize {
        let log = self.server.log();
        log.lines().filter(|line| line.contains(name)).count()
    }

    pub fn wait_for(&self, message: &str, more: usize) {
        let before = self.messages(message);
        wait_until(|| self.messages(message) >= before + more);
    }

    fn leased(&mut self) -> Contents {
        match self.notice().report.leases.ipv4 {
            Some(Standing::Leased(contents)) => *contents,
            other => panic!("{other:?}"),
        }
    }

    pub fn addresses(&self) -> String {
        self.world.ip("pod", "-4 addr show dev eni0")
    }

    pub fn condition(&self) -> (String, String) {
        let status = self.claim.status.as_ref().unwrap();
        let leased = status.condition("Leased").unwrap();
        (leased.reason.to_string(), leased.message.to_string())
    }
}

#[test]
fn lease_is_kept_over_a_restart_without_a_write_and_without_a_discover_and_is_given_back() {
    let mut kept = Kept::new(GIVEN);
    let contents = kept.leased();
    assert_eq!(
        contents.addresses,
        [GIVEN.parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!(contents.server, "10.0.1.1");
    assert_eq!(contents.domain.as_deref(), Some("example.com"));
    assert_eq!(kept.condition().0, "Leased");
    kept.wait_for("DHCPACK", 2);
    assert!(kept.agent.is_quiet());

    let mut kept = kept.restart();
    kept.wait_for("DHCPACK", 2);
    assert_eq!(kept.messages("DHCPDISCOVER("), 1);
    assert!(kept.agent.is_quiet());

    let netns = kept.world.path("pod");
    assert_eq!(kept.agent.del(Some(netns), "c1"), Reply::Deleted);
    kept.server.wait_for_log(&["DHCPRELEASE", GIVEN]);
    let leases = kept.agent.folder().path().join("leases");
    wait_until(|| std::fs::read_dir(&leases).unwrap().next().is_none());
}

#[test]
fn offer_of_another_address_is_said_and_changes_nothing_in_the_pod() {
    let mut kept = Kept::new(NOT_GIVEN);
    let before = kept.addresses();
    let notice = kept.notice();
    assert!(
        matches!(notice.report.leases.ipv4, Some(Standing::Differs(_))),
        "{:?}",
        notice.report
    );
    let (reason, message) = kept.condition();
    assert_eq!(reason, "Differs");
    assert!(
        message.contains("offers 10.0.1.1")
            && message.contains(&format!("the claim has {NOT_GIVEN}")),
        "{message}"
    );
    kept.wait_for("DHCPOFFER", 1);
    assert!(kept.agent.is_quiet());
    assert_eq!(kept.addresses(), before);
    assert_eq!(kept.messages("DHCPREQUEST"), 0);
}

#[test]
fn namespace_dies_within_a_second_while_a_lease_is_bound_or_being_renewed() {
    for renewing in [false, true] {
        let mut kept = Kept::new(GIVEN);
        kept.leased();
        if renewing {
            // Nobody answers: the socket of the request stays open for seconds.
            kept.server.stop();
            let ports = "ss -Hlun sport = :68";
            let pod = kept.world.name("pod");
            wait_until(|| {
                let output = std::process::Command::new("ip")
                    .args(["netns", "exec", &pod])
                    .args(ports.split(' '))
                    .output();
                !output.unwrap().stdout.is_empty()
            });
        }
        kept.world.kill("pod");
        let dead = Instant::now();
        // The end of a veth in the VPC goes with the other one, which goes with its namespace.
        wait_until(|| !kept.world.ip("vpc", "link show").contains(SERVER_END));
        let took = dead.elapsed();
        assert!(
            took < Duration::from_secs(1),
            "{took:?}, renewing: {renewing}"
        );
    }
}
