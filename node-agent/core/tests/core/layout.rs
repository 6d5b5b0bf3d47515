//! The wanted picture.

use node_agent_core::{
    claim::{Address, Metadata, Mtu},
    layout::{Features, Limits, layout},
    picture::{Action, Family, PodSlot, Selector, Sysctl, Way},
};

use crate::makers::{ENA, FULL, an_interface};

const FIRST: PodSlot = PodSlot(0);

#[test]
fn addresses_are_hosts_and_only_the_own_table_has_routes() {
    let picture = layout(&an_interface(), FIRST, FULL, ENA);
    let addresses: Vec<_> = picture.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.0.1.50/32"]);
    assert!(picture.routes.iter().all(|r| r.table == 23_600));
    let ways: Vec<_> = picture
        .routes
        .iter()
        .map(|r| (r.to.to_string(), r.way))
        .collect();
    let source = "10.0.1.50".parse().unwrap();
    assert_eq!(
        ways,
        [
            (
                "0.0.0.0/0".into(),
                Way::Gateway {
                    via: "10.0.1.1".parse().unwrap(),
                    source: Some(source)
                }
            ),
            ("0.0.0.0/0".into(), Way::Unreachable),
            ("10.0.1.0/24".into(), Way::OnLink { source }),
        ]
    );
}

/// Cases: I02.
#[test]
fn metadata_is_refused_in_both_families_even_without_an_ipv6_address() {
    let refused = |features| {
        let picture = layout(&an_interface(), FIRST, features, ENA);
        let refused: Vec<_> = picture
            .rules
            .iter()
            .filter(|r| r.action == Action::Blackhole)
            .map(|r| match &r.selector {
                Selector::To(to) => (r.family, to.to_string()),
                other => panic!("{other:?}"),
            })
            .collect();
        (refused, picture.egress_drop)
    };
    let v4 = (Family::V4, "169.254.169.254/32".to_owned());
    let v6 = (Family::V6, "fd00:ec2::254/128".to_owned());
    assert_eq!(refused(FULL), (vec![v4.clone(), v6], true));
    assert_eq!(
        refused(Features {
            egress_hook: false,
            ipv6: false
        }),
        (vec![v4], false)
    );
}

#[test]
fn allowed_metadata_leaves_no_rule_and_no_filter() {
    let mut interface = an_interface();
    interface.metadata = Metadata::Allowed;
    let picture = layout(&interface, FIRST, FULL, ENA);
    assert!(picture.rules.iter().all(|r| r.action != Action::Blackhole));
    assert!(!picture.egress_drop);
}

#[test]
fn subnets_are_masked_at_any_length() {
    for (ip, prefix, network) in [
        ("10.0.1.50", 0, "0.0.0.0/0"),
        ("10.0.1.50", 20, "10.0.0.0/20"),
        ("10.0.1.50", 32, "10.0.1.50/32"),
        ("2001:db8::50", 0, "::/0"),
        ("2001:db8:1:2::50", 64, "2001:db8:1:2::/64"),
        ("2001:db8::50", 128, "2001:db8::50/128"),
    ] {
        let mut interface = an_interface();
        interface.addresses = vec![Address {
            ip: ip.parse().unwrap(),
            prefix,
            gateway: Some(ip.parse().unwrap()),
        }];
        let picture = layout(&interface, FIRST, FULL, ENA);
        let mut links = picture
            .routes
            .iter()
            .filter(|r| matches!(r.way, Way::OnLink { .. }));
        assert_eq!(links.next().unwrap().to.to_string(), network);
    }
}

#[test]
fn every_slot_has_a_table_and_a_priority_of_its_own() {
    let picture = layout(&an_interface(), PodSlot(3), FULL, ENA);
    assert!(picture.routes.iter().all(|r| r.table == 23_603));
    let own: Vec<_> = picture.rules.iter().filter(|r| !r.is_shared()).collect();
    assert_eq!(own.len(), 2);
    for rule in own {
        assert_eq!((rule.priority, rule.action), (515, Action::Table(23_603)));
        assert!(rule.is_of(PodSlot(3)) && !rule.is_of(PodSlot(0)));
    }
    assert!(
        PodSlot(u8::MAX).priority() < 1024,
        "rules of the AWS VPC CNI"
    );
}

#[test]
fn mtu_is_that_of_the_interface_or_the_vpcs_as_far_as_the_device_can() {
    let mtu = |wanted, least_mtu, most_mtu| {
        let mut interface = an_interface();
        interface.mtu = wanted;
        let limits = Limits {
            least_mtu,
            most_mtu,
            mtu: 1500,
            ipv6: true,
        };
        layout(&interface, FIRST, FULL, limits).link.unwrap().mtu
    };
    assert_eq!(mtu(Mtu::Usual, 128, 9216), 9001);
    assert_eq!(mtu(Mtu::Usual, 68, 1500), 1500);
    assert_eq!(mtu(Mtu::Bytes(1300), 128, 9216), 1300);
    assert_eq!(
        mtu(Mtu::Bytes(9500), 128, 9216),
        9500,
        "the kernel refuses it with its own sentence"
    );
    assert_eq!(mtu(Mtu::AsFound, 128, 9216), 1500);
}

/// Cases: I03.
#[test]
fn without_ipv6_in_the_pod_its_addresses_are_left_out_and_its_refusals_stay() {
    let mut interface = an_interface();
    interface.addresses.push(Address {
        ip: "2001:db8::50".parse().unwrap(),
        prefix: 64,
        gateway: Some("fe80:ec2::1".parse().unwrap()),
    });
    let dual = layout(&interface, FIRST, FULL, ENA);
    assert_eq!(dual.addresses.len(), 2);
    assert!(dual.sysctls.contains_key(&Sysctl::ACCEPT_RA));
    let disabled = Limits { ipv6: false, ..ENA };
    let mut narrow = interface.clone();
    narrow.mtu = Mtu::Bytes(1279);
    for picture in [
        layout(&interface, FIRST, FULL, disabled),
        layout(&narrow, FIRST, FULL, ENA),
    ] {
        assert!(picture.addresses.iter().all(|a| a.addr().is_ipv4()));
        assert!(picture.routes.iter().all(|r| r.to.addr().is_ipv4()));
        assert!(picture.sysctls.keys().all(|sysctl| !sysctl.is_ipv6()));
        let refused = |rule: &&node_agent_core::picture::Rule| rule.is_shared();
        assert_eq!(picture.rules.iter().filter(refused).count(), 2);
    }
}

/// H09.
#[test]
fn each_prefix_has_a_rule_and_ends_nowhere_in_the_own_table() {
    let mut interface = an_interface();
    interface.prefixes = ["10.0.1.16/28", "2001:db8:0:0:1::/80"]
        .map(|prefix| prefix.parse().unwrap())
        .into();
    let picture = layout(&interface, FIRST, FULL, ENA);
    for prefix in &interface.prefixes {
        let from = Selector::From(*prefix);
        assert!(picture.rules.iter().any(|rule| rule.selector == from));
        let mut ways = picture.routes.iter().filter(|route| route.to == *prefix);
        assert_eq!(ways.next().unwrap().way, Way::Unreachable);
        assert!(ways.next().is_none());
        let network = prefix.addr();
        assert!(picture.addresses.iter().all(|a| a.addr() != network));
    }
    assert!(picture.routes.iter().all(|route| route.table == 23_600));
    // No address of the family could be the source.
    let by_router = Way::Gateway {
        via: "fe80:ec2::1".parse().unwrap(),
        source: None,
    };
    let default = Family::V6.everything();
    assert!(
        picture
            .routes
            .iter()
            .any(|route| route.to == default && route.way == by_router)
    );
    let none = Limits { ipv6: false, ..ENA };
    let picture = layout(&interface, FIRST, FULL, none);
    assert!(picture.routes.iter().all(|r| r.to.addr().is_ipv4()));
}
