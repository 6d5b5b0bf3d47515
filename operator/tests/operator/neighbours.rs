//! Nodes that are shared with the AWS VPC CNI, and nodes with several network cards.

use std::collections::BTreeSet;

use kube_api::{
    Id,
    json::{at, list, put, text},
};
use serde_json::{Value, json};
use tokio::time::Duration;

use super::{
    story,
    world::{State, World},
};

/// The Node's capacity, and the condition `CapacityFenced` of its `EniNode`.
fn seen(state: &State, node: &str) -> (String, String) {
    let named = |object: &&Value| text(object, "metadata.name") == node;
    let report = state.all("eninodes").find(named);
    let conditions = report.map_or(&[][..], |report| list(report, "status.conditions"));
    let mut fenced = conditions
        .iter()
        .filter(|c| text(c, "type") == "CapacityFenced");
    let fenced = fenced.next().map_or(String::new(), |c| {
        format!("{} {}", text(c, "status"), text(c, "reason"))
    });
    let node = state.all("nodes").find(named).unwrap();
    let published = at(node, "status.allocatable").get(crds::RESOURCE);
    (
        published.map_or(String::new(), |n| n.as_str().unwrap().to_owned()),
        fenced,
    )
}

async fn is_seen(world: &World, capacity: &str, fenced: &str) {
    let what = format!("{capacity} and {fenced}");
    let is_so = |state: &State| seen(state, "n1") == (capacity.to_owned(), fenced.to_owned());
    world.until(&what, is_so).await;
}

fn aws_node() -> Id {
    Id::new("daemonsets.apps", "kube-system", "aws-node")
}

/// The `DaemonSet` as the VPC CNI's manifest has it, with more environment.
fn set_env(state: &mut State, env: &Value) {
    state.api.edit(&aws_node(), |set| {
        let containers = json!([{ "name": "aws-node", "image": "cni", "env": env }]);
        put(set, "spec.template.spec.containers", containers);
        let counts = ["currentNumberScheduled", "desiredNumberScheduled"];
        let counts = counts
            .into_iter()
            .chain(["numberMisscheduled", "numberReady"]);
        counts.for_each(|count| put(set, &format!("status.{count}"), 2));
    });
}

#[test]
fn capacity_follows_what_the_vpc_cni_is_set_to_and_a_condition_says_what_to_set() {
    story::tell(1, async |world| {
        is_seen(world, "2", "True NoVpcCni").await;
        world.with(|state| {
            let set = json!({
                "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "aws-node" },
                "spec": { "selector": {}, "template": {} },
            });
            state.create("/apis/apps/v1/namespaces/kube-system/daemonsets", set);
            set_env(state, &json!([{ "name": "WARM_ENI_TARGET", "value": "1" }]));
        });
        is_seen(world, "1", "False Unlimited").await;
        let max = |n: &str| json!([{ "name": "MAX_ENI", "value": n }]);
        world.with(|state| set_env(state, &max("1")));
        is_seen(world, "2", "True Fenced").await;
        world.with(|state| set_env(state, &max("2")));
        is_seen(world, "1", "True Fenced").await;
        world.with(|state| state.delete(&aws_node()));
        is_seen(world, "2", "True NoVpcCni").await;
        story::rests(world).await;
    });
}

#[test]
fn pods_on_a_node_with_many_cards_get_a_card_each() {
    story::tell(1, async |world| {
        world.with(|state| state.add_node_of("gpu", "p5.48xlarge"));
        let offers = |state: &State| seen(state, "gpu").0 == "63";
        world.until("the slots of 32 cards", offers).await;
        world.with(|state| (0..12).for_each(|n| state.make_pod(&format!("p{n}"), "app")));
        let ready = |state: &State| (0..12).all(|n| state.phase(&format!("p{n}")) == "Ready");
        world.until("Ready", ready).await;
        {
            let state = world.lock();
            let on_gpu = |claim: &&Value| text(claim, "status.nodeName") == "gpu";
            let cards: Vec<i64> = state
                .all("eniclaims")
                .filter(on_gpu)
                .map(|claim| at(claim, "status.attachment.networkCard").as_i64().unwrap())
                .collect();
            assert!(cards.len() >= 8, "the other two have two slots each");
            let different: BTreeSet<&i64> = cards.iter().collect();
            assert_eq!(different.len(), cards.len(), "{cards:?}");
            assert!(!different.contains(&0), "the instance's own is there");
        }
        world.with(|state| (0..12).for_each(|n| state.delete_pod(&format!("p{n}"))));
        tokio::time::sleep(Duration::from_secs(1)).await;
        story::rests(world).await;
    });
}
