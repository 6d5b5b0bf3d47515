//! Attacks on whoever reads the pod's rules, routes and tables.

use std::io;

use nix::sys::socket::SockProtocol;

use super::link::Victim;
use crate::netlink::{ACK, CREATE, Netlink, attribute, message, number, text};

/// Message types (`include/uapi/linux/rtnetlink.h`, `include/uapi/linux/netfilter/nfnetlink.h`).
const NEWROUTE: u16 = 24;
const NEWRULE: u16 = 32;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const SUBSYSTEM: u16 = 10;
const NEWTABLE: u16 = SUBSYSTEM << 8;
const DELTABLE: u16 = SUBSYSTEM << 8 | 2;
const AF_INET: u8 = 2;
/// `NFPROTO_INET`, `NFPROTO_NETDEV`.
const INET: u8 = 1;
const NETDEV: u8 = 5;
/// Attributes (rtnetlink(7), `include/uapi/linux/fib_rules.h`).
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const TABLE: u16 = 15;
const RULE_PRIORITY: u16 = 6;
const RULE_PROTOCOL: u16 = 21;
/// The table and the protocol number that the agent takes for its own.
const OUR_TABLE: u32 = 23_600;
const OUR_PROTOCOL: u8 = 236;
/// `RTN_UNICAST` and `FR_ACT_TO_TBL`, `RT_SCOPE_LINK`.
const UNICAST: u8 = 1;
const LINK: u8 = 253;
/// Messages of one send.
const BATCH: u32 = 500;

pub(super) fn rules(netlink: &Netlink, _: &Victim) -> io::Result<()> {
    for n in 0..1000 {
        let fixed = [AF_INET, 0, 0, 0, 0, 0, 0, UNICAST, 0, 0, 0, 0];
        let attributes = [
            number(RULE_PRIORITY, 600 + n),
            number(TABLE, OUR_TABLE),
            attribute(RULE_PROTOCOL, &[OUR_PROTOCOL]),
        ];
        netlink.ask(&message(NEWRULE, ACK | CREATE, &fixed, &attributes))?;
    }
    Ok(())
}

pub(super) fn routes(netlink: &Netlink, victim: &Victim) -> io::Result<()> {
    for batch in 0..100_000 / BATCH {
        let route = |n: u32| {
            let destination = (11 << 24 | (batch * BATCH + n)).to_be_bytes();
            let fixed = [
                AF_INET,
                32,
                0,
                0,
                0,
                OUR_PROTOCOL,
                LINK,
                UNICAST,
                0,
                0,
                0,
                0,
            ];
            let attributes = [
                attribute(RTA_DST, &destination),
                number(RTA_OIF, victim.index),
                number(TABLE, OUR_TABLE),
            ];
            message(NEWROUTE, CREATE, &fixed, &attributes)
        };
        let all: Vec<u8> = (0..BATCH).flat_map(route).collect();
        netlink.send(&all)?;
    }
    Ok(())
}

/// Deletes every table of the family netdev, where the agent's filter is, and makes one of another family.
pub(super) fn no_tables(_: &Netlink, _: &Victim) -> io::Result<()> {
    let family = |family: u8| [family, 0, 0, 0];
    let subsystem = [0, 0, 0, u8::try_from(SUBSYSTEM).unwrap_or_default()];
    let batch = [
        message(BATCH_BEGIN, 0, &subsystem, &[]),
        message(DELTABLE, 0, &family(NETDEV), &[]),
        message(NEWTABLE, CREATE & 0x400, &family(INET), &[text(1, "mine")]),
        message(BATCH_END, 0, &subsystem, &[]),
    ];
    Netlink::open(SockProtocol::NetlinkNetFilter)?.send(&batch.concat())
}
