//! The nft encoder: the kernel shows what was written.

use node_agent::kernel::{
    netlink::Netlink,
    nft::{
        expression::{Base, Expression, Key, Verdict},
        object::{Chain, Family, Hook, Kind, Place, Table},
        query::show,
        transaction::commit,
    },
};

use crate::world::World;

const CHAIN: Chain = Chain {
    table: Table {
        family: Family::Netdev,
        name: "test",
    },
    name: "every-expression",
};

#[test]
fn every_expression_is_shown_as_it_was_written() {
    let world = World::new();
    let hook = Hook {
        place: Place::Egress,
        kind: Kind::Filter,
        priority: -7,
        devices: vec!["eth0".into()],
        policy: Verdict::Drop,
    };
    let load = |base, offset, length| Expression::Payload {
        base,
        offset,
        length,
    };
    let rules = [
        vec![
            load(Base::Link, 12, 2),
            Expression::Equal(vec![8, 0]),
            Expression::Verdict(Verdict::Accept),
        ],
        vec![
            load(Base::Network, 0, 1),
            Expression::Mask(vec![0xf0]),
            Expression::NotEqual(vec![0x40]),
            Expression::Verdict(Verdict::Drop),
        ],
        vec![
            load(Base::Network, 24, 16),
            Expression::Mask(vec![0xff; 16]),
            Expression::Equal((0..16).collect()),
            Expression::Verdict(Verdict::Drop),
        ],
        vec![
            Expression::Meta(Key::Protocol),
            Expression::Equal(vec![0x86, 0xdd]),
            Expression::Verdict(Verdict::Accept),
        ],
        vec![Expression::Verdict(Verdict::Drop)],
    ];
    let mut changes = vec![CHAIN.table.create(), CHAIN.create(&hook)];
    changes.extend(rules.iter().map(|rule| CHAIN.append(rule)));
    let shown = world
        .netns("pod")
        .inside(|| {
            let mut socket = Netlink::netfilter()?;
            commit(&mut socket, &changes)?;
            show(&mut socket, &CHAIN)
        })
        .unwrap()
        .unwrap()
        .expect("the chain is there");
    assert!(shown.awake);
    assert_eq!(shown.hook, Some(hook));
    assert_eq!(shown.rules, rules.map(Some));
}
