//! What the AWS VPC CNI is set to take of an instance.

use k8s_openapi::{
    api::{apps::v1::DaemonSet, core::v1::EnvVar},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::Resource;
use operator_core::cluster::{self, VpcCni};
use serde::Deserialize;

use super::object::name_of;

/// Its `DaemonSet`, its namespace, and the container whose environment sets it.
pub(crate) const AWS_NODE: &str = "aws-node";
pub(crate) const KUBE_SYSTEM: &str = "kube-system";
/// The feature by which it asks for a trunk.
const TRUNK: &str = "SecurityGroupsForPods";

/// What the `DaemonSet` aws-node says. Its signature is that of its siblings, which can fail.
#[allow(clippy::unnecessary_wraps)]
pub(crate) fn vpc_cni(set: &DaemonSet) -> Option<VpcCni> {
    // Who replaces it by another CNI gives it a node selector that no node has.
    let status = set.status.as_ref();
    let runs = status.is_some_and(|status| status.desired_number_scheduled > 0);
    let pod = set.spec.template.spec.as_ref();
    let containers = pod.into_iter().flat_map(|pod| &pod.containers);
    let env: Vec<&EnvVar> = containers
        .filter(|container| container.name == AWS_NODE)
        .flat_map(|container| container.env.iter().flatten())
        .collect();
    let value = |name: &str| {
        let set = env.iter().find(|variable| variable.name == name)?;
        set.value.as_deref().map(str::trim)
    };
    let number = |name| value(name)?.parse::<u32>().ok().filter(|n| *n > 0);
    // As Go's strconv.ParseBool.
    let is_on =
        |name| value(name).is_some_and(|v| ["1", "t", "T", "true", "TRUE", "True"].contains(&v));
    let by_prefix = is_on("ENABLE_PREFIX_DELEGATION") && number("WARM_PREFIX_TARGET").is_some();
    // These say how many addresses are kept, instead of how many ENIs.
    let by_address = ["WARM_IP_TARGET", "MINIMUM_IP_TARGET"];
    let spare = if by_prefix || by_address.iter().any(|name| number(name).is_some()) {
        0
    } else {
        let spare = value("WARM_ENI_TARGET").and_then(|n| n.parse().ok());
        spare.unwrap_or(1)
    };
    Some(VpcCni {
        runs,
        max_enis: number("MAX_ENI"),
        spare,
        trunk: is_on("ENABLE_POD_ENI"),
        every_card: is_on("ENABLE_MULTI_NIC"),
    })
}

/// A `CNINode` of the VPC resource controller, as far as it concerns us.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CniNode {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: CniNodeSpec,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct CniNodeSpec {
    #[serde(default)]
    features: Vec<Feature>,
}

#[derive(Debug, Clone, Deserialize)]
struct Feature {
    #[serde(default)]
    name: String,
}

impl Resource for CniNode {
    type DynamicType = ();
    type Scope = kube::core::ClusterResourceScope;

    fn kind((): &()) -> std::borrow::Cow<'_, str> {
        "CNINode".into()
    }

    fn group((): &()) -> std::borrow::Cow<'_, str> {
        "vpcresources.k8s.aws".into()
    }

    fn version((): &()) -> std::borrow::Cow<'_, str> {
        "v1alpha1".into()
    }

    fn plural((): &()) -> std::borrow::Cow<'_, str> {
        "cninodes".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Whether a node asks for a trunk. Its signature is that of its siblings, which can fail.
#[allow(clippy::unnecessary_wraps)]
pub(crate) fn cni_node(node: &CniNode) -> Option<cluster::CniNode> {
    Some(cluster::CniNode {
        name: name_of(node),
        trunk: node.spec.features.iter().any(|f| f.name == TRUNK),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(desired: i32, env: &[(&str, &str)]) -> VpcCni {
        let env: Vec<_> = env
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        let set = json!({
            "metadata": { "name": AWS_NODE },
            "spec": {
                "selector": {},
                "template": { "spec": { "containers": [
                    { "name": AWS_NODE, "env": env },
                    { "name": "aws-eks-nodeagent", "env": [{ "name": "MAX_ENI", "value": "9" }] },
                ] } },
            },
            "status": {
                "currentNumberScheduled": desired, "desiredNumberScheduled": desired, "numberMisscheduled": 0, "numberReady": 0,
            },
        });
        vpc_cni(&serde_json::from_value(set).unwrap()).unwrap()
    }

    #[test]
    fn settings_of_the_vpc_cni_are_read_as_it_reads_them() {
        let plain = VpcCni {
            runs: true,
            max_enis: None,
            spare: 1,
            trunk: false,
            every_card: false,
        };
        assert_eq!(set(2, &[]), plain);
        assert!(!set(0, &[]).runs);
        for (value, max_enis) in [("4", Some(4)), ("0", None), ("-1", None), ("many", None)] {
            assert_eq!(set(2, &[("MAX_ENI", value)]).max_enis, max_enis, "{value}");
        }
        assert_eq!(set(2, &[("WARM_ENI_TARGET", "0")]).spare, 0);
        assert_eq!(set(2, &[("WARM_ENI_TARGET", "3")]).spare, 3);
        let warm = ("WARM_ENI_TARGET", "3");
        assert_eq!(set(2, &[warm, ("WARM_IP_TARGET", "5")]).spare, 0);
        let prefix = ("WARM_PREFIX_TARGET", "1");
        assert_eq!(set(2, &[warm, prefix]).spare, 3);
        let delegates = ("ENABLE_PREFIX_DELEGATION", "true");
        assert_eq!(set(2, &[warm, prefix, delegates]).spare, 0);
        assert!(set(2, &[("ENABLE_POD_ENI", "true")]).trunk);
        assert!(!set(2, &[("ENABLE_POD_ENI", "false")]).trunk);
        assert!(set(2, &[("ENABLE_MULTI_NIC", "1")]).every_card);
    }

    #[test]
    fn a_cni_node_asks_for_a_trunk_by_its_feature() {
        let asks = |spec| {
            let node = json!({ "metadata": { "name": "n1" }, "spec": spec });
            cni_node(&serde_json::from_value(node).unwrap()).unwrap()
        };
        let custom = json!({ "name": "CustomNetworking", "value": "a" });
        assert!(!asks(json!({ "features": [custom] })).trunk);
        assert!(asks(json!({ "features": [custom, { "name": TRUNK }] })).trunk);
        assert!(!asks(json!({})).trunk);
        assert_eq!(asks(json!({})).name.as_str(), "n1");
    }
}
