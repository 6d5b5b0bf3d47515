//! What hooks read of the cluster and of EC2.

use std::fmt::Debug;

use crds::{EniClaim, EniClass, EniNode};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams},
};
use operator_core::{
    Outcome,
    cluster::{AgentPod, Class, NodeReport},
    drain::Left,
    ec2::EniView,
    error::Ec2Error,
};
use serde::de::DeserializeOwned;

use super::{HookError, failed};
use crate::{convert, ec2::Ec2, options::Flags};

/// The cluster that hooks look at and change.
pub(super) struct Cluster {
    client: Client,
    id: Option<String>,
    namespace: String,
    agent_selector: String,
    /// Name of the operator's Lease.
    pub(super) lease: String,
}

impl Cluster {
    /// As the flags name it.
    pub(super) fn new(client: Client, flags: &Flags) -> Self {
        Self {
            client,
            id: flags.cluster_id.clone(),
            namespace: flags.namespace.clone(),
            agent_selector: flags.agent_selector.clone(),
            lease: flags.lease_name.clone(),
        }
    }

    /// Objects of the whole cluster.
    pub(super) fn all<K: kube::Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.client.clone())
    }

    /// Objects of the operator's own namespace.
    pub(super) fn own<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Pods are read after the claims: one that is not there any more has ended since.
    pub(super) async fn left(&self, ec2: &Ec2) -> Result<Left, HookError> {
        let (mut claims, mut unreadable) = (Vec::new(), Vec::new());
        let kind = ApiResource::erase::<EniClaim>(&());
        let objects = Api::<DynamicObject>::all_with(self.client.clone(), &kind);
        for object in list(&objects, "").await? {
            let name = convert::key_of(&object).to_string();
            let claim = object.try_parse::<EniClaim>().ok();
            match claim.and_then(convert::claim) {
                Some(claim) => claims.push(claim),
                None => unreadable.push(name),
            }
        }
        let pods = list::<Pod>(&self.all(), api::name::CLASS).await?;
        let pods = pods.iter().filter_map(convert::pod);
        // Until claims are gone it is they that are in the way, and EC2 is spared.
        let enis = match (&claims[..], &unreadable[..]) {
            ([], []) => self.enis(ec2).await?,
            _ => Ok(Vec::new()),
        };
        Ok(Left {
            claims,
            unreadable,
            pods: pods.filter(|pod| !pod.terminal).collect(),
            enis,
        })
    }

    async fn enis(&self, ec2: &Ec2) -> Result<Result<Vec<EniView>, Box<Ec2Error>>, HookError> {
        let id = match &self.id {
            Some(id) => id.clone(),
            None => self.uid().await?,
        };
        let mut enis = Vec::new();
        Ok(match ec2.listing(&id, |page| enis.extend(page)).await {
            Outcome::Failed(error) => Err(error),
            _ => Ok(enis),
        })
    }

    /// Names a cluster that has no other name.
    async fn uid(&self) -> Result<String, HookError> {
        let system = self.all::<Namespace>().get_metadata("kube-system").await;
        let system = system.map_err(failed("show the namespace kube-system"))?;
        let uid = system.uid().filter(|uid| !uid.is_empty());
        uid.ok_or(HookError::Nameless)
    }

    /// The agents' pods.
    pub(super) async fn agent_pods(&self) -> Result<Vec<AgentPod>, HookError> {
        let pods = list::<Pod>(&self.own(), &self.agent_selector).await?;
        Ok(pods.iter().filter_map(convert::agent_pod).collect())
    }

    /// What the operator says of nodes.
    pub(super) async fn reports(&self) -> Result<Vec<NodeReport>, HookError> {
        let reports = list::<EniNode>(&self.all(), "").await?;
        Ok(reports.into_iter().filter_map(convert::report).collect())
    }

    /// Classes, with what the operator says of them.
    pub(super) async fn classes(&self) -> Result<Vec<Class>, HookError> {
        let classes = list::<EniClass>(&self.all(), "").await?;
        Ok(classes.into_iter().filter_map(convert::class).collect())
    }

    /// Nodes.
    pub(super) async fn nodes(&self) -> Result<Vec<Node>, HookError> {
        list(&self.all(), "").await
    }
}

/// None where the kind is gone: somebody has deleted the custom resources first.
pub(super) async fn list<K: Clone + DeserializeOwned + Debug>(
    api: &Api<K>,
    labels: &str,
) -> Result<Vec<K>, HookError> {
    match api.list(&ListParams::default().labels(labels)).await {
        Ok(list) => Ok(list.items),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(failed("list what is there")(error)),
    }
}
