//! DHCP as clients meet it. Needs root, busybox and dhclient.

#[path = "dhcp/client.rs"]
mod client;
#[path = "dhcp/debian.rs"]
mod debian;
#[path = "dhcp/faults.rs"]
mod faults;
#[path = "dhcp/wire.rs"]
mod wire;

use std::fs;

use serde_json::Value;

use crate::machine::{
    Machine, attach, await_available, call, device, eventually, ip, text, within,
};

const NODES: &str = "sg-000000000000000a1";
const ROUTER: &str = "10.0.1.1";
const ALL: &str = "255.255.255.255";

/// A machine with a node, and an ENI in a pod without addresses.
struct Bare {
    machine: Machine,
    node: String,
    netns: String,
    eni: String,
    mac: String,
    /// What Create answered.
    created: String,
}

impl Bare {
    /// With an ENI of these counts.
    fn with(arguments: &[&str], counts: &str) -> Self {
        let mut machine = Machine::start_with(arguments);
        let (node, instance) = machine.instance("node", "10.0.1.11", NODES);
        let create = "Action=CreateNetworkInterface&SubnetId=subnet-000000000000000a1";
        let (status, created) = call(&node, &format!("{create}{counts}")).unwrap();
        assert_eq!(status, 200, "{created}");
        let eni = text(&created, "networkInterfaceId");
        await_available(&node, &eni);
        attach(&node, &eni, &instance);
        let mut bare = Self {
            mac: text(&created, "macAddress"),
            netns: String::new(),
            machine,
            node,
            eni,
            created,
        };
        bare.move_to("pod");
        bare
    }

    /// Moves the device from the node into a new pod and brings it up.
    fn move_to(&mut self, name: &str) {
        let (node, mac) = (&self.node, &self.mac);
        let link = eventually("link is there", || device(node, mac));
        let link = link["ifname"].as_str().unwrap().to_owned();
        let pod = self.machine.namespace(name);
        ip(&format!("-n {node} link set {link} netns {pod} name eni0"));
        // Its link-local address is usable at once.
        within(&pod, || {
            fs::write("/proc/sys/net/ipv6/conf/eni0/accept_dad", "0").unwrap();
        });
        ip(&format!("-n {pod} link set eni0 up"));
        self.netns = pod;
    }

    fn address(&self) -> String {
        text(&self.created, "privateIpAddress")
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.machine.sim("POST", path, &body.to_string());
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// The messages of the pod's ENI.
    fn heard(&self) -> Vec<Value> {
        let path = format!("/sim/dhcp?eni={}", self.eni);
        let (status, heard) = self.machine.sim("GET", &path, "");
        assert_eq!(status, 200, "{heard}");
        heard.as_array().unwrap().clone()
    }

    /// Waits for a message for which this holds.
    fn hears(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || self.heard().into_iter().find(&is_it))
    }

    /// Message and answers of each.
    fn exchange(&self) -> Vec<(String, String)> {
        let both = |heard: &Value| {
            let answers = heard["answers"].as_array().unwrap().iter();
            let answers: Vec<&str> = answers.map(|answer| answer.as_str().unwrap()).collect();
            let message = heard["message"].as_str().unwrap();
            (message.to_owned(), answers.join(" "))
        };
        self.heard().iter().map(both).collect()
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(message, answer): &(&str, &str)| ((*message).to_owned(), (*answer).to_owned());
    pairs.iter().map(owned).collect()
}
