//! The agent's reply, read part by part: derived code for all of its types would be 15 kB more of a binary that is on every node.

use crate::{
    CniError,
    json::Json,
    protocol::{Added, AddedAddress, AddedRoute, Addressed, Checked, Device, Reply},
};

/// What the agent's line says.
///
/// # Errors
/// One sentence on what it is not.
pub fn parse(line: &[u8]) -> Result<Reply, String> {
    let json = Json::parse(line).map_err(|error| error.to_string())?;
    read(json).ok_or_else(|| format!("no reply of its protocol: {json}"))
}

fn read(json: Json<'_>) -> Option<Reply> {
    if let Some(word) = json.string() {
        return match word.as_str() {
            "deleted" => Some(Reply::Deleted),
            "collected" => Some(Reply::Collected),
            _ => None,
        };
    }
    let (kind, value) = json.entries()?.pop()?;
    match kind.as_str() {
        "added" => list(Some(value), added).map(Reply::Added),
        "checked" => list(Some(value), checked).map(Reply::Checked),
        "addresses" => Some(Reply::Addresses(Addressed {
            addresses: list(value.get("addresses"), address)?,
            routes: list(value.get("routes"), route)?,
            device: value.get("device").and_then(device),
        })),
        "failed" => Some(Reply::Failed(CniError {
            code: number(value.get("code")?)?,
            msg: text(value, "msg")?,
        })),
        _ => None,
    }
}

fn added(json: Json<'_>) -> Option<Added> {
    Some(Added {
        name: text(json, "name")?,
        on_node: json.get("on_node").is_some(),
        mac: text(json, "mac")?,
        mtu: number(json.get("mtu")?)?,
        pci_id: text(json, "pci_id"),
        addresses: list(json.get("addresses"), address)?,
        routes: list(json.get("routes"), route)?,
    })
}

fn device(json: Json<'_>) -> Option<Device> {
    Some(Device {
        index: number(json.get("index")?)?,
        mac: text(json, "mac")?,
    })
}

fn checked(json: Json<'_>) -> Option<Checked> {
    Some(Checked {
        name: text(json, "name")?,
        mac: text(json, "mac")?,
    })
}

fn address(json: Json<'_>) -> Option<AddedAddress> {
    Some(AddedAddress {
        address: text(json, "address")?,
        gateway: text(json, "gateway"),
    })
}

fn route(json: Json<'_>) -> Option<AddedRoute> {
    Some(AddedRoute {
        to: text(json, "to")?,
        gateway: text(json, "gateway"),
    })
}

/// A list; one that is not there is empty.
fn list<T>(json: Option<Json<'_>>, one: fn(Json<'_>) -> Option<T>) -> Option<Vec<T>> {
    let elements = json.map_or_else(|| Some(Vec::new()), Json::elements)?;
    elements.into_iter().map(one).collect()
}

fn text(json: Json<'_>, key: &str) -> Option<String> {
    json.get(key)?.string()
}

fn number(json: Json<'_>) -> Option<u32> {
    std::str::from_utf8(json.text()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::code;

    fn an_added() -> Added {
        Added {
            name: "eni0".into(),
            on_node: false,
            mac: "02:00:00:00:00:0a".into(),
            mtu: 9001,
            pci_id: Some("0000:00:06.0".into()),
            addresses: vec![AddedAddress {
                address: "10.0.1.50/24".into(),
                gateway: Some("10.0.1.1".into()),
            }],
            routes: vec![AddedRoute {
                to: "0.0.0.0/0".into(),
                gateway: Some("10.0.1.1".into()),
            }],
        }
    }

    #[test]
    fn every_reply_is_read_as_the_agent_writes_it() {
        let bare = Added {
            pci_id: None,
            addresses: Vec::new(),
            routes: Vec::new(),
            on_node: true,
            ..an_added()
        };
        let Added {
            addresses, routes, ..
        } = an_added();
        for reply in [
            Reply::Added(vec![an_added(), bare]),
            Reply::Added(Vec::new()),
            Reply::Deleted,
            Reply::Checked(vec![Checked {
                name: "eni0".into(),
                mac: "02:00:00:00:00:0a".into(),
            }]),
            Reply::Collected,
            Reply::Addresses(Addressed {
                addresses: addresses.clone(),
                routes: routes.clone(),
                device: None,
            }),
            Reply::Addresses(Addressed {
                addresses,
                routes,
                device: Some(Device {
                    index: 7,
                    mac: "02:00:00:00:00:0a".into(),
                }),
            }),
            Reply::Failed(CniError::new(
                code::TRY_LATER,
                "a \"sentence\"\nof two lines",
            )),
        ] {
            let line = serde_json::to_vec(&reply).unwrap();
            assert_eq!(parse(&line), Ok(reply));
        }
    }

    #[test]
    fn what_is_no_reply_is_told() {
        for line in [
            "",
            "{}",
            "[]",
            "7",
            "\"released\"",
            "{\"added\":[{\"name\":\"eni0\"}]}",
            "{\"failed\":{\"code\":-1,\"msg\":\"x\"}}",
            "{\"added\":[]",
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line}");
        }
    }
}
