//! What the kernel says about a chain.

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLMSG_ERROR};

use crate::kernel::{
    netlink::{Netlink, Raw},
    nft::{
        expression::Expression,
        object::{Chain, Hook, Message, Table, decode_rule},
    },
};

/// A list that changes while it is read is read again, so many times.
const DUMP_ATTEMPTS: usize = 10;

/// A chain as the kernel has it, as far as hook and rules are such as this module writes.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown {
    /// Whether packets reach the chains of its table: a dormant table is there, and does nothing.
    pub awake: bool,
    /// Where packets enter it.
    pub hook: Option<Hook>,
    /// Its rules.
    pub rules: Vec<Option<Vec<Expression>>>,
}

/// Reads a chain; nothing if there is none.
pub fn show(socket: &mut Netlink, chain: &Chain) -> io::Result<Option<Shown>> {
    let Some(table) = ask(socket, &chain.table.get())? else {
        return Ok(None);
    };
    let Some(found) = ask(socket, &chain.get())? else {
        return Ok(None);
    };
    let rules = list(socket, &chain.get_rules())?;
    Ok(Some(Shown {
        awake: Table::is_awake(attributes(&table)),
        hook: Hook::decode(attributes(&found)),
        rules: rules
            .iter()
            .map(|rule| decode_rule(attributes(rule)))
            .collect(),
    }))
}

/// The message that answers a question, or nothing if there is no such thing.
fn ask(socket: &mut Netlink, question: &Message) -> io::Result<Option<Raw>> {
    let sequence = socket.next_sequence();
    socket.send(&question.encode(NLM_F_ACK, sequence))?;
    let mut found = None;
    loop {
        for answer in socket.receive()? {
            if answer.sequence != sequence {
                continue;
            }
            if answer.kind != NLMSG_ERROR {
                found = Some(answer);
                continue;
            }
            return match answer.verdict() {
                Ok(()) => Ok(found),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            };
        }
    }
}

fn list(socket: &mut Netlink, question: &Message) -> io::Result<Vec<Raw>> {
    for _ in 0..DUMP_ATTEMPTS {
        let sequence = socket.next_sequence();
        socket.send(&question.encode(NLM_F_DUMP, sequence))?;
        let (answers, interrupted) = socket.gather(sequence)?;
        if !interrupted {
            return Ok(answers);
        }
    }
    Err(io::Error::other(
        "the nftables rules changed again and again while they were read",
    ))
}

/// What follows `struct nfgenmsg`.
fn attributes(answer: &Raw) -> &[u8] {
    answer.payload.get(4..).unwrap_or_default()
}
