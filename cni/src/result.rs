//! The CNI result: behind other plugins theirs with the ENIs as further interfaces, alone one of our own, and for IPAM addresses.

use serde::Serialize;

use crate::{
    error::{CniError, code},
    json::{Json, entry},
    protocol::{Added, AddedAddress, AddedRoute, Addressed},
    version::SpecVersion,
};

#[derive(Serialize)]
struct Interface<'a> {
    name: &'a str,
    mac: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<&'a str>,
    #[serde(rename = "pciID", skip_serializing_if = "Option::is_none")]
    pci_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Ip<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<usize>,
    address: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<&'a str>,
}

#[derive(Serialize)]
struct Route<'a> {
    dst: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gw: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    cni_version: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<Interface<'a>>,
    ips: Vec<Ip<'a>>,
    routes: Vec<Route<'a>>,
}

/// The previous result with the plugged interfaces behind its own. All else of it stays as it is written.
///
/// The addresses of the ENIs are not in it. Upstream's plugins (bridge, ptp, host-device, macvlan ...) look in their CHECK for every
/// address of the last result on their own interface (`ValidateExpectedInterfaceIPs` in `pkg/ip/utils_linux.go` of
/// containernetworking/plugins), and CRI-O calls CHECK after each ADD. CRI-O also reports every address of the result as the pod's
/// (`networkStart` in `server/sandbox_network.go`). The claim's status has the addresses (docs/decisions/0020).
///
/// A borrowed device is listed by the plugin that moved it.
pub fn with_interfaces(
    version: SpecVersion,
    previous: Json<'_>,
    added: &[Added],
    sandbox: &str,
) -> Result<Vec<u8>, CniError> {
    let interfaces = list(previous, "interfaces")?;
    list(previous, "ips")?;
    let is_listed = |one: &Added| {
        let mut listed = interfaces.iter().copied().map(Json::of);
        let said = |interface: &Json<'_>, key| interface.get(key)?.string();
        listed.any(|interface| {
            said(&interface, "sandbox").is_some_and(|said| said == sandbox)
                && said(&interface, "mac").is_some_and(|mac| mac.eq_ignore_ascii_case(&one.mac))
        })
    };
    let new = added.iter().filter(|one| !is_listed(one));
    let new = new.map(|one| written(&interface(version, one, sandbox)));
    let new = new.collect::<Result<Vec<_>, _>>()?;
    let mut result = Vec::from(previous.text());
    set(&mut result, "cniVersion", &written(&version.as_str())?);
    set(&mut result, "interfaces", &joined(&interfaces, &new));
    Ok(result)
}

/// The result of the only plugin: the ENIs, their addresses and routes, and the DNS settings that the configuration has.
pub fn alone(
    version: SpecVersion,
    dns: Option<Json<'_>>,
    added: &[Added],
    sandbox: &str,
) -> Result<Vec<u8>, CniError> {
    let (mut ips, mut routes) = (Vec::new(), Vec::new());
    for (index, one) in added.iter().enumerate() {
        let of_one = one.addresses.iter();
        ips.extend(of_one.map(|address| ip(version, Some(index), address)));
        routes.extend(one.routes.iter().map(route));
    }
    let interfaces = added.iter().map(|one| interface(version, one, sandbox));
    let mut result = written(&Whole {
        cni_version: version.as_str(),
        interfaces: interfaces.collect(),
        ips,
        routes,
    })?;
    if let Some(dns) = dns {
        set(&mut result, "dns", dns.text());
    }
    Ok(result)
}

/// The result of an IPAM plugin. Whoever moves a device by its index on the node finds that in the place of the interface's index, as
/// exclusive-device wants it.
pub fn addressed(
    version: SpecVersion,
    addressed: &Addressed,
    if_name: &str,
) -> Result<Vec<u8>, CniError> {
    let ips = addressed.addresses.iter();
    let device = addressed.device.as_ref();
    let index = device.and_then(|device| usize::try_from(device.index).ok());
    let interface = device.map(|device| Interface {
        name: if_name,
        mac: &device.mac,
        mtu: None,
        sandbox: None,
        pci_id: None,
    });
    written(&Whole {
        cni_version: version.as_str(),
        interfaces: interface.into_iter().collect(),
        ips: ips.map(|address| ip(version, index, address)).collect(),
        routes: addressed.routes.iter().map(route).collect(),
    })
}

fn route(route: &AddedRoute) -> Route<'_> {
    Route {
        dst: &route.to,
        gw: route.gateway.as_deref(),
    }
}

fn interface<'a>(version: SpecVersion, added: &'a Added, sandbox: &'a str) -> Interface<'a> {
    let says_more = version >= SpecVersion::V1_1_0;
    Interface {
        name: &added.name,
        mac: &added.mac,
        mtu: says_more.then_some(added.mtu),
        sandbox: (!added.on_node).then_some(sandbox),
        pci_id: added.pci_id.as_deref().filter(|_| says_more),
    }
}

fn ip(version: SpecVersion, interface: Option<usize>, address: &AddedAddress) -> Ip<'_> {
    let family = if is_v6(&address.address) { "6" } else { "4" };
    Ip {
        version: (version < SpecVersion::V1_0_0).then_some(family),
        interface,
        address: &address.address,
        gateway: address.gateway.as_deref(),
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
