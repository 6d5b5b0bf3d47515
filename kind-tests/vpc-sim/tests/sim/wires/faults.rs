//! Faults that a test orders, as a caller meets them.

use serde_json::{Value, json};

use super::NODES;
use crate::machine::{Machine, call, text};

#[test]
fn lost_reply_has_its_effect_and_is_in_the_log() {
    let mut machine = Machine::start();
    let (node, _) = machine.instance("node", "10.0.1.11", NODES);
    let fault = r#"{"action": "CreateNetworkInterface", "replyLost": true}"#;
    assert_eq!(machine.sim("POST", "/sim/faults", fault).0, 200);
    let create = "Action=CreateNetworkInterface&SubnetId=subnet-000000000000000a1&ClientToken=t";
    assert_eq!(call(&node, create), None);
    let (status, body) = call(&node, create).unwrap();
    assert_eq!(status, 200);
    let calls = machine.sim("GET", "/sim/calls", "").1;
    let lost: Vec<&Value> = calls
        .as_array()
        .unwrap()
        .iter()
        .map(|call| &call["replyLost"])
        .collect();
    assert_eq!(lost, [true, false]);
    assert_eq!(calls[0]["parameters"]["ClientToken"], "t");
    let id = text(&body, "networkInterfaceId");
    assert_eq!(
        (&calls[0]["result"], &calls[1]["result"]),
        (&json!(id), &json!(id))
    );
    assert!(machine.audit()[0].as_str().unwrap().contains(&id));
    assert_eq!(machine.audit().as_array().unwrap().len(), 1);
}

#[test]
fn ordered_refusal_reaches_the_caller() {
    let mut machine = Machine::start();
    let (node, _) = machine.instance("node", "10.0.1.11", NODES);
    let refuse = json!({ "status": 503, "code": "RequestLimitExceeded" });
    let fault = json!({ "action": "DescribeSubnets", "refuse": refuse });
    assert_eq!(
        machine.sim("POST", "/sim/faults", &fault.to_string()).0,
        200
    );
    let (status, body) = call(&node, "Action=DescribeSubnets").unwrap();
    assert_eq!(
        (status, text(&body, "Code").as_str()),
        (503, "RequestLimitExceeded")
    );
    assert_eq!(call(&node, "Action=DescribeSubnets").unwrap().0, 200);
}
