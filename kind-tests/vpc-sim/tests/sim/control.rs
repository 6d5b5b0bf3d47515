//! What a test can make the running program do. Needs root.

use serde_json::{Value, json};

use crate::machine::{Machine, attach, available_eni, call, call_at, device, eventually, ip, text};

const NODES: &str = "sg-000000000000000a1";

fn posted(machine: &Machine, path: &str, body: &Value) -> Value {
    let (status, answer) = machine.sim("POST", path, &body.to_string());
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Status and code of a call.
fn refused(netns: &str, form: &str) -> (u16, String) {
    let (status, body) = call(netns, form).unwrap();
    (status, text(&body, "Code"))
}

#[test]
fn settings_change_how_the_region_answers_and_are_shown() {
    let mut machine = Machine::start();
    let (node, _) = machine.instance("node", "10.0.1.11", NODES);
    let healthy = machine.sim("GET", "/sim/settings", "").1;
    let tags = json!({ "DeleteNetworkInterface": { "owner": "test" } });
    let denied = json!({ "denied": ["DescribeSubnets"], "eniLimit": 1, "requiredTags": tags });
    assert_eq!(
        posted(&machine, "/sim/settings", &denied),
        json!({
            "ratePercent": null, "actionRatePercent": {}, "staleMs": 0, "staleEvery": null, "denied": ["DescribeSubnets"], "requiredTags": tags, "deniedTags": {},
            "otherRegion": false, "pageItems": null, "eniLimit": 1, "attachmentLimit": null, "groupLimit": null, "dhcp": healthy["dhcp"],
        })
    );
    let unauthorized = (403, "UnauthorizedOperation".to_owned());
    assert_eq!(refused(&node, "Action=DescribeSubnets"), unauthorized);
    let create = "Action=CreateNetworkInterface&SubnetId=subnet-000000000000000a1";
    let limit = (400, "NetworkInterfaceLimitExceeded".to_owned());
    assert_eq!(refused(&node, create), limit);
    posted(&machine, "/sim/settings", &json!({ "ratePercent": 2 }));
    assert_eq!(call(&node, "Action=DescribeSubnets").unwrap().0, 200);
    let throttled = (503, "RequestLimitExceeded".to_owned());
    assert_eq!(refused(&node, "Action=DescribeSubnets"), throttled);
    assert_eq!(posted(&machine, "/sim/settings", &json!({})), healthy);
    let unknown = json!({ "denied": ["DescribeNothing"] }).to_string();
    assert_eq!(machine.sim("POST", "/sim/settings", &unknown).0, 400);
}

#[test]
fn fault_hits_one_interface_and_is_listed_until_it_is_spent() {
    let mut machine = Machine::start();
    let (node, _) = machine.instance("node", "10.0.1.11", NODES);
    let (spared, ..) = available_eni(&node);
    let (hit, ..) = available_eni(&node);
    let refuse = json!({ "status": 400, "code": "DependencyViolation", "message": "a flow log" });
    let fault = json!({
        "action": "DeleteNetworkInterface", "where": { "NetworkInterfaceId": hit }, "refuse": refuse,
    });
    posted(&machine, "/sim/faults", &fault);
    let unknown = json!({ "action": "DeleteNetworkInterface", "where": { "SubnetId": "" }, "replyLost": true });
    assert_eq!(
        machine.sim("POST", "/sim/faults", &unknown.to_string()).0,
        400
    );
    let delete = |eni: &str| format!("Action=DeleteNetworkInterface&NetworkInterfaceId={eni}");
    assert_eq!(call(&node, &delete(&spared)).unwrap().0, 200);
    let listed = machine.sim("GET", "/sim/faults", "").1;
    assert_eq!(listed[0]["where"]["NetworkInterfaceId"], hit.as_str());
    let unspent = |audit: Value| audit.to_string().contains("has hit 0 of 1 calls");
    assert!(unspent(machine.audit()), "{}", machine.audit());
    let (status, body) = call(&node, &delete(&hit)).unwrap();
    assert_eq!(
        (status, text(&body, "Message").as_str()),
        (400, "a flow log")
    );
    assert!(!unspent(machine.audit()), "{}", machine.audit());
    assert_eq!(machine.sim("GET", "/sim/faults", "").1, json!([]));
}

#[test]
fn one_test_audits_and_forgets_what_is_its_own() {
    let mut machine = Machine::start();
    let (node, _) = machine.instance("node", "10.0.1.11", NODES);
    let tag = "TagSpecification.1.ResourceType=network-interface&TagSpecification.1.Tag.1.Key=a/b";
    let create = "Action=CreateNetworkInterface&SubnetId=subnet-000000000000000a1";
    let create = format!("{create}&{tag}&TagSpecification.1.Tag.1.Value=c d");
    let fault = json!({
        "action": "CreateNetworkInterface", "where": { "TagSpecification.N.Tag.N.Value": "c d" }, "delayMs": 1,
    });
    let (ours, others) = (
        posted(&machine, "/sim/faults", &fault),
        posted(&machine, "/sim/faults", &fault),
    );
    let created = text(&call(&node, &create).unwrap().1, "networkInterfaceId");
    let audit = |query: &str| machine.sim("GET", &format!("/sim/audit?{query}"), "").1;
    let found = audit("tag:a/b=c+d");
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    assert!(found[0].as_str().unwrap().starts_with(&created), "{found}");
    assert_eq!(audit("tag:a/b=c"), json!([]));
    assert_eq!(audit("tags=c")["error"], "there is no parameter tags");
    let forget = |fault: &Value| machine.sim("DELETE", &format!("/sim/faults/{}", fault["id"]), "");
    let (status, forgotten) = forget(&ours);
    assert_eq!((status, &forgotten["hits"]), (200, &json!(1)));
    assert_eq!(forget(&ours).0, 404);
    assert_eq!(
        machine.sim("GET", "/sim/faults", "").1[0]["id"],
        others["id"]
    );
}

#[test]
fn log_is_read_from_an_index_and_by_action_and_shows_what_was_before() {
    let mut machine = Machine::start();
    let (node, instance) = machine.instance("node", "10.0.1.11", NODES);
    let (eni, ..) = available_eni(&node);
    let attachment = attach(&node, &eni, &instance);
    let calls = |query: &str| machine.sim("GET", &format!("/sim/calls?{query}"), "").1;
    let attached = calls("action=AttachNetworkInterface");
    assert_eq!(attached.as_array().unwrap().len(), 1);
    assert_eq!(attached[0]["before"][0]["status"], "available");
    let next = attached[0]["index"].as_u64().unwrap() + 1;
    assert_eq!(calls(&format!("since={next}")), json!([]));
    let detach = format!("Action=DetachNetworkInterface&AttachmentId={attachment}");
    call(&node, &detach).unwrap();
    let since = calls(&format!("since={next}"));
    assert_eq!(since[0]["index"], next);
    let before = &since[0]["before"][0];
    assert_eq!(
        (&before["id"], &before["attachment"]["id"]),
        (&json!(eni), &json!(attachment))
    );
    assert_eq!(
        calls("action=Attach")["error"],
        r#"the simulator has no action "Attach""#
    );
}

#[test]
fn parameters_outside_of_a_posted_form_are_refused_and_reported() {
    let mut machine = Machine::start();
    let (node, _) = machine.instance("node", "10.0.1.11", NODES);
    let form = "Action=DescribeSubnets";
    for (method, path) in [("GET", "/"), ("POST", "/?MaxResults=1"), ("POST", "/x")] {
        let (status, body) = call_at(&node, method, path, form).unwrap();
        assert_eq!(status, 501, "{method} {path}: {body}");
        assert!(body.contains(&format!("{method} {path}")), "{body}");
    }
    assert_eq!(machine.audit().as_array().unwrap().len(), 3);
}

#[test]
fn one_attach_may_take_long_and_a_forced_detach_ends_it() {
    let mut machine = Machine::start();
    let (node, instance) = machine.instance("node", "10.0.1.11", NODES);
    let (eni, ..) = available_eni(&node);
    let fault = json!({ "action": "AttachNetworkInterface", "takesMs": 600_000 });
    posted(&machine, "/sim/faults", &fault);
    let attachment = attach(&node, &eni, &instance);
    let delays = machine.sim("GET", "/sim/delays", "").1;
    assert_eq!(delays["attachMs"], 300);
    let status = |machine: &Machine| {
        let snapshot = machine.sim("GET", "/sim/snapshot", "").1;
        let enis = snapshot["enis"].as_array().unwrap();
        let eni = enis.iter().find(|seen| seen["id"] == eni.as_str()).unwrap();
        (eni["status"].clone(), eni["attachment"]["status"].clone())
    };
    assert_eq!(status(&machine), (json!("in-use"), json!("attaching")));
    let delays = posted(&machine, "/sim/delays", &json!({ "detachMs": 600_000 }));
    assert_eq!(
        (&delays["detachMs"], &delays["createMs"]),
        (&json!(600_000), &json!(100))
    );
    let detach = format!("Action=DetachNetworkInterface&AttachmentId={attachment}");
    assert_eq!(call(&node, &detach).unwrap().0, 200);
    assert_eq!(status(&machine), (json!("in-use"), json!("detaching")));
    assert_eq!(call(&node, &format!("{detach}&Force=true")).unwrap().0, 200);
    assert_eq!(status(&machine), (json!("available"), Value::Null));
}

#[test]
fn instance_stops_without_links_starts_with_them_and_terminates() {
    let mut machine = Machine::start();
    let (node, instance) = machine.instance("node", "10.0.1.11", NODES);
    let (peer, _) = machine.instance("peer", "10.0.1.12", NODES);
    let (eni, mac, _) = available_eni(&peer);
    attach(&peer, &eni, &instance);
    eventually("link is there", || device(&node, &mac));
    let quick = json!({ "stopMs": 50, "startMs": 50, "terminateMs": 50, "forgetMs": 300 });
    posted(&machine, "/sim/delays", &quick);
    let change = |verb: &str| {
        posted(
            &machine,
            &format!("/sim/instances/{instance}/{verb}"),
            &json!({}),
        );
    };
    let state = || {
        let snapshot = machine.sim("GET", "/sim/snapshot", "").1;
        let instances = snapshot["instances"].as_array().unwrap().clone();
        let seen = instances
            .into_iter()
            .find(|seen| seen["id"] == instance.as_str());
        seen.map(|seen| seen["state"].as_str().unwrap().to_owned())
    };
    let becomes = |wanted: &str| {
        eventually(wanted, || {
            (state().as_deref() == Some(wanted)).then_some(())
        });
    };
    change("stop");
    assert_eq!(device(&node, &mac), None);
    assert!(!ip(&format!("-n {node} link show")).contains("eth0"));
    becomes("stopped");
    change("start");
    becomes("running");
    eventually("link is there again", || device(&node, &mac));
    change("terminate");
    assert_eq!(device(&node, &mac), None);
    becomes("terminated");
    eventually("instance is forgotten", || state().is_none().then_some(()));
    let unknown = format!("/sim/instances/{instance}/stop");
    assert_eq!(machine.sim("POST", &unknown, "").0, 400);
}

#[test]
fn rebooted_instance_finds_all_its_devices_at_home_and_runs_all_the_while() {
    let mut machine = Machine::start();
    let (node, instance) = machine.instance("node", "10.0.1.11", NODES);
    let (peer, _) = machine.instance("peer", "10.0.1.12", NODES);
    let pod = machine.namespace("pod");
    let (eni, mac, _) = available_eni(&peer);
    attach(&peer, &eni, &instance);
    let link = eventually("link is there", || device(&node, &mac));
    let name = link["ifname"].as_str().unwrap();
    ip(&format!("-n {node} link set {name} netns {pod}"));
    let reboot = format!("/sim/instances/{instance}/reboot");
    posted(&machine, &reboot, &json!({}));
    assert_eq!(device(&pod, &mac), None);
    eventually("link is at home", || device(&node, &mac));
    let snapshot = machine.sim("GET", "/sim/snapshot", "").1;
    assert_eq!(snapshot["instances"][0]["state"], "running");
    posted(
        &machine,
        &format!("/sim/instances/{instance}/stop"),
        &json!({}),
    );
    assert_eq!(machine.sim("POST", &reboot, "").0, 400);
}

#[test]
fn audit_tells_what_was_asked_and_is_not_played() {
    let mut machine = Machine::start();
    let (node, _) = machine.instance("node", "10.0.1.11", NODES);
    let create =
        "Action=CreateNetworkInterface&SubnetId=subnet-000000000000000a1&InterfaceType=efa";
    assert_eq!(refused(&node, create), (501, "NotModelled".to_owned()));
    assert_eq!(refused(&node, "Action=RunInstances").1, "InvalidAction");
    let audit = machine.audit();
    let [action, parameter] = &audit.as_array().unwrap()[..] else {
        panic!("{audit}");
    };
    assert!(
        action.as_str().unwrap().contains("RunInstances"),
        "{action}"
    );
    assert!(
        parameter.as_str().unwrap().contains("InterfaceType"),
        "{parameter}"
    );
}
