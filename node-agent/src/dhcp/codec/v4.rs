//! DHCPv4 messages as bytes (RFC 2131 section 2, RFC 2132, RFC 3396, RFC 3397, RFC 3442).

use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::Ipv4Net;
use node_agent_core::{
    dhcp::v4::{MessageType, Options, Packet, Route},
    mac::Mac,
};

use super::{
    Dropped, exact, list,
    names::{self, Compression},
    take, take_part,
};

#[cfg(test)]
mod tests;

/// `op` of a client, and of a server.
const REQUEST: u8 = 1;
const REPLY: u8 = 2;
/// `htype` and `hlen` of Ethernet.
const ETHERNET: [u8; 2] = [1, 6];
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// The flag in the highest bit.
const BROADCAST: u16 = 0x8000;
const PAD: u8 = 0;
const END: u8 = 255;
/// The size of a BOOTP message (RFC 951); there are servers and relays that drop shorter ones.
const LEAST_SIZE: usize = 300;
/// The option that says which of `sname` and `file` hold options, too.
const OVERLOAD: u8 = 52;
const MESSAGE_TYPE: u8 = 53;

/// The bytes of a message.
pub fn encode(packet: &Packet) -> Vec<u8> {
    let Packet {
        message_type,
        xid,
        secs,
        broadcast,
        ciaddr,
        yiaddr,
        chaddr,
        options,
    } = packet;
    let (op, number) = numbers(*message_type);
    let flags = if *broadcast { BROADCAST } else { 0 };
    let [hardware, length] = ETHERNET;
    let mut bytes = vec![op, hardware, length, 0];
    bytes.extend(xid.to_be_bytes());
    bytes.extend(secs.to_be_bytes());
    bytes.extend(flags.to_be_bytes());
    bytes.extend(ciaddr.octets());
    bytes.extend(yiaddr.octets());
    // siaddr, giaddr.
    bytes.extend([0; 8]);
    bytes.extend(chaddr.bytes());
    // The rest of chaddr, sname, file.
    bytes.extend([0; 10 + 64 + 128]);
    bytes.extend(COOKIE);
    write(&mut bytes, MESSAGE_TYPE, &[number]);
    write_options(&mut bytes, options);
    bytes.push(END);
    bytes.resize(bytes.len().max(LEAST_SIZE), PAD);
    bytes
}

/// The message of a server to a client of Ethernet.
pub fn decode(mut bytes: &[u8]) -> Result<Packet, Dropped> {
    let bytes = &mut bytes;
    let [op, hardware @ .., _hops] = take::<4>(bytes)?;
    let xid = u32::from_be_bytes(take(bytes)?);
    let secs = u16::from_be_bytes(take(bytes)?);
    let flags = u16::from_be_bytes(take(bytes)?);
    let [ciaddr, yiaddr] = [take::<4>(bytes)?, take::<4>(bytes)?].map(Ipv4Addr::from);
    let _siaddr_and_giaddr = take::<8>(bytes)?;
    let mac = Mac::from(take::<6>(bytes)?);
    let _rest_of_chaddr = take::<10>(bytes)?;
    let sname = take::<64>(bytes)?;
    let file = take::<128>(bytes)?;
    let cookie = take::<4>(bytes)?;
    if cookie != COOKIE {
        return Err(Dropped::NotDhcp);
    }
    if op != REPLY {
        return Err(Dropped::NotAnAnswer);
    }
    if hardware != ETHERNET {
        return Err(Dropped::OtherHardware);
    }
    let found = find_options(bytes, &sname, &file)?;
    let number = found.get(&MESSAGE_TYPE).map(Vec::as_slice);
    let Some([number]) = number else {
        return Err(Dropped::NoMessageType);
    };
    Ok(Packet {
        message_type: answer(*number).ok_or(Dropped::NotAnAnswer)?,
        xid,
        secs,
        broadcast: flags & BROADCAST != 0,
        ciaddr,
        yiaddr,
        chaddr: mac,
        options: read_options(&found),
    })
}

/// `op` and option 53.
fn numbers(message_type: MessageType) -> (u8, u8) {
    match message_type {
        MessageType::Discover => (REQUEST, 1),
        MessageType::Offer => (REPLY, 2),
        MessageType::Request => (REQUEST, 3),
        MessageType::Decline => (REQUEST, 4),
        MessageType::Ack => (REPLY, 5),
        MessageType::Nak => (REPLY, 6),
        MessageType::Release => (REQUEST, 7),
    }
}

/// What a server sends.
fn answer(number: u8) -> Option<MessageType> {
    match number {
        2 => Some(MessageType::Offer),
        5 => Some(MessageType::Ack),
        6 => Some(MessageType::Nak),
        _ => None,
    }
}

/// The options of all three fields. The parts of one that is there more than once belong together (RFC 3396 section 7).
fn find_options(
    options: &[u8],
    sname: &[u8],
    file: &[u8],
) -> Result<BTreeMap<u8, Vec<u8>>, Dropped> {
    let mut found = BTreeMap::new();
    collect(options, &mut found)?;
    let overload = found.get(&OVERLOAD).map(Vec::as_slice);
    let (in_file, in_sname) = match overload {
        Some([1]) => (true, false),
        Some([2]) => (false, true),
        Some([3]) => (true, true),
        _ => (false, false),
    };
    if in_file {
        collect(file, &mut found)?;
    }
    if in_sname {
        collect(sname, &mut found)?;
    }
    Ok(found)
}

/// The last option must be the end (RFC 2131 section 4.1): without one, nobody knows what is missing.
fn collect(mut field: &[u8], found: &mut BTreeMap<u8, Vec<u8>>) -> Result<(), Dropped> {
    loop {
        match take(&mut field)? {
            [PAD] => {}
            [END] => return Ok(()),
            [code] => {
                let [length] = take(&mut field)?;
                let value = take_part(&mut field, length.into())?;
                found.entry(code).or_default().extend(value);
            }
        }
    }
}

fn read_options(found: &BTreeMap<u8, Vec<u8>>) -> Options {
    let value = |code: u8| found.get(&code).map(Vec::as_slice);
    let address = |code| value(code).and_then(|value| exact::<_, 4>(value, Ipv4Addr::from));
    let addresses = |code| list(value(code).unwrap_or_default());
    let seconds = |code| value(code).and_then(|value| exact(value, u32::from_be_bytes));
    Options {
        subnet_mask: address(1),
        routers: addresses(3),
        dns: addresses(6),
        host_name: value(12).and_then(text),
        domain: value(15).and_then(text),
        mtu: value(26).and_then(|value| exact(value, u16::from_be_bytes)),
        ntp: addresses(42),
        requested_address: address(50),
        lease_time: seconds(51),
        server: address(54),
        parameter_list: value(55).unwrap_or_default().to_vec(),
        renewal_time: seconds(58),
        rebinding_time: seconds(59),
        client_id: value(61).map(<[u8]>::to_vec),
        search: names::read(value(119).unwrap_or_default(), Compression::Allowed),
        routes: value(121).and_then(read_routes),
    }
}

fn write_options(bytes: &mut Vec<u8>, options: &Options) {
    let Options {
        subnet_mask,
        routers,
        dns,
        host_name,
        domain,
        mtu,
        ntp,
        requested_address,
        lease_time,
        server,
        parameter_list,
        renewal_time,
        rebinding_time,
        client_id,
        search,
        routes,
    } = options;
    let address = |address: &Option<Ipv4Addr>| address.map(|address| address.octets().to_vec());
    let addresses = |addresses: &[Ipv4Addr]| addresses.iter().flat_map(Ipv4Addr::octets).collect();
    let text = |text: &Option<String>| text.as_ref().map(|text| text.clone().into_bytes());
    let seconds = |seconds: &Option<u32>| seconds.map(|secs| secs.to_be_bytes().to_vec());
    let unless_empty = |value: Vec<u8>| (!value.is_empty()).then_some(value);
    let values = [
        (61, client_id.clone()),
        (50, address(requested_address)),
        (54, address(server)),
        (51, seconds(lease_time)),
        (58, seconds(renewal_time)),
        (59, seconds(rebinding_time)),
        (1, address(subnet_mask)),
        (121, routes.as_deref().map(write_routes)),
        (3, unless_empty(addresses(routers))),
        (6, unless_empty(addresses(dns))),
        (12, text(host_name)),
        (15, text(domain)),
        (26, mtu.map(|mtu| mtu.to_be_bytes().to_vec())),
        (42, unless_empty(addresses(ntp))),
        (55, unless_empty(parameter_list.clone())),
        (119, unless_empty(names::write(search))),
    ];
    for (code, value) in values {
        if let Some(value) = value {
            write(bytes, code, &value);
        }
    }
}

/// An option, in parts if it is too long for one (RFC 3396 section 5).
fn write(bytes: &mut Vec<u8>, code: u8, value: &[u8]) {
    let parts = value.chunks(usize::from(u8::MAX));
    let empty = value.is_empty().then_some(value);
    for part in parts.chain(empty) {
        bytes.push(code);
        bytes.extend(u8::try_from(part.len()));
        bytes.extend(part);
    }
}

/// Text, without the zeros at its end that clients must put up with (RFC 2132 section 2).
fn text(value: &[u8]) -> Option<String> {
    let text = str::from_utf8(value).ok()?.trim_end_matches('\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// RFC 3442: of a destination only the bytes that its prefix covers.
fn read_routes(mut value: &[u8]) -> Option<Vec<Route>> {
    let mut routes = Vec::new();
    while !value.is_empty() {
        let [prefix] = take(&mut value).ok()?;
        let covered = take_part(&mut value, covered(prefix)).ok()?;
        let mut to = [0; 4];
        to.get_mut(..covered.len())?.copy_from_slice(covered);
        let via = Ipv4Addr::from(take::<4>(&mut value).ok()?);
        routes.push(Route {
            to: Ipv4Net::new(to.into(), prefix).ok()?,
            via: (!via.is_unspecified()).then_some(via),
        });
    }
    Some(routes)
}

fn write_routes(routes: &[Route]) -> Vec<u8> {
    let mut value = Vec::new();
    for Route { to, via } in routes {
        value.push(to.prefix_len());
        value.extend(to.addr().octets().iter().take(covered(to.prefix_len())));
        value.extend(via.unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
    }
    value
}

fn covered(prefix: u8) -> usize {
    usize::from(prefix).div_ceil(8)
}
