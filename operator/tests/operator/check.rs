//! `eniclaim-operator check`: it waits for every node that is to have an agent, not for those alone that have one.

use clap::Parser;
use kube_api::{Api, Id, json::put};
use operator::{
    hooks,
    options::{Command, Flags},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::hooks::{Cluster, SYSTEM, create};

impl Cluster {
    async fn check(&self) -> Result<(), String> {
        let namespace = format!("--namespace={SYSTEM}");
        let flags = Flags::parse_from(["eniclaim-operator", &namespace, "check", "--timeout=5s"]);
        let Some(Command::Check(options)) = flags.command.clone() else {
            panic!()
        };
        let never = CancellationToken::new();
        let checked = hooks::check(self.client(), &flags, &options, &never).await;
        checked.map_err(|error| error.to_string())
    }
}

/// The operator says that the agent of the only node that has one is ready.
fn reported(api: &mut Api) {
    let report = json!({
        "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniNode", "metadata": { "name": "n1" }, "spec": {},
    });
    create(api, "/apis/eniclaim.io/v1alpha1/eninodes", report);
    let ready = json!([{
        "type": "AgentReady", "status": "True", "reason": "Reported", "message": "",
        "lastTransitionTime": "2027-01-15T08:00:00Z",
    }]);
    api.edit(&Id::new("eninodes.eniclaim.io", "", "n1"), |report| {
        put(report, "status.conditions", ready);
    });
}

/// So many nodes are to have an agent, have one, one of the present version, and a ready one.
fn rolled_out(api: &mut Api, generations: [i64; 2], counts: [i32; 4]) {
    let [generation, observed] = generations;
    let [desired, scheduled, updated, ready] = counts;
    api.edit(
        &Id::new("daemonsets.apps", SYSTEM, "eniclaim-agent"),
        |agents| {
            put(agents, "metadata.generation", json!(generation));
            let status = json!({
                "observedGeneration": observed, "desiredNumberScheduled": desired,
                "currentNumberScheduled": scheduled, "updatedNumberScheduled": updated,
                "numberReady": ready, "numberMisscheduled": 0,
            });
            put(agents, "status", status);
        },
    );
}

#[tokio::test(start_paused = true)]
async fn agent_that_is_ready_says_nothing_of_the_nodes_that_have_none() {
    let cluster = Cluster::new(|_, _| None);
    cluster.with(reported);
    for (generations, counts, says) in [
        ([2, 1], [1, 1, 1, 1], "has not acted on the present"),
        ([2, 2], [0, 0, 0, 0], "fits no node"),
        (
            [2, 2],
            [3, 1, 1, 1],
            "of 3 nodes that are to have an agent 1 have one",
        ),
        ([2, 2], [1, 1, 0, 1], "0 one of the present version"),
        ([2, 2], [1, 1, 1, 0], "0 a ready one"),
    ] {
        cluster.with(|api| rolled_out(api, generations, counts));
        let why = cluster.check().await.unwrap_err();
        assert!(why.contains(says), "{counts:?}: {why}");
    }
    cluster.with(|api| rolled_out(api, [2, 2], [1, 1, 1, 1]));
    assert_eq!(cluster.check().await, Ok(()));
}
