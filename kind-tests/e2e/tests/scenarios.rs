//! Scenarios on one real cluster, one after the other, through kubectl and traffic only; after each EC2 holds nothing of ours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod scenarios {
    pub mod bad_input;
    pub mod conformance;
    pub mod crashes;
    pub mod many;
    pub mod schema;
    pub mod story;
}

use std::{process::ExitCode, sync::Arc};

use e2e::world::World;
use libtest_mimic::{Arguments, Failed, Trial};
use scenarios::{bad_input, conformance, crashes, many, schema, story};
use serde_json::{Value, json};

type Scenario = fn(&World) -> anyhow::Result<()>;

const SCENARIOS: &[(&str, Scenario)] = &[
    (
        "rules_are_refused_by_the_api_server_with_their_sentence",
        schema::rules,
    ),
    (
        "every_field_of_a_claims_status_is_explained",
        schema::explain,
    ),
    ("wrong_chart_values_are_refused", schema::chart_values),
    (
        "real_and_simulated_api_server_answer_alike",
        conformance::same_scripts,
    ),
    ("labelled_pod_gets_its_own_eni", story::one_pod),
    ("pass_through_add_opens_no_socket", story::pass_through),
    ("ten_pods_over_two_nodes_at_once", many::ten_pods),
    (
        "pod_deleted_while_its_eni_is_being_created",
        crashes::deleted_while_creating,
    ),
    (
        "operator_killed_between_create_and_attach",
        crashes::operator_between_create_and_attach,
    ),
    (
        "agent_killed_while_traffic_goes_on",
        crashes::agent_under_traffic,
    ),
    (
        "agent_stopped_and_pods_that_do_not_ask_start_as_ever",
        crashes::agent_stopped,
    ),
    (
        "namespace_that_died_without_del_gives_its_eni_back",
        crashes::dead_namespace,
    ),
    ("unknown_class_is_told_and_mends", bad_input::unknown_class),
    (
        "namespace_not_selected_is_told_and_mends",
        bad_input::namespace_not_selected,
    ),
    (
        "subnet_that_does_not_exist_is_told_and_mends",
        bad_input::subnet_does_not_exist,
    ),
    (
        "group_that_does_not_exist_is_told_and_mends",
        bad_input::group_does_not_exist,
    ),
    ("full_node_is_told_and_mends", bad_input::node_full),
    (
        "malformed_cni_input_gets_one_sentence",
        bad_input::malformed_cni_input,
    ),
];

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    // One cluster, one audit: a scenario must not see another one's ENIs.
    args.test_threads = Some(1);
    if args.list {
        return libtest_mimic::run(&args, trials(None)).exit_code();
    }
    let world = World::up("e2e").and_then(|world| world.install().map(|()| world));
    let world = match world {
        Ok(world) => Some(Arc::new(world)),
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::FAILURE;
        }
    };
    let conclusion = libtest_mimic::run(&args, trials(world.as_ref()));
    match world.map(|world| world.cluster.down()) {
        None | Some(Ok(())) => conclusion.exit_code(),
        Some(Err(error)) => {
            eprintln!("the cluster could not be taken down: {error}");
            ExitCode::FAILURE
        }
    }
}

fn trials(world: Option<&Arc<World>>) -> Vec<Trial> {
    SCENARIOS
        .iter()
        .map(|(name, scenario)| {
            let world = world.cloned();
            Trial::test(*name, move || {
                let world = world.as_deref().expect("a cluster");
                scenario(world).map_err(|error| {
                    world.cluster.dump();
                    // The next scenario starts from nothing, whatever this one left.
                    let cleaned =
                        world.kubectl(&["delete", "pods,eniclasses", "--all", "--timeout=60s"]);
                    let _ = cleaned.and_then(|_| world.await_clean());
                    Failed::from(format!("{error:#}"))
                })
            })
        })
        .collect()
}

/// A class as in docs/examples, under another name.
fn class(name: &str) -> Value {
    json!({
        "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClass", "metadata": {"name": name},
        "spec": {
            "namespaceSelector": {},
            "subnets": {"ids": ["subnet-000000000000000a1"]},
            "securityGroups": {"ids": ["sg-000000000000000a2"]},
        }
    })
}

/// A pod that serves on every address; with a class it asks for an ENI.
fn pod(name: &str, class: Option<&str>) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "probe", "image": "localhost/eniclaim/probe:dev", "args": ["serve"],
                "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
            }]
        }
    });
    if let Some(class) = class {
        pod["metadata"]["labels"] = json!({"eniclaim.io/class": class});
    }
    pod
}

/// The same pod, only on this node.
fn on(mut pod: Value, node: &str) -> Value {
    pod["spec"]["nodeSelector"] = json!({"kubernetes.io/hostname": node});
    pod
}
