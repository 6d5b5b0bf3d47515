//! DHCPv6 messages as bytes (RFC 8415 sections 8 and 21, RFC 3646, RFC 5908).
//!
//! Options are read as deep as they mean something, and no deeper: a packet of options in options costs no stack.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use node_agent_core::dhcp::v6::{Association, Duid, Leased, MessageType, Options, Packet, Status};

use super::{
    Dropped, exact, list,
    names::{self, Compression},
    take, take_part,
};

#[cfg(test)]
mod tests;

const CLIENT_ID: u16 = 1;
const SERVER_ID: u16 = 2;
const ADDRESSES: u16 = 3;
const ADDRESS: u16 = 5;
const OPTION_REQUEST: u16 = 6;
const PREFERENCE: u16 = 7;
const ELAPSED: u16 = 8;
const STATUS: u16 = 13;
const DNS: u16 = 23;
const SEARCH: u16 = 24;
const PREFIXES: u16 = 25;
const PREFIX: u16 = 26;
const REFRESH_TIME: u16 = 32;
const NTP: u16 = 56;
const SOLICIT_LIMIT: u16 = 82;
const INFORMATION_LIMIT: u16 = 83;
/// In option 56: an address, and neither a group's nor a name.
const NTP_SERVER: u16 = 1;
/// Statuses that are none of RFC 8415's for a client of leases are read as this one.
const FAILURE: u16 = 1;

/// The bytes of a message.
pub fn encode(packet: &Packet) -> Vec<u8> {
    let Packet {
        message_type,
        xid,
        options,
    } = packet;
    let [_, xid @ ..] = xid.to_be_bytes();
    let mut bytes = vec![number(*message_type)];
    bytes.extend(xid);
    write_options(&mut bytes, options);
    bytes
}

/// The message of a server to the client whose associations have this id.
pub fn decode(mut bytes: &[u8], iaid: u32) -> Result<Packet, Dropped> {
    let [number] = take(&mut bytes)?;
    let [high, middle, low] = take(&mut bytes)?;
    Ok(Packet {
        message_type: answer(number).ok_or(Dropped::NotAnAnswer)?,
        xid: u32::from_be_bytes([0, high, middle, low]),
        options: read_options(&parts(bytes)?, iaid)?,
    })
}

fn number(message_type: MessageType) -> u8 {
    match message_type {
        MessageType::Solicit => 1,
        MessageType::Advertise => 2,
        MessageType::Request => 3,
        MessageType::Confirm => 4,
        MessageType::Renew => 5,
        MessageType::Rebind => 6,
        MessageType::Reply => 7,
        MessageType::Release => 8,
        MessageType::Decline => 9,
        MessageType::InformationRequest => 11,
    }
}

/// What a server sends and the machine reads: not RECONFIGURE, which no client has to accept.
fn answer(number: u8) -> Option<MessageType> {
    match number {
        2 => Some(MessageType::Advertise),
        7 => Some(MessageType::Reply),
        _ => None,
    }
}

/// The options of a message, or in an option.
fn parts(mut bytes: &[u8]) -> Result<Vec<(u16, &[u8])>, Dropped> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let code = u16::from_be_bytes(take(&mut bytes)?);
        let length = u16::from_be_bytes(take(&mut bytes)?);
        parts.push((code, take_part(&mut bytes, length.into())?));
    }
    Ok(parts)
}

/// Of an option that is there more than once, and may not be, the first one.
fn read_options(parts: &[(u16, &[u8])], iaid: u32) -> Result<Options, Dropped> {
    let value = |code| find(parts, code);
    let duid = |code| value(code).map(|value| Duid(value.to_vec()));
    let seconds = |code| value(code).and_then(|value| exact(value, u32::from_be_bytes));
    let requested = list::<[u8; 2], 2>(value(OPTION_REQUEST).unwrap_or_default());
    Ok(Options {
        client_id: duid(CLIENT_ID),
        server_id: duid(SERVER_ID),
        addresses: association(parts, ADDRESSES, (ADDRESS, read_address), iaid)?,
        prefixes: association(parts, PREFIXES, (PREFIX, read_prefix), iaid)?,
        option_request: requested.into_iter().map(u16::from_be_bytes).collect(),
        preference: value(PREFERENCE)
            .and_then(|value| exact(value, u8::from_be_bytes))
            .unwrap_or_default(),
        elapsed: value(ELAPSED).and_then(|value| exact(value, u16::from_be_bytes)),
        status: status(parts),
        dns: list(value(DNS).unwrap_or_default()),
        search: names::read(value(SEARCH).unwrap_or_default(), Compression::Forbidden),
        refresh_time: seconds(REFRESH_TIME),
        ntp: ntp(parts)?,
        solicit_limit: seconds(SOLICIT_LIMIT),
        information_limit: seconds(INFORMATION_LIMIT),
    })
}

fn find<'a>(parts: &[(u16, &'a [u8])], wanted: u16) -> Option<&'a [u8]> {
    all(parts, wanted).next()
}

fn all<'a>(parts: &[(u16, &'a [u8])], wanted: u16) -> impl Iterator<Item = &'a [u8]> {
    let wanted = parts.iter().filter(move |(code, _)| *code == wanted);
    wanted.map(|(_, value)| *value)
}

/// What is leased, if it can be, and the options that belong to it.
type Item<'a> = (Option<Leased>, &'a [u8]);
type ReadItem<'a> = fn(&'a [u8]) -> Result<Item<'a>, Dropped>;

/// The first association of a sort that has our id, with what is leased in options of the code `item`.
fn association<'a>(
    parts: &[(u16, &'a [u8])],
    code: u16,
    (item, read): (u16, ReadItem<'a>),
    iaid: u32,
) -> Result<Option<Association>, Dropped> {
    for mut value in all(parts, code) {
        let [id, renewal_time, rebinding_time] =
            [take(&mut value)?, take(&mut value)?, take(&mut value)?].map(u32::from_be_bytes);
        if id != iaid {
            continue;
        }
        let parts = self::parts(value)?;
        let mut leased = Vec::new();
        for value in all(&parts, item) {
            let (item, options) = read(value)?;
            let given = status(&self::parts(options)?) == Status::Success;
            leased.extend(item.filter(|_| given));
        }
        return Ok(Some(Association {
            iaid,
            renewal_time,
            rebinding_time,
            leased,
            status: status(&parts),
        }));
    }
    Ok(None)
}

fn read_address(mut value: &[u8]) -> Result<Item<'_>, Dropped> {
    let address = Ipv6Addr::from(take::<16>(&mut value)?);
    let leased = Leased {
        net: address.into(),
        preferred: u32::from_be_bytes(take(&mut value)?),
        valid: u32::from_be_bytes(take(&mut value)?),
    };
    Ok((Some(leased), value))
}

fn read_prefix(mut value: &[u8]) -> Result<Item<'_>, Dropped> {
    let preferred = u32::from_be_bytes(take(&mut value)?);
    let valid = u32::from_be_bytes(take(&mut value)?);
    let [length] = take(&mut value)?;
    let net = Ipv6Net::new(take::<16>(&mut value)?.into(), length);
    let leased = net.ok().map(|net| Leased {
        net,
        preferred,
        valid,
    });
    Ok((leased, value))
}

/// Option 13; one that cannot be read is none of success.
fn status(parts: &[(u16, &[u8])]) -> Status {
    let Some(mut value) = find(parts, STATUS) else {
        return Status::Success;
    };
    match take(&mut value).map(u16::from_be_bytes) {
        Ok(0) => Status::Success,
        Ok(2 | 6) => Status::NothingAvailable,
        Ok(3) => Status::NoBinding,
        Ok(4) => Status::NotOnLink,
        Ok(_) | Err(_) => Status::Failure,
    }
}

/// The addresses in all options 56 (RFC 5908 section 4).
fn ntp(parts: &[(u16, &[u8])]) -> Result<Vec<Ipv6Addr>, Dropped> {
    let mut servers = Vec::new();
    for value in all(parts, NTP) {
        let sources = self::parts(value)?;
        let addresses = all(&sources, NTP_SERVER);
        servers.extend(addresses.filter_map(|value| exact::<_, 16>(value, Ipv6Addr::from)));
    }
    Ok(servers)
}

fn write_options(bytes: &mut Vec<u8>, options: &Options) {
    let Options {
        client_id,
        server_id,
        addresses,
        prefixes,
        option_request,
        preference,
        elapsed,
        status,
        dns,
        search,
        refresh_time,
        ntp,
        solicit_limit,
        information_limit,
    } = options;
    let duid = |duid: &Option<Duid>| duid.as_ref().map(|Duid(bytes)| bytes.clone());
    let seconds = |seconds: &Option<u32>| seconds.map(|secs| secs.to_be_bytes().to_vec());
    let unless_empty = |value: Vec<u8>| (!value.is_empty()).then_some(value);
    let requested = option_request.iter().flat_map(|code| code.to_be_bytes());
    let values = [
        (CLIENT_ID, duid(client_id)),
        (SERVER_ID, duid(server_id)),
        (
            ADDRESSES,
            addresses
                .as_ref()
                .map(|ia| write_association(ia, write_address)),
        ),
        (
            PREFIXES,
            prefixes
                .as_ref()
                .map(|ia| write_association(ia, write_prefix)),
        ),
        (OPTION_REQUEST, unless_empty(requested.collect())),
        (PREFERENCE, (*preference > 0).then(|| vec![*preference])),
        (ELAPSED, elapsed.map(|time| time.to_be_bytes().to_vec())),
        (STATUS, write_status(*status)),
        (
            DNS,
            unless_empty(dns.iter().flat_map(Ipv6Addr::octets).collect()),
        ),
        (SEARCH, unless_empty(names::write(search))),
        (REFRESH_TIME, seconds(refresh_time)),
        (SOLICIT_LIMIT, seconds(solicit_limit)),
        (INFORMATION_LIMIT, seconds(information_limit)),
    ];
    for (code, value) in values {
        if let Some(value) = value {
            write(bytes, code, &value);
        }
    }
    for server in ntp {
        let mut value = Vec::new();
        write(&mut value, NTP_SERVER, &server.octets());
        write(bytes, NTP, &value);
    }
}

fn write_association(
    association: &Association,
    write_leased: fn(&mut Vec<u8>, &Leased),
) -> Vec<u8> {
    let Association {
        iaid,
        renewal_time,
        rebinding_time,
        leased,
        status,
    } = association;
    let head = [iaid, renewal_time, rebinding_time].map(|number| number.to_be_bytes());
    let mut value = head.concat();
    for leased in leased {
        write_leased(&mut value, leased);
    }
    if let Some(status) = write_status(*status) {
        write(&mut value, STATUS, &status);
    }
    value
}

fn write_address(bytes: &mut Vec<u8>, leased: &Leased) {
    let Leased {
        net,
        preferred,
        valid,
    } = leased;
    let mut value = net.addr().octets().to_vec();
    value.extend(preferred.to_be_bytes());
    value.extend(valid.to_be_bytes());
    write(bytes, ADDRESS, &value);
}

fn write_prefix(bytes: &mut Vec<u8>, leased: &Leased) {
    let Leased {
        net,
        preferred,
        valid,
    } = leased;
    let mut value = [preferred.to_be_bytes(), valid.to_be_bytes()].concat();
    value.push(net.prefix_len());
    value.extend(net.addr().octets());
    write(bytes, PREFIX, &value);
}

/// Success is what is not said.
fn write_status(status: Status) -> Option<Vec<u8>> {
    let number: u16 = match status {
        Status::Success => return None,
        Status::NothingAvailable => 2,
        Status::NoBinding => 3,
        Status::NotOnLink => 4,
        Status::Failure => FAILURE,
    };
    Some(number.to_be_bytes().to_vec())
}

/// An option. None that a client has is too long for one.
fn write(bytes: &mut Vec<u8>, code: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    bytes.extend(code.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend(value.iter().take(length.into()));
}
