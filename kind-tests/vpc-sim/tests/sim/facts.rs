//! The script of `make aws-facts`, run against the simulator, and what it wrote on a real account. Needs root.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};

use crate::{
    boto3::{folder, python},
    machine::{Machine, eventually},
};

/// What the script wrote on a real account, if somebody ran it there.
const REAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/aws-facts.json");
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/simulator.md");

/// The script, run from `netns` with the account of nobody.
fn script(netns: &str) -> Command {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", netns, &python(), "-B"])
        .arg(folder().join("facts.py"))
        .args(["--region", "us-east-1", "--poll", "0.05"])
        .env("AWS_ACCESS_KEY_ID", "AKIA")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env_remove("AWS_CA_BUNDLE");
    command
}

/// The script against the simulator, from another instance than the one that it stops; what it finds goes to `out`.
fn against(machine: &mut Machine, out: &Path) -> Command {
    let nodes = "sg-000000000000000a1";
    let (_, instance) = machine.instance("node", "10.0.1.11", nodes);
    let (peer, _) = machine.instance("peer", "10.0.1.12", nodes);
    let quick = json!({ "stopMs": 1000, "startMs": 1000, "terminateMs": 1000 });
    machine.sim("POST", "/sim/delays", &quick.to_string());
    let mut command = script(&peer);
    command
        .args(["--endpoint", "http://192.0.2.1", "--instance", &instance])
        .args(["--subnet", "subnet-000000000000000a1"])
        .args(["--other-zone-subnet", "subnet-000000000000000b1"])
        .arg("--sim")
        .arg(machine.file("sim.sock"))
        .arg("--out")
        .arg(out);
    command
}

/// What `real` says otherwise than the simulator.
fn differences(real: &Map<String, Value>, ours: &Map<String, Value>) -> Vec<String> {
    let differs = |(name, real): (&String, &Value)| {
        let ours = ours.get(name);
        (ours != Some(real)).then(|| format!("{name}: EC2 says {real}, the simulator {ours:?}"))
    };
    real.iter().filter_map(differs).collect()
}

fn facts(path: &Path) -> Map<String, Value> {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The names of all facts that the script can settle.
fn listed() -> BTreeSet<String> {
    let script = folder().join("facts.py");
    let mut list = Command::new(python());
    let output = list.arg("-B").arg(script).arg("--list").output().unwrap();
    let names = String::from_utf8(output.stdout).unwrap();
    names.lines().map(str::to_owned).collect()
}

#[test]
fn simulator_says_what_a_real_account_said_and_every_fact_is_settled() {
    let mut machine = Machine::start();
    let out = machine.file("facts.json");
    let output = against(&mut machine, &out).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(machine.audit(), json!([]));
    let ours = facts(&out);
    let names: BTreeSet<String> = ours.keys().cloned().collect();
    assert_eq!(names, listed());
    // Two that show that the script sees what is there.
    assert_eq!(ours["status-detaching"], "in-use, detaching");
    assert_eq!(
        ours["attach-in-use"],
        "InvalidNetworkInterface.InUse: Interface: [<eni>] in use."
    );
    let real = PathBuf::from(REAL);
    if real.exists() {
        let differ = differences(&facts(&real), &ours);
        assert!(differ.is_empty(), "{}", differ.join("\n"));
    }
}

#[test]
fn difference_to_a_real_account_is_found() {
    let facts = |detach: &str| {
        let facts = json!({ "detach-detaching": detach, "delete-pending": "granted" });
        facts.as_object().unwrap().clone()
    };
    let ours = facts("IncorrectState: no");
    assert_eq!(differences(&ours, &ours), [""; 0]);
    let differ = differences(&facts("granted"), &ours);
    assert_eq!(differ.len(), 1);
    assert!(differ[0].contains("detach-detaching"), "{differ:?}");
    assert_eq!(differences(&ours, &Map::new()).len(), 2);
}

#[test]
fn unverified_rules_name_the_facts_that_settle_them() {
    let text = fs::read_to_string(RULES).unwrap();
    let section = text.split("## Unverified").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| row.trim_end_matches('|').rsplit('|').next());
    let named: BTreeSet<String> = cells
        .flat_map(|cell| cell.split(','))
        .filter_map(|name| name.trim().strip_prefix('`')?.strip_suffix('`'))
        .map(str::to_owned)
        .collect();
    assert_eq!(named, listed());
}

#[test]
fn dry_run_prints_the_calls_and_reaches_nobody() {
    let mut machine = Machine::start();
    let alone = machine.namespace("alone");
    let out = machine.file("facts.json");
    let mut dry = script(&alone);
    dry.args(["--subnet", "subnet-1", "--dry-run", "--out"])
        .arg(&out);
    let output = dry.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let calls = String::from_utf8_lossy(&output.stdout);
    for action in [
        "RunInstances",
        "AttachNetworkInterface",
        "StopInstances",
        "DeleteNetworkInterface",
        "TerminateInstances",
    ] {
        assert!(calls.contains(&format!("{action} {{")), "{calls}");
    }
    // Whatever is made carries the tag by which it is found again.
    for made in calls.lines().filter(|call| {
        call.starts_with("RunInstances") || call.starts_with("CreateNetworkInterface")
    }) {
        assert!(made.contains("eniclaim-aws-facts"), "{made}");
    }
    assert!(!out.exists());
}

#[test]
fn script_that_is_stopped_or_fails_leaves_nothing() {
    let mut machine = Machine::start();
    let out = machine.file("facts.json");
    let mut stopped = against(&mut machine, &out);
    let mut child = stopped.stderr(Stdio::null()).spawn().unwrap();
    let calls = |machine: &Machine| {
        let path = "/sim/calls?action=DetachNetworkInterface";
        let calls = machine.sim("GET", path, "").1;
        calls.as_array().unwrap().len()
    };
    eventually("something is detached", || {
        (calls(&machine) > 0).then_some(())
    });
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(machine.audit(), json!([]));
    assert!(!out.exists());
    // An error that no probe expects ends the run in its middle.
    let refuse = json!({ "status": 400, "code": "Unexpected" });
    let fault = json!({ "action": "AttachNetworkInterface", "skip": 2, "refuse": refuse });
    machine.sim("POST", "/sim/faults", &fault.to_string());
    let output = stopped.stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("AssertionError: Unexpected"), "{said}");
    assert_eq!(machine.audit(), json!([]));
}
