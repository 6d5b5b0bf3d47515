//! Clients of Debian: busybox's udhcpc and ISC's dhclient.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Bare, ROUTER, pairs};
use crate::machine::{device, eventually, ip, reaches, text};

/// What a client runs at each change of its lease: configures the device, and keeps the variables that it was given.
const SCRIPT: &str = r#"#!/bin/sh
case "${reason:-$1}" in
bound | renew)
    ip addr replace "$ip/$mask" dev "$interface"
    ip route replace default via "$router" dev "$interface" ;;
BOUND | RENEW | REBIND)
    ip addr replace "$new_ip_address/24" dev "$interface"
    ip route replace default via "$new_routers" dev "$interface" ;;
BOUND6 | RENEW6)
    [ -z "$new_ip6_address" ] || ip addr replace "$new_ip6_address/128" dev "$interface" ;;
deconfig | STOP | RELEASE)
    ip addr flush dev "$interface" scope global ;;
esac
env > "$0.new"
mv "$0.new" "$0.${reason:-$1}"
"#;

/// A client that runs in a pod until it is dropped.
struct Client<'a> {
    pod: &'a Bare,
    script: PathBuf,
    child: Child,
}

impl<'a> Client<'a> {
    /// `busybox udhcpc`, or dhclient with these arguments.
    fn udhcpc(pod: &'a Bare) -> Self {
        let script = script(pod);
        let path = script.display();
        let line = format!("busybox udhcpc -f -i eni0 -s {path} -t 20 -T 1 -O mtu");
        let child = run(pod, &line).spawn().unwrap();
        Self { pod, script, child }
    }

    fn dhclient(pod: &'a Bare, arguments: &str) -> Self {
        if arguments.contains("-6") {
            // It ends where there is no link-local address that has been checked.
            eventually("a link-local address", || {
                let shown = format!("-n {} -6 addr show dev eni0 scope link", pod.netns);
                let shown = ip(&shown);
                (shown.contains("fe80") && !shown.contains("tentative")).then_some(())
            });
        }
        let script = script(pod);
        let line = dhclient(pod, &format!("{arguments} -d"));
        let child = run(pod, &line).spawn().unwrap();
        Self { pod, script, child }
    }

    /// The variables of the script's last run for this reason.
    fn told(&self, reason: &str) -> BTreeMap<String, String> {
        let path = format!("{}.{reason}", self.script.display());
        let text = eventually(reason, || fs::read_to_string(&path).ok());
        let lines = text.lines().filter_map(|line| line.split_once('='));
        lines
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Lets another dhclient of the same files end this one and give its lease back.
    fn release(&mut self, arguments: &str) {
        let line = dhclient(self.pod, &format!("{arguments} -r"));
        assert!(run(self.pod, &line).status().unwrap().success());
        self.child.wait().unwrap();
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn script(pod: &Bare) -> PathBuf {
    let path = pod.machine.file("script");
    fs::write(&path, SCRIPT).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    fs::write(pod.machine.file("conf"), "initial-interval 1;\n").unwrap();
    path
}

fn dhclient(pod: &Bare, arguments: &str) -> String {
    let [conf, leases, pid, script] = ["conf", "leases", "pid", "script"]
        .map(|name| pod.machine.file(name).display().to_string());
    format!("dhclient {arguments} -cf {conf} -lf {leases} -pf {pid} -sf {script} eni0")
}

fn run(pod: &Bare, line: &str) -> Command {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(pod.machine.file("log"));
    let log = log.unwrap();
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &pod.netns]);
    command.args(line.split_whitespace());
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    command
}

fn wants(told: &BTreeMap<String, String>, wanted: &[(&str, &str)]) {
    for (name, value) in wanted {
        assert_eq!(
            told.get(*name).map(String::as_str),
            Some(*value),
            "{name}: {told:?}"
        );
    }
}

fn is(heard: &Value, message: &str, to: &str, answer: &str) -> bool {
    heard["message"] == message && heard["to"] == to && heard["answers"][0] == answer
}

#[test]
fn udhcpc_obtains_renews_and_releases() {
    let pod = Bare::with(&[], "");
    let client = Client::udhcpc(&pod);
    let address = pod.address();
    let host_name = format!("ip-{}", address.replace('.', "-"));
    let wanted = [
        ("ip", address.as_str()),
        ("mask", "24"),
        ("router", ROUTER),
        ("serverid", ROUTER),
        ("dns", "10.0.0.2"),
        ("domain", "ec2.internal"),
        ("hostname", &host_name),
        ("broadcast", "10.0.1.255"),
        ("mtu", "9001"),
        ("lease", "3600"),
    ];
    wants(&client.told("bound"), &wanted);
    let obtained = pairs(&[("DHCPDISCOVER", "DHCPOFFER"), ("DHCPREQUEST", "DHCPACK")]);
    assert_eq!(pod.exchange(), obtained);
    assert!(reaches(&pod.netns, "192.0.2.1:80"));
    client.signal(Signal::USR1);
    wants(&client.told("renew"), &wanted);
    let renewal = pod.heard()[2].clone();
    assert!(is(&renewal, "DHCPREQUEST", ROUTER, "DHCPACK"), "{renewal}");
    assert_eq!(renewal["from"], address.as_str());
    client.signal(Signal::USR2);
    let released = pod.hears("release", |heard| heard["message"] == "DHCPRELEASE");
    assert_eq!(released["answers"], json!([]));
}

#[test]
fn dhclient_obtains_renews_and_releases() {
    let pod = Bare::with(&[], "");
    pod.post("/sim/settings", &json!({ "dhcp": { "leaseSeconds": 6 } }));
    let mut client = Client::dhclient(&pod, "-4");
    let address = pod.address();
    let wanted = [
        ("new_ip_address", address.as_str()),
        ("new_subnet_mask", "255.255.255.0"),
        ("new_routers", ROUTER),
        ("new_dhcp_server_identifier", ROUTER),
        ("new_domain_name_servers", "10.0.0.2"),
        ("new_domain_name", "ec2.internal"),
        ("new_broadcast_address", "10.0.1.255"),
        ("new_dhcp_lease_time", "6"),
    ];
    wants(&client.told("BOUND"), &wanted);
    let own = |heard: &Value| heard["from"] == address.as_str();
    pod.hears("renewal", |heard| {
        own(heard) && is(heard, "DHCPREQUEST", ROUTER, "DHCPACK")
    });
    client.release("-4");
    let released = pod.hears("release", |heard| heard["message"] == "DHCPRELEASE");
    assert_eq!(
        (&released["to"], &released["from"]),
        (&ROUTER.into(), &address.into())
    );
    let discovers = pod
        .exchange()
        .into_iter()
        .filter(|(message, _)| message == "DHCPDISCOVER");
    assert_eq!(discovers.count(), 1);
}

#[test]
fn dhclient_obtains_renews_and_releases_an_ipv6_address() {
    let pod = Bare::with(&[], "&Ipv6AddressCount=1");
    let mut client = Client::dhclient(&pod, "-6");
    let address = text(&pod.created, "ipv6Address");
    let wanted = [
        ("new_ip6_address", address.as_str()),
        ("new_preferred_life", "140"),
        ("new_max_life", "450"),
        ("new_renew", "70"),
        ("new_rebind", "112"),
        ("new_dhcp6_server_id", "0:3:0:1:6:ec:2f:0:0:a1"),
    ];
    wants(&client.told("BOUND6"), &wanted);
    let obtained = pairs(&[("SOLICIT", "ADVERTISE"), ("REQUEST", "REPLY")]);
    assert_eq!(pod.exchange(), obtained);
    client.release("-6");
    let released = pod.hears("release", |heard| heard["message"] == "RELEASE");
    assert_eq!(released["addresses"], json!([address]));
    assert_eq!(released["answers"], json!(["REPLY"]));
    drop(client);
    let brief = json!({ "dhcp": { "preferredSeconds": 4, "validSeconds": 12 } });
    pod.post("/sim/settings", &brief);
    let client = Client::dhclient(&pod, "-6");
    let renewed = pod.hears("renewal", |heard| heard["message"] == "RENEW");
    assert_eq!(renewed["answers"], json!(["REPLY"]));
    wants(
        &client.told("RENEW6"),
        &[("new_ip6_address", &address), ("new_preferred_life", "4")],
    );
}

#[test]
fn dhclient_is_delegated_a_prefix_and_asks_again_from_a_new_pod() {
    let mut pod = Bare::with(&[], "&Ipv6PrefixCount=1");
    let prefix = text(&pod.created, "ipv6Prefix");
    let client = Client::dhclient(&pod, "-6 -P");
    wants(&client.told("BOUND6"), &[("new_ip6_prefix", &prefix)]);
    drop(client);
    ip(&format!("netns del {}", pod.netns));
    eventually("link is home", || device(&pod.node, &pod.mac));
    pod.move_to("again");
    let client = Client::dhclient(&pod, "-6 -S");
    let informed = pod.hears("question", |heard| {
        heard["message"] == "INFORMATION-REQUEST"
    });
    assert_eq!(informed["answers"], json!(["REPLY"]));
    drop(client);
}

#[test]
fn udhcpc_does_not_take_forged_answers_for_its_own() {
    let pod = Bare::with(&[], "");
    let forged = json!([{ "forged": ["xid"] }]);
    let fault = json!({ "eni": pod.eni, "message": "DHCPDISCOVER", "answers": forged });
    pod.post("/sim/dhcp/faults", &fault);
    let client = Client::udhcpc(&pod);
    wants(&client.told("bound"), &[("ip", &pod.address())]);
    let discovers = pod
        .exchange()
        .into_iter()
        .filter(|(message, _)| message == "DHCPDISCOVER");
    assert_eq!(discovers.count(), 2);
}
