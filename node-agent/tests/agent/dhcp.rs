//! Leases from real servers, over the sockets of the agent.

#[path = "dhcp/configured.rs"]
mod configured;
#[path = "dhcp/exchange.rs"]
mod exchange;
#[path = "dhcp/kept.rs"]
mod kept;
#[path = "dhcp/server.rs"]
mod server;
#[path = "dhcp/v4.rs"]
mod v4;
#[path = "dhcp/v4_session.rs"]
mod v4_session;
#[path = "dhcp/v6.rs"]
mod v6;
#[path = "dhcp/v6_session.rs"]
mod v6_session;

use std::time::{Duration, Instant};

use node_agent_core::dhcp::{BootTime, Moment};

use crate::world::World;

/// The ENI in the pod.
const INTERFACE: &str = "eth1";
/// Its other end, in the VPC.
const SERVER_END: &str = "eni0a";
/// What happens at once takes no longer on a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(30);

/// A pod that has its ENI, without addresses.
fn a_pod() -> World {
    let world = World::new();
    let pod = world.name("pod");
    world.ip("host", &format!("link set eth1 netns {pod}"));
    world.ip("pod", "link set eth1 up");
    for end in [("pod", INTERFACE), ("vpc", SERVER_END)] {
        has_link_local(&world, end);
    }
    world
}

/// Without its link-local address, checked, nobody can send to a group of IPv6.
fn has_link_local(world: &World, (namespace, interface): (&str, &str)) {
    world.wait_until(|world| {
        let addresses = format!("-6 addr show dev {interface} scope link");
        let addresses = world.ip(namespace, &addresses);
        addresses.contains("fe80") && !addresses.contains("tentative")
    });
}

/// `CLOCK_BOOTTIME` of a machine that may be suspended: then it goes on at once where it would be after the wait.
struct Clock {
    started: Instant,
    asleep: Duration,
}

impl Clock {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            asleep: Duration::ZERO,
        }
    }

    fn now(&self) -> BootTime {
        let elapsed = self.started.elapsed() + self.asleep;
        BootTime(1_000_000 + u64::try_from(elapsed.as_millis()).unwrap())
    }

    /// As early as chance lets it be.
    fn moment(&self) -> Moment {
        Moment {
            now: self.now(),
            xid: 0x1234_5678 ^ u32::try_from(self.now().0).unwrap(),
            jitter: 0,
        }
    }

    fn until(&self, time: BootTime) -> Duration {
        Duration::from_millis(time.since(self.now()))
    }

    fn sleep_until(&mut self, time: BootTime) {
        self.asleep += self.until(time);
    }
}
