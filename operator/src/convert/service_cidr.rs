//! Networks of Services.

use api::cidr::network;
use k8s_openapi::api::networking::v1::ServiceCIDR;
use operator_core::cluster::ServiceCidr;

use super::object::name_of;

/// The networks of Services that an object names. Its signature is that of its siblings, which can fail.
#[allow(clippy::unnecessary_wraps)]
pub(crate) fn service_cidr(object: &ServiceCIDR) -> Option<ServiceCidr> {
    let cidrs = object
        .spec
        .iter()
        .flat_map(|spec| spec.cidrs.iter().flatten());
    Some(ServiceCidr {
        name: name_of(object),
        // The API server has checked them, and takes no host bits.
        cidrs: cidrs.filter_map(|cidr| network(cidr).ok()).collect(),
    })
}
