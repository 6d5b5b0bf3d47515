//! An independent client, with its own model of EC2, drives every action. Needs root, and the Python package index the first time.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::machine::Machine;

/// Where the Python is.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("boto3")
}

/// A Python that has boto3.
pub fn python() -> String {
    let python = Command::new(folder().join("python.sh")).output().unwrap();
    let said = String::from_utf8_lossy(&python.stderr);
    assert!(python.status.success(), "boto3 cannot be installed: {said}");
    String::from_utf8(python.stdout).unwrap().trim().to_owned()
}

/// Drives the simulator from a node at `endpoint`, trusting the authority `ca`.
fn drive(machine: &mut Machine, endpoint: &str, ca: &Path) -> Output {
    let (node, instance) = machine.instance("node", "10.0.1.11", "sg-000000000000000a1");
    Command::new("ip")
        .args(["netns", "exec", &node, &python(), "-B"])
        .arg(folder().join("drive.py"))
        .args([&instance, endpoint])
        .env("AWS_CA_BUNDLE", ca)
        .output()
        .unwrap()
}

#[test]
fn boto3_agrees_with_every_action() {
    let mut machine = Machine::start();
    let driven = drive(&mut machine, "http://192.0.2.1", Path::new(""));
    let said = String::from_utf8_lossy(&driven.stderr);
    assert!(driven.status.success(), "{said}");
}

#[test]
fn boto3_agrees_over_tls_with_a_given_certificate_and_refuses_one_that_it_does_not_trust() {
    let mut own = Machine::start_with(&["--tls-folder={}/tls"]);
    let file = |name: &str| own.file(&format!("tls/{name}"));
    let (certificate, key, ca) = (file("tls.crt"), file("tls.key"), file("ca.crt"));
    let mut given = Machine::start_with(&[
        &format!("--tls-cert={}", certificate.display()),
        &format!("--tls-key={}", key.display()),
    ]);
    let driven = drive(&mut given, "https://192.0.2.1", &ca);
    let said = String::from_utf8_lossy(&driven.stderr);
    assert!(driven.status.success(), "{said}");

    let stranger = Machine::start_with(&["--tls-folder={}/tls"]);
    let driven = drive(&mut own, "https://192.0.2.1", &stranger.file("tls/ca.crt"));
    let said = String::from_utf8_lossy(&driven.stderr);
    assert!(said.contains("CERTIFICATE_VERIFY_FAILED"), "{said}");
}
