//! The CNI result: that of the plugins before us as it is, and the ENIs as further interfaces behind its own.

use serde::Serialize;

use crate::{
    error::{CniError, code},
    json::{Json, entry},
    protocol::{Added, AddedAddress},
    version::SpecVersion,
};

#[derive(Serialize)]
struct Interface<'a> {
    name: &'a str,
    mac: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    sandbox: &'a str,
    #[serde(rename = "pciID", skip_serializing_if = "Option::is_none")]
    pci_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Ip<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    interface: usize,
    address: &'a str,
    gateway: &'a str,
}

/// The previous result with the plugged interfaces behind its own. All else of it stays as it is written.
///
/// An address of a family in which the previous result has none is left out of `ips`: CRI-O reports every address of the result as
/// the pod's (`networkStart` in `server/sandbox_network.go`), kubelet takes the first of each family (`sortPodIPs` in
/// `kubelet_pods.go`), and so the ENI's would become the pod's. containerd reports the addresses of `CNI_IFNAME` alone.
pub fn with_interfaces(
    version: SpecVersion,
    previous: Json<'_>,
    added: &[Added],
    sandbox: &str,
) -> Result<Vec<u8>, CniError> {
    let interfaces = list(previous, "interfaces")?;
    let ips = list(previous, "ips")?;
    let families: Vec<bool> = ips
        .iter()
        .filter_map(|ip| Json::of(ip).get("address")?.string())
        .map(|address| is_v6(&address))
        .collect();
    let (mut new_interfaces, mut new_ips) = (Vec::new(), Vec::new());
    for (index, one) in (interfaces.len()..).zip(added) {
        new_interfaces.push(written(&interface(version, one, sandbox))?);
        for address in &one.addresses {
            if families.contains(&is_v6(&address.address)) {
                new_ips.push(written(&ip(version, index, address))?);
            }
        }
    }
    let mut result = Vec::from(previous.text());
    set(&mut result, "cniVersion", &written(&version.as_str())?);
    set(
        &mut result,
        "interfaces",
        &joined(&interfaces, &new_interfaces),
    );
    set(&mut result, "ips", &joined(&ips, &new_ips));
    Ok(result)
}

fn interface<'a>(version: SpecVersion, added: &'a Added, sandbox: &'a str) -> Interface<'a> {
    let says_more = version >= SpecVersion::V1_1_0;
    Interface {
        name: &added.name,
        mac: &added.mac,
        mtu: says_more.then_some(added.mtu),
        sandbox,
        pci_id: added.pci_id.as_deref().filter(|_| says_more),
    }
}

fn ip(version: SpecVersion, interface: usize, address: &AddedAddress) -> Ip<'_> {
    let family = if is_v6(&address.address) { "6" } else { "4" };
    Ip {
        version: (version < SpecVersion::V1_0_0).then_some(family),
        interface,
        address: &address.address,
        gateway: &address.gateway,
    }
}

fn is_v6(address: &str) -> bool {
    address.contains(':')
}

fn written(value: &impl Serialize) -> Result<Vec<u8>, CniError> {
    serde_json::to_vec(value)
        .map_err(|e| CniError::new(code::IO, format!("cannot write the result: {e}")))
}

/// The elements of a list of the previous result; a list that is missing is empty.
fn list<'a>(previous: Json<'a>, key: &str) -> Result<Vec<&'a [u8]>, CniError> {
    let refuse = |what: &str| CniError::new(code::CONFIGURATION, what.to_owned());
    if !previous.text().starts_with(b"{") {
        return Err(refuse("prevResult must be an object"));
    }
    match previous.get(key) {
        None => Ok(Vec::new()),
        Some(list) => list
            .parts(b'[', b']')
            .ok_or_else(|| refuse(&format!("{key} in prevResult must be a list"))),
    }
}

/// A list of these elements and those.
fn joined(elements: &[&[u8]], new: &[Vec<u8>]) -> Vec<u8> {
    let all = elements
        .iter()
        .copied()
        .chain(new.iter().map(Vec::as_slice));
    surrounded(b'[', &all.collect::<Vec<_>>(), b']')
}

fn surrounded(open: u8, parts: &[&[u8]], close: u8) -> Vec<u8> {
    let mut text = vec![open];
    text.extend_from_slice(&parts.join(&b','));
    text.push(close);
    text
}

/// Gives a key of an object another value, and leaves the others as they are written.
fn set(object: &mut Vec<u8>, key: &str, value: &[u8]) {
    let new = [b"\"", key.as_bytes(), b"\":", value].concat();
    let mut parts = Json::of(object).parts(b'{', b'}').unwrap_or_default();
    parts.retain(|part| entry(part).is_none_or(|(name, _)| name != key));
    parts.push(&new);
    *object = surrounded(b'{', &parts, b'}');
}
