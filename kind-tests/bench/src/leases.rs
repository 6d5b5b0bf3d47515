//! b-agent with leases: what DHCP leases of pods cost an agent that keeps them, beside what others need for one.

mod peers;
mod pods;
mod site;

use crate::{
    interval::{Interval, float},
    leases::{
        peers::{Peers, SCALED},
        pods::{Kept, Node, STARTS},
        site::{LIFETIME, Site},
    },
    row::Row,
};

/// Pods with a lease; a node of the largest instance types has a tenth of that.
const LEASES: usize = 500;
/// Memory of a lease, in KiB.
const GOAL_MEMORY: f64 = 40.0;
/// Share of one processor.
const GOAL_PROCESSOR: f64 = 0.01;

/// The agent with the same pods, at first without leases; then the peers, so that none disturbs another.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let site = Site::new(LEASES)?;
    let (without, kept) = site.host.inside(|| {
        let mut node = Node::start(LEASES)?;
        let measured = node
            .idle_memory()
            .and_then(|without| Ok((without, node.keep(&site.server)?)));
        measured.map_err(|error| {
            error.context(format!("the agent logged last:\n{}", node.last_words()))
        })
    })?;
    drop(site);
    let peers = Peers::measure()?;
    Ok(compared(&without, &kept, &peers))
}

fn compared(idle: &[f64], kept: &Kept, peers: &Peers) -> Vec<Row> {
    let without = Interval::median(idle).value;
    let each = (kept.memory - without) / float(LEASES);
    let memory = |value: f64| format!("PSS: {value:.1} KiB a lease");
    let against = |id, name: &str, theirs: f64, how: &str| Row {
        id,
        ours: memory(each),
        peer: format!("{name}: {theirs:.1} KiB"),
        ratio: Interval::exact(each / theirs),
        goal: 1.0,
        how: format!("{SCALED} leases, scaled to one: {how}"),
    };
    let share = kept.processor.both() / kept.elapsed;
    vec![
        Row {
            id: "b-agent leases",
            ours: memory(each),
            peer: format!("{GOAL_MEMORY} KiB"),
            ratio: Interval::exact(each / GOAL_MEMORY),
            goal: 1.0,
            how: format!(
                "{LEASES} leases bound in as many pods, each renewed twice: {:.1} MiB; the same pods with dhcp Disabled: {:.1} MiB, median of {STARTS} starts",
                kept.memory / 1_024.0,
                without / 1_024.0
            ),
        },
        against(
            "b-agent dhclient",
            "dhclient",
            peers.dhclient,
            "a process of ISC's dhclient each",
        ),
        against(
            "b-agent daemon",
            "dhcp daemon",
            peers.daemon,
            "what they add to upstream's dhcp daemon with one",
        ),
        Row {
            id: "b-agent processor",
            ours: format!("{:.2} % of a processor", share * 100.0),
            peer: format!("{} %", GOAL_PROCESSOR * 100.0),
            ratio: Interval::exact(share / GOAL_PROCESSOR),
            goal: 1.0,
            how: format!(
                "{LEASES} leases of {LIFETIME} s: {} renewals in {:.0} s, {:.2} s of user and {:.2} s of kernel time",
                kept.renewals, kept.elapsed, kept.processor.user, kept.processor.kernel
            ),
        },
    ]
}
