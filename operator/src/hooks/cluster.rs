//! What hooks read of the cluster and of EC2, and our own workloads, which end before nodes are cleaned.

use std::{fmt::Debug, time::Duration};

use crds::{EniClaim, EniNode};
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment},
    core::v1::{Namespace, Node, Pod},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
};
use operator_core::{
    Outcome,
    cluster::{self, AgentPod, NodeReport},
    drain::Left,
    ec2::EniView,
    error::Ec2Error,
};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{HookError, PAUSE, failed};
use crate::{convert, ec2::Ec2, options::Flags};

/// Names that the chart gives its workloads.
const OPERATOR: &str = "eniclaim-operator";
const AGENT: &str = "eniclaim-agent";
/// No node has this label: a `DaemonSet` that selects by it ends its pods, whatever its update strategy.
const NO_NODE: &str = "eniclaim.io/uninstalled";
/// How long the operator may take to end; kubelet kills it after 30 s.
const END: Duration = Duration::from_secs(45);

/// The cluster that hooks look at and change.
pub(super) struct Cluster {
    client: Client,
    id: Option<String>,
    namespace: String,
    agent_selector: String,
}

impl Cluster {
    /// As the flags name it.
    pub(super) fn new(client: Client, flags: &Flags) -> Self {
        Self {
            client,
            id: flags.cluster_id.clone(),
            namespace: flags.namespace.clone(),
            agent_selector: flags.agent_selector.clone(),
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
            pods: pods
                .filter(|pod| !pod.terminal)
                .map(|pod| pod.uid)
                .collect(),
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
        Ok(system.uid().unwrap_or_default())
    }

    /// Gives how many replicas there were; none where there is no operator.
    pub(super) async fn stop_operator(&self) -> Result<Option<i32>, HookError> {
        let found = self.own::<Deployment>().get_opt(OPERATOR).await;
        let found = found.map_err(failed("show the operator's Deployment"))?;
        let Some(spec) = found.map(|deployment| deployment.spec) else {
            return Ok(None);
        };
        self.scale_operator(Some(0)).await?;
        let labels = spec.selector.match_labels.unwrap_or_default();
        let labels = labels.iter().map(|(key, value)| format!("{key}={value}"));
        let (labels, deadline) = (labels.collect::<Vec<_>>().join(","), Instant::now() + END);
        while !list::<Pod>(&self.own(), &labels).await?.is_empty() {
            if Instant::now() >= deadline {
                return Err(HookError::Slow);
            }
            sleep(PAUSE).await;
        }
        Ok(spec.replicas)
    }

    /// Sets how many replicas there are, where there is an operator.
    pub(super) async fn scale_operator(&self, replicas: Option<i32>) -> Result<(), HookError> {
        let Some(replicas) = replicas else {
            return Ok(());
        };
        let (operators, merged) = (self.own::<Deployment>(), PatchParams::default());
        let scale = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
        let scaled = operators.patch_scale(OPERATOR, &merged, &scale).await;
        scaled
            .map(drop)
            .map_err(failed("scale the operator's Deployment"))
    }

    /// Ends the agents, without waiting: those of a node that does not run never end. None where they are gone already.
    pub(super) async fn stop_agents(&self) -> Result<Option<DaemonSet>, HookError> {
        let select = json!({ NO_NODE: "true" });
        let select = json!({ "spec": { "template": { "spec": { "nodeSelector": select } } } });
        let (agents, merged) = (self.own::<DaemonSet>(), PatchParams::default());
        match agents.patch(AGENT, &merged, &Patch::Merge(select)).await {
            Ok(agents) => Ok(Some(agents)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(failed("end the agents")(error)),
        }
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

    /// Nodes.
    pub(super) async fn nodes(&self) -> Result<Vec<cluster::Node>, HookError> {
        let nodes = list::<Node>(&self.all(), "").await?;
        Ok(nodes.iter().filter_map(convert::node).collect())
    }
}

/// None where the kind is gone: somebody has deleted the custom resources first.
async fn list<K: Clone + DeserializeOwned + Debug>(
    api: &Api<K>,
    labels: &str,
) -> Result<Vec<K>, HookError> {
    match api.list(&ListParams::default().labels(labels)).await {
        Ok(list) => Ok(list.items),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(failed("list what is there")(error)),
    }
}
