//! An independent client, with its own model of EC2, drives every action. Needs root, and the Python package index the first time.

use std::{path::Path, process::Command};

use crate::machine::Machine;

#[test]
fn boto3_agrees_with_every_action() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("boto3");
    let python = Command::new(folder.join("python.sh")).output().unwrap();
    let said = String::from_utf8_lossy(&python.stderr);
    assert!(python.status.success(), "boto3 cannot be installed: {said}");
    let python = String::from_utf8(python.stdout).unwrap();
    let mut machine = Machine::start();
    let (node, instance) = machine.instance("node", "10.0.1.11", "sg-000000000000000a1");
    let driven = Command::new("ip")
        .args(["netns", "exec", &node, python.trim(), "-B"])
        .arg(folder.join("drive.py"))
        .arg(&instance)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&driven.stderr);
    assert!(driven.status.success(), "{said}");
}
