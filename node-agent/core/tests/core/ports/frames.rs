//! What a container may send by its port.

use node_agent_core::port::{
    PortKey,
    frames::{FrameRule, Frames, link_local, rules},
};

use super::{plan::a_port, understood};

/// The rules in words, without those of ARP and of neighbour discovery.
fn packets(asked: &str) -> Vec<String> {
    let port = a_port(&understood("ecs-bridge", asked));
    let key = port.key().unwrap();
    let rules = rules(&port, key.mac()).into_iter();
    let words = rules.filter_map(|FrameRule { frames, passes }| match frames {
        Frames::Packets { from, to } => {
            let verdict = if passes { "accept" } else { "drop" };
            Some(format!("{from} to {to} {verdict}"))
        }
        Frames::Arp { .. } | Frames::Solicitations { .. } | Frames::Advertisements { .. } => None,
    });
    words.collect()
}

#[test]
fn node_and_destinations_are_reached_and_never_neighbours_or_the_metadata_service() {
    let text = r#"{"bridge":"b","ipam":{"type":"ecs-ipam","ipv4-subnet":"10.0.0.0/24","ipv4-routes":[{"dst":"169.254.170.2/32"},{"dst":"0.0.0.0/0"}],"ipv6-subnet":"fd00::/64"}}"#;
    assert_eq!(
        packets(text),
        [
            "10.0.0.2 to 10.0.0.1/32 accept",
            "10.0.0.2 to 169.254.169.254/32 drop",
            "10.0.0.2 to 10.0.0.0/24 drop",
            "10.0.0.2 to 0.0.0.0/0 accept",
            "10.0.0.2 to 169.254.170.2/32 accept",
            "fd00::2 to fd00::1/128 accept",
            "fd00::2 to fd00:ec2::254/128 drop",
            "fd00::2 to fd00::/64 drop",
        ]
    );
}

/// Cases: B05.
#[test]
fn mac_and_name_of_the_end_come_from_the_address() {
    let key = |ip: &str| PortKey(ip.parse().unwrap());
    assert_eq!(key("169.254.172.2").mac().to_string(), "0a:58:a9:fe:ac:02");
    assert_eq!(key("169.254.172.2").host_end(), "vetha9feac02");
    let (six, other) = (key("fd00::1:2"), key("fd00::1:3"));
    assert_ne!(six.mac(), other.mac());
    assert_eq!(six.host_end().len(), 12);
    assert_eq!(
        link_local(key("169.254.172.2").mac()).to_string(),
        "fe80::858:a9ff:fefe:ac02"
    );
}
