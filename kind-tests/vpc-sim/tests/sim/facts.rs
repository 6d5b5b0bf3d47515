//! The script of `make aws-facts`, run against the simulator, and what it wrote on a real account. Needs root.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};

use crate::{
    boto3::{folder, python},
    machine::{Machine, call, eventually},
};

/// What the script wrote on a real account, if somebody ran it there.
const REAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/aws-facts.json");
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/simulator.md");
const NODES: &str = "sg-000000000000000a1";
const TAG: &str = "eniclaim-aws-facts";

/// The script `name`, run from `netns` with the account of nobody.
fn script(netns: &str, name: &str) -> Command {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", netns, &python(), "-B"])
        .arg(folder().join(name))
        .args(["--region", "us-east-1"])
        .env("AWS_ACCESS_KEY_ID", "AKIA")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env_remove("AWS_CA_BUNDLE");
    command
}

/// The instance whose life the script plays with, and one that asks.
struct Pair {
    node: String,
    instance: String,
    peer: String,
}

fn pair(machine: &mut Machine) -> Pair {
    let (node, instance) = machine.instance("node", "10.0.1.11", NODES);
    let (peer, _) = machine.instance("peer", "10.0.1.12", NODES);
    Pair {
        node,
        instance,
        peer,
    }
}

/// The script against the simulator, from another instance than the one that it stops.
fn against(machine: &Machine, pair: &Pair, name: &str) -> Command {
    let mut command = script(&pair.peer, name);
    command
        .args(["--endpoint", "http://192.0.2.1"])
        .args(["--instance", &pair.instance])
        .args(["--subnet", "subnet-000000000000000a1"])
        .args(["--other-zone-subnet", "subnet-000000000000000b1"])
        .args(["--other-network-subnet", "subnet-000000000000000c1"])
        .arg("--sim")
        .arg(machine.file("sim.sock"));
    command
}

/// What the user data of a real instance starts there.
struct Watch(Child);

impl Watch {
    fn start(netns: &str, console: &Path) -> Self {
        fs::write(console, "").unwrap();
        let mut watch = Command::new("ip");
        watch.args(["netns", "exec", netns, "sh"]);
        watch.arg(folder().join("watch.sh")).arg(console);
        Self(watch.spawn().unwrap())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn succeeded(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
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
    succeeded(&output).lines().map(str::to_owned).collect()
}

#[test]
fn simulator_says_what_a_real_account_said_and_every_fact_is_settled() {
    let mut machine = Machine::start();
    let pair = pair(&mut machine);
    // Long enough to see that the device goes before.
    let delays = json!({ "detachMs": 1000, "stopMs": 1000, "startMs": 1000, "terminateMs": 1000 });
    machine.sim("POST", "/sim/delays", &delays.to_string());
    let (out, console) = (machine.file("facts.json"), machine.file("console"));
    let _watch = Watch::start(&pair.node, &console);
    let mut run = against(&machine, &pair, "facts.py");
    run.args(["--poll", "0.05"])
        .args(["--small-subnet", "subnet-000000000000000a2"])
        .arg("--console")
        .arg(console)
        .arg("--out")
        .arg(&out);
    succeeded(&run.output().unwrap());
    assert_eq!(machine.audit(), json!([]));
    let ours = facts(&out);
    let names: BTreeSet<String> = ours.keys().cloned().collect();
    assert_eq!(names, listed());
    // Some that show that the script sees what is there.
    for (name, said) in [
        ("status-detaching", "in-use, detaching"),
        (
            "attach-in-use",
            "InvalidNetworkInterface.InUse: Interface: [<eni>] in use.",
        ),
        ("device-leaves", "while the attachment is detaching"),
        ("parameter-twice", "granted"),
        (
            "next-token-other-filter",
            "InvalidNextToken: The token '<token>' is invalid",
        ),
        ("next-token-other-size", "granted"),
    ] {
        assert_eq!(ours[name], said, "{name}");
    }
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

/// The cells of each row of a table, without its head.
fn rows(table: &str) -> Vec<Vec<&str>> {
    table
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

#[test]
fn every_unverified_rule_has_a_fact_that_settles_it_or_a_reason_why_there_is_none() {
    let text = fs::read_to_string(RULES).unwrap();
    let section = text.split("## Unverified").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let (rules, reasons) = section.split_once("\n| no fact because of |").unwrap();
    let reasons = format!("| no fact because of |{reasons}");
    let reasons: BTreeMap<&str, &str> = rows(&reasons).iter().map(|row| (row[0], row[1])).collect();
    let (mut named, mut used) = (BTreeSet::new(), BTreeSet::new());
    for row in rows(rules) {
        let [rule, _, settled] = row[..] else {
            panic!("three cells: {row:?}");
        };
        let quoted =
            |name: &str| Some(name.trim().strip_prefix('`')?.strip_suffix('`')?.to_owned());
        if let Some(names) = settled
            .split(',')
            .map(quoted)
            .collect::<Option<Vec<String>>>()
        {
            named.extend(names);
        } else {
            assert!(reasons.contains_key(settled), "{rule}: {settled:?}");
            used.insert(settled);
        }
    }
    assert_eq!(named, listed(), "every fact is named, every name is a fact");
    assert_eq!(used, reasons.keys().copied().collect());
    assert!(reasons.values().all(|why| why.len() > 20), "{reasons:?}");
}

#[test]
fn dry_run_prints_the_calls_and_reaches_nobody() {
    let mut machine = Machine::start();
    let alone = machine.namespace("alone");
    let out = machine.file("facts.json");
    let mut dry = script(&alone, "facts.py");
    dry.args(["--subnet", "subnet-1", "--dry-run", "--out"])
        .arg(&out);
    let output = dry.output().unwrap();
    let calls = succeeded(&output);
    for action in [
        "RunInstances",
        "AttachNetworkInterface",
        "StopInstances",
        "DeleteNetworkInterface",
        "TerminateInstances",
    ] {
        assert!(calls.contains(&format!("{action} [")), "{calls}");
    }
    // Whatever is made carries the tag by which it is found again: an instance, its volume and its interface, too.
    for (action, kinds) in [("RunInstances", 3), ("CreateNetworkInterface", 1)] {
        let made = calls.lines().filter(|call| call.starts_with(action));
        for made in made {
            assert!(made.matches(TAG).count() >= kinds, "{made}");
        }
    }
    // What it takes is said first.
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("minutes") && said.contains("USD"), "{said}");
    assert!(!out.exists());
}

#[test]
fn script_that_is_stopped_or_fails_leaves_nothing() {
    let mut machine = Machine::start();
    let pair = pair(&mut machine);
    let out = machine.file("facts.json");
    let mut stopped = against(&machine, &pair, "facts.py");
    // Slow enough that it is in its middle when it is stopped.
    stopped.args(["--poll", "0.5", "--out"]).arg(&out);
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

#[test]
fn run_that_is_killed_after_any_of_its_calls_is_cleaned_up_by_its_tag() {
    let mut machine = Machine::start();
    let pair = pair(&mut machine);
    let at_once = ["create", "attach", "detach", "stop", "start"];
    let at_once: Map<String, Value> = at_once
        .map(|delay| (format!("{delay}Ms"), json!(0)))
        .into_iter()
        .collect();
    machine.sim("POST", "/sim/delays", &json!(at_once).to_string());
    let mut killed = against(&machine, &pair, "killed.py");
    killed.args(["--poll", "0.001", "--out"]);
    let kills = killed.arg(machine.file("launched")).output().unwrap();
    let kills: usize = succeeded(&kills).trim().parse().unwrap();
    assert!(kills > 50, "{kills}");
}

#[test]
fn cleaning_removes_what_one_run_or_all_have_made_and_nothing_else() {
    let mut machine = Machine::start();
    let pair = pair(&mut machine);
    let create = |key: &str, value: &str| {
        let tag = format!(
            "&TagSpecification.1.ResourceType=network-interface&TagSpecification.1.Tag.1.Key={key}&TagSpecification.1.Tag.1.Value={value}"
        );
        let form = format!("Action=CreateNetworkInterface&SubnetId=subnet-000000000000000a1{tag}");
        assert_eq!(call(&pair.peer, &form).unwrap().0, 200);
    };
    create(TAG, "first");
    create(TAG, "second");
    create("other", "third");
    let out = machine.file("facts.json");
    fs::write(&out, "facts of before").unwrap();
    let clean = |arguments: &[&str]| {
        let mut clean = script(&pair.peer, "facts.py");
        clean
            .args([
                "--endpoint",
                "http://192.0.2.1",
                "--poll",
                "0.01",
                "--clean",
            ])
            .args(arguments)
            .arg("--out")
            .arg(&out);
        succeeded(&clean.output().unwrap());
        let left = machine.audit().to_string();
        ["first", "second", "third"].map(|value| left.contains(value))
    };
    assert_eq!(clean(&["--run", "first"]), [false, true, true]);
    assert_eq!(clean(&[]), [false, false, true]);
    assert_eq!(fs::read_to_string(out).unwrap(), "facts of before");
}
