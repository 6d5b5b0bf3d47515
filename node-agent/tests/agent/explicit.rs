//! Configurations of plugins that are replaced, through the plugin and the engine: no claim, no API server.

use cni::error::code;
use serde_json::{Value, json};

use crate::{
    running::{Agent, wait_until},
    task::Task,
    world::{ENI, HOME, MAC, World},
};

/// A task of a container agent: a namespace with nothing in it but `lo`.
fn a_task() -> (World, Agent) {
    let mut world = World::new();
    world.namespace("task");
    let agent = Agent::start(&world);
    (world, agent)
}

fn ecs_eni(keys: &Value) -> Value {
    let mut configuration =
        json!({ "type": "ecs-eni", "cniVersion": "0.4.0", "eni": ENI, "mac": MAC });
    let all = configuration.as_object_mut().unwrap();
    all.extend(keys.as_object().unwrap().clone());
    configuration
}

fn later() -> Value {
    ecs_eni(&json!({
        "ip-addresses": ["10.0.1.50/24"], "gateway-ip-addresses": ["10.0.1.1"], "block-instance-metadata": true,
    }))
}

#[test]
fn configuration_of_ecs_eni_is_enough_from_add_to_the_second_del() {
    let (world, agent) = a_task();
    world.serve("vpc", 8080);
    let task = Task::new(&world, &agent, "c1", "eth0");
    let result = task.add(&later());
    assert_eq!(
        result,
        json!({
            "cniVersion": "0.4.0",
            "interfaces": [{ "name": "eth0", "mac": MAC, "sandbox": world.path("task") }],
            "ips": [{ "version": "4", "interface": 0, "address": "10.0.1.50/24", "gateway": "10.0.1.1" }],
            "routes": [{ "dst": "0.0.0.0/0", "gw": "10.0.1.1" }],
        })
    );
    for reached in ["10.0.1.1", "10.0.9.9"] {
        world.reach("task", None, reached, 8080).unwrap();
    }
    let metadata = world.reach("task", None, "169.254.169.254", 8080);
    assert!(metadata.is_err(), "the metadata service is reached");
    assert_eq!(task.add(&later()), result, "ADD again");
    let mut check = later();
    check["prevResult"] = result;
    assert_eq!(task.run("CHECK", &check), (true, Value::Null));
    // An agent that starts knows it from the journal, and disturbs nothing.
    let before = world.portrait("task");
    let agent = Agent::start_in(&world, agent.stop());
    let task = Task::new(&world, &agent, "c1", "eth0");
    assert_eq!(task.run("CHECK", &check), (true, Value::Null));
    assert_eq!(world.portrait("task"), before);
    task.del(&later());
    assert!(world.has_link("host", HOME));
    assert_eq!(agent.journal(), 0);
    task.del(&later());
}

#[test]
fn without_a_gateway_only_the_subnet_is_reached() {
    let (world, agent) = a_task();
    world.serve("vpc", 8080);
    let task = Task::new(&world, &agent, "c1", "eth0");
    let configuration = ecs_eni(&json!({ "ip-addresses": ["10.0.1.50/24"], "mtu": 1400 }));
    let result = task.add(&configuration);
    assert!(
        result
            .get("routes")
            .is_none_or(|routes| *routes == json!([])),
        "{result}"
    );
    world.reach("task", None, "10.0.1.1", 8080).unwrap();
    let far = world.reach("task", None, "10.0.9.9", 8080).unwrap_err();
    assert_eq!(far.kind(), std::io::ErrorKind::NetworkUnreachable);
    let link = world.device("task").unwrap();
    assert_eq!(
        (&link["ifname"], &link["mtu"]),
        (&json!("eth0"), &json!(1400))
    );
}

/// Cases: M11.
#[test]
fn device_that_stays_down_has_a_name_and_nothing_else() {
    let (world, agent) = a_task();
    let mtu = world.device("host").unwrap()["mtu"].clone();
    let task = Task::new(&world, &agent, "c1", "eth0");
    let configuration = ecs_eni(&json!({
        "ip-addresses": ["10.0.1.50/24"], "stay-down": true, "mtu": 1400, "block-instance-metadata": true,
    }));
    let result = task.add(&configuration);
    assert_eq!(result["interfaces"][0]["name"], "eth0");
    assert!(
        result["ips"].as_array().is_none_or(Vec::is_empty),
        "{result}"
    );
    let link = world.device("task").unwrap();
    assert_eq!((&link["ifname"], &link["mtu"]), (&json!("eth0"), &mtu));
    assert_eq!(link["operstate"], "DOWN");
    assert_eq!(world.json("task", "rule").as_array().unwrap().len(), 3);
    // The container sets it up when it wants to.
    world.ip("task", "link set eth0 up");
    assert_eq!(task.add(&configuration), result);
    task.del(&configuration);
    assert!(world.has_link("host", HOME));
}

#[test]
fn what_is_wrong_is_refused_and_nothing_is_touched() {
    let (world, agent) = a_task();
    let before = (world.portrait("host"), world.portrait("task"));
    let task = Task::new(&world, &agent, "c1", "eth0");
    let mut configuration = later();
    configuration["gateway-ip-addresses"] = json!(["ten"]);
    let (code, why) = task.refused(&configuration);
    assert_eq!(code, u64::from(code::CONFIGURATION));
    assert!(
        why.contains("ecs-eni: gateway-ip-addresses \"ten\""),
        "{why}"
    );
    let mut absent = later();
    absent["mac"] = json!("02:ec:00:00:00:ff");
    let (code, why) = task.refused(&absent);
    assert_eq!(code, u64::from(code::TRY_LATER));
    assert!(why.contains("02:ec:00:00:00:ff"), "{why}");
    assert_eq!((world.portrait("host"), world.portrait("task")), before);
    assert_eq!(agent.journal(), 0);
}

#[test]
fn device_of_a_container_that_lives_is_never_taken() {
    let (mut world, agent) = a_task();
    let task = Task::new(&world, &agent, "c1", "eth0");
    task.add(&later());
    world.namespace("other");
    let other = Task::new(&world, &agent, "c2", "eth0").in_namespace(&world, "other");
    let (code, why) = other.refused(&later());
    assert_eq!(code, u64::from(code::TRY_LATER));
    assert!(why.contains("container c1 has its device"), "{why}");
    assert!(world.device("task").is_some());
    // With its namespace the claim to it ends, without a DEL.
    world.kill("task");
    world.wait_until_the_veth_is_gone();
    // What a real NIC does by itself.
    world.wire();
    wait_until(|| agent.journal() == 0);
    other.add(&later());
}
