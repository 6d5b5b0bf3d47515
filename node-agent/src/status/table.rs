//! The status as a table for people.

use std::fmt::Write;

use crds::node::NodeAccess;

use super::{Block, Device, Lease, State, Status};

const HEADS: [&str; 10] = [
    "DEVICE",
    "CLAIM",
    "POD",
    "INTERFACE",
    "ADDRESSES",
    "TABLE",
    "RULES",
    "METADATA",
    "LEASES",
    "STATE",
];

const HEADS_OF_ACCESS: [&str; 6] = [
    "ADDRESSES",
    "BRIDGE",
    "ID",
    "NETWORK",
    "CONTAINER",
    "INTERFACE",
];

/// One line a device, under a line of heads; then what could not be read, and one line for each container that has addresses on a
/// bridge of the node.
pub fn table(status: &Status) -> String {
    let mut text = String::new();
    if !status.claims_listed {
        text +=
            "The agent has not read this node's claims yet: what follows is from its journal.\n";
    }
    if status.devices.is_empty() {
        text += "No claim of this node has an ENI.\n";
    } else {
        let rows: Vec<_> = status.devices.iter().map(row).collect();
        text += &lines(HEADS, &rows);
    }
    for device in &status.devices {
        if let Some(error) = &device.error {
            let _ = writeln!(
                text,
                "What {} has in its pod is not known: {error}.",
                device.device
            );
        }
    }
    if !status.node_access.is_empty() {
        let rows: Vec<_> = status.node_access.iter().map(row_of_access).collect();
        text.push('\n');
        text += &lines(HEADS_OF_ACCESS, &rows);
    }
    text
}

/// Cells below their heads, each column as wide as it must be.
fn lines<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> String {
    let heads = heads.map(str::to_owned);
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().chain([&heads]);
        let cells = cells.filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    let mut text = String::new();
    for row in [&heads].into_iter().chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a text does not fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn row_of_access(access: &NodeAccess) -> [String; 6] {
    let NodeAccess {
        addresses,
        bridge,
        id,
        network,
        container_id,
        interface,
    } = access;
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    [
        addresses.join(","),
        or_none(bridge),
        or_none(id),
        network.clone(),
        container_id.clone(),
        interface.clone(),
    ]
}

fn row(device: &Device) -> [String; 10] {
    let Device {
        device,
        eni: _,
        claim,
        pod,
        interface,
        addresses,
        table,
        rules,
        metadata,
        leases,
        error,
        state,
    } = device;
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    [
        device.clone(),
        or_none(claim.clone()),
        or_none(pod.clone()),
        or_none(interface.clone()),
        or_none(Some(addresses.join(",")).filter(|text| !text.is_empty())),
        or_none(table.map(|table| table.to_string())),
        error
            .as_ref()
            .map_or_else(|| rules.len().to_string(), |_| "?".to_owned()),
        or_none(metadata.map(|metadata| block(metadata).to_owned())),
        or_none(
            Some(leases.iter().map(lease).collect::<Vec<_>>().join(","))
                .filter(|text| !text.is_empty()),
        ),
        place(*state).to_owned(),
    ]
}

/// Without blanks, as every cell.
fn lease(lease: &Lease) -> String {
    let Lease {
        family,
        state,
        expires_in,
        ..
    } = lease;
    let ends = expires_in.map_or_else(String::new, |seconds| format!(":{seconds}s"));
    format!("{family}:{state}{ends}")
}

fn block(block: Block) -> &'static str {
    match block {
        Block::Blocked => "blocked",
        Block::RulesOnly => "by rules only",
        Block::FilterOnly => "by filter only",
        Block::NotBlocked => "not blocked",
    }
}

fn place(state: State) -> &'static str {
    match state {
        State::Awaited => "awaited",
        State::OnHost => "on the host",
        State::Plugging => "plugging",
        State::Plugged => "plugged",
        State::Returning => "returning",
        State::Hidden => "hidden",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_read_is_not_shown_as_nothing() {
        let device = Device {
            device: "02:ec:00:00:00:0a".to_owned(),
            eni: "eni-1".to_owned(),
            claim: Some("shop/web".to_owned()),
            pod: None,
            interface: None,
            addresses: Vec::new(),
            table: None,
            rules: Vec::new(),
            metadata: None,
            leases: Vec::new(),
            error: Some("cannot enter it".to_owned()),
            state: State::Plugged,
        };
        let text = table(&Status {
            instance: None,
            claims_listed: true,
            devices: vec![device],
            node_access: Vec::new(),
        });
        let lines: Vec<&str> = text.lines().collect();
        let cells: Vec<&str> = lines[1].split_whitespace().collect();
        let none = ["-"; 4];
        assert_eq!(cells[2..6], none, "{text}");
        assert_eq!(cells[6..], ["?", "-", "-", "plugged"]);
        assert!(lines[2].contains("02:ec:00:00:00:0a") && lines[2].contains("cannot enter it"));
    }
}
