//! Networks of the cluster, which the pods of a class whose ENI is primary reach by their first interface or by their node.

use std::collections::BTreeSet;

use api::{Interface, SmolStr, id::ClassName, interface::DefaultRoute, ipnet::IpNet};

use super::{
    Fleet,
    index::Dependency,
    watched::{List, gone, items},
};
use crate::{
    claim::Claim,
    cluster::{Class, ServiceCidr},
    fact::Change,
    reason::{Note, Reason},
};

impl Fleet {
    /// What the interface of a claim looks like: as its class says, under the name by which its pod asks for it, with the networks of the
    /// cluster where it needs them; none while those are not known.
    pub(super) fn interface(&self, claim: &Claim, class: &Class) -> Option<Interface> {
        self.services_known(class).ok()?;
        let mut interface = class.interface.clone();
        if let Some(name) = &claim.interface {
            interface.name = name.clone();
        }
        if leads_away(class) {
            interface.cluster_cidrs = self.networks(class).into_iter().collect();
        }
        Some(interface)
    }

    /// Whether a pod with an ENI of this class would still reach Services.
    pub(super) fn services_known(&self, class: &Class) -> Result<(), Note> {
        let needs = match (class.interface.default_route, &class.interface.node_access) {
            (DefaultRoute::Primary, _) => {
                "defaultRoute: Primary, and the networks of Services, which stay with the pod's first interface,"
            }
            (DefaultRoute::Never | DefaultRoute::Fallback, Some(_)) => {
                "nodeAccess, and the networks of Services, which the pod reaches by its node,"
            }
            (DefaultRoute::Never | DefaultRoute::Fallback, None) => return Ok(()),
        };
        if !self.networks(class).is_empty() {
            return Ok(());
        }
        Err(Note::new(
            Reason::ServicesUnknown,
            format!(
                "class {} has {needs} are not known: the API server shows no ServiceCIDR (Kubernetes 1.33 and later do); set the chart's value clusterCidrs",
                class.name
            ),
        ))
    }

    fn networks(&self, class: &Class) -> BTreeSet<IpNet> {
        let services = self.watched.service_cidrs.values();
        let services = services.flat_map(|service| &service.cidrs);
        (services.chain(&self.settings.cluster_cidrs))
            .chain(&class.interface.cluster_cidrs)
            .copied()
            .collect()
    }

    pub(super) fn learn_service_cidrs(&mut self, change: Change<SmolStr, ServiceCidr>) {
        let is_all = matches!(change, Change::All(_));
        let known = &mut self.watched.service_cidrs;
        let before = known.clone();
        for name in gone(known, &change, |one| one.name.clone()) {
            known.remove(&name);
        }
        let changed = items(change).into_iter();
        known.extend(changed.map(|one| (one.name.clone(), one)));
        if *known != before {
            self.wake_classes_that_lead_away();
        }
        self.complete(List::ServiceCidrs, is_all);
    }

    /// Claims of classes whose pods need the networks of Services.
    fn wake_classes_that_lead_away(&mut self) {
        let classes = self
            .watched
            .classes
            .values()
            .filter(|class| leads_away(class));
        let names: Vec<ClassName> = classes.map(|class| class.name.clone()).collect();
        for name in names {
            self.wake_up(&Dependency::Class(name));
        }
    }
}

/// Whether what the pod starts may leave by the ENI though an earlier interface has a route for it, or by its node.
fn leads_away(class: &Class) -> bool {
    let interface = &class.interface;
    interface.default_route == DefaultRoute::Primary
        || !interface.routes.is_empty()
        || interface.node_access.is_some()
}
