//! b-add and b-del: an attached ENI into a pod and back to the host, against the bare move and against upstream's host-device.

mod rounds;
mod site;

use crate::{
    add::{
        rounds::{ROUNDS, Round},
        site::{MOVES, Site},
    },
    interval::Interval,
    row::{Row, seconds},
};

/// Other links on the host, in the second half of the rows.
const LINKS: usize = 250;

/// How the rows are called; with and without other links.
struct Names {
    add: [&'static str; 2],
    del: [&'static str; 2],
    several: [&'static str; 2],
    links: usize,
}

const FEW: Names = Names {
    add: ["b-add", "b-add host-device"],
    del: ["b-del", "b-del host-device"],
    several: ["b-add four interfaces", "b-del four interfaces"],
    links: 0,
};
const MANY: Names = Names {
    add: ["b-add 250 links", "b-add host-device 250 links"],
    del: ["b-del 250 links", "b-del host-device 250 links"],
    several: [
        "b-add four interfaces, 250 links",
        "b-del four interfaces, 250 links",
    ],
    links: LINKS,
};

/// All in turn, on a host with few links and on one with many.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for names in [FEW, MANY] {
        let rounds = Site::new(names.links)?.measure()?;
        rows.extend(compared(&names, &rounds));
    }
    Ok(rows)
}

/// A peer: its name, its part of a round, and the goal.
type Peer = (&'static str, fn(&Round) -> f64, f64);

fn compared(names: &Names, rounds: &[Round]) -> Vec<Row> {
    let add: [Peer; 2] = [
        (
            "empty program, move",
            |round| round.started + round.after_program.there,
            1.15,
        ),
        ("host-device, dhcp", |round| round.upstream_add, 0.5),
    ];
    let del: [Peer; 2] = [
        ("move", |round| round.after_program.back, 1.15),
        ("host-device, dhcp", |round| round.upstream_del, 0.45),
    ];
    let add = names
        .add
        .into_iter()
        .zip(add)
        .map(|(id, peer)| row(id, ("ADD", |round| round.add), peer, rounds));
    let del = names
        .del
        .into_iter()
        .zip(del)
        .map(|(id, peer)| row(id, ("DEL", |round| round.del), peer, rounds));
    add.chain(del).chain(several(names, rounds)).collect()
}

/// One move for each interface at most, and all else once.
fn several(names: &Names, rounds: &[Round]) -> [Row; 2] {
    let [add, del] = names.several;
    let peer: Peer = (
        "empty program, a move each",
        |round| round.started + MOVES * round.after_program.there,
        1.15,
    );
    let ours: (&str, fn(&Round) -> f64) = ("ADD", |round| round.add_several);
    let add = row(add, ours, peer, rounds);
    let peer: Peer = (
        "a move each",
        |round| MOVES * round.after_program.back,
        1.15,
    );
    let ours: (&str, fn(&Round) -> f64) = ("DEL", |round| round.del_several);
    [add, row(del, ours, peer, rounds)]
}

fn row(
    id: &'static str,
    (verb, ours): (&str, fn(&Round) -> f64),
    (name, peer, goal): Peer,
    rounds: &[Round],
) -> Row {
    let median = |value: &dyn Fn(&Round) -> f64| {
        Interval::median(&rounds.iter().map(value).collect::<Vec<_>>())
    };
    Row {
        id,
        ours: format!("{verb}: {}", seconds(median(&ours).value)),
        peer: format!("{name}: {}", seconds(median(&peer).value)),
        ratio: median(&|round| ours(round) / peer(round)),
        goal,
        how: format!(
            "median of {ROUNDS} rounds on the wall's clock; an empty program takes {}, a move at rest {} there and {} back",
            seconds(median(&|round| round.started).value),
            seconds(median(&|round| round.at_rest.there).value),
            seconds(median(&|round| round.at_rest.back).value),
        ),
    }
}
