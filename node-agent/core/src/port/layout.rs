//! What a port looks like in its container.

use std::collections::BTreeSet;

use super::{Port, PortAddress};
use crate::{
    layout::{MAIN, metric},
    picture::{Family, Link, Picture, Route, Way},
};

/// The interface of a port with this MTU. Nothing but the gateways is on its link, so that a container knows no way to its neighbours.
pub fn layout(port: &Port, mtu: u32) -> Picture {
    let mut routes = BTreeSet::new();
    let route = |to, way, family| Route {
        table: MAIN,
        to,
        way,
        metric: metric(family),
    };
    for PortAddress {
        address, gateway, ..
    } in &port.addresses
    {
        let (source, family) = (address.addr(), Family::of(*gateway));
        routes.insert(route((*gateway).into(), Way::OnLink { source }, family));
        let by_it = port.routes().into_iter().filter(|(_, by)| by == gateway);
        routes.extend(by_it.map(|(to, via)| {
            let source = Some(source);
            route(to, Way::Gateway { via, source }, family)
        }));
    }
    Picture {
        link: Some(Link {
            name: port.name().to_owned(),
            up: true,
            mtu,
        }),
        addresses: port.addresses.iter().map(|one| one.address).collect(),
        routes,
        ..Picture::default()
    }
}
