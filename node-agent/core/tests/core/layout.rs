//! The wanted picture.

use node_agent_core::{
    claim::Metadata,
    layout::{Features, TABLE, layout},
    picture::{Action, Family, Network, Selector, Way},
};

use crate::makers::an_interface;

const FULL: Features = Features {
    egress_hook: true,
    ipv6: true,
};

#[test]
fn addresses_are_hosts_and_only_the_own_table_has_routes() {
    let picture = layout(&an_interface(), FULL);
    let addresses: Vec<_> = picture.addresses.iter().map(Network::to_string).collect();
    assert_eq!(addresses, ["10.0.1.50/32"]);
    assert!(picture.routes.iter().all(|r| r.table == TABLE));
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
                    source
                }
            ),
            ("0.0.0.0/0".into(), Way::Unreachable),
            ("10.0.1.0/24".into(), Way::OnLink { source }),
        ]
    );
}

#[test]
fn metadata_is_refused_in_both_families_even_without_an_ipv6_address() {
    let refused = |features| {
        let picture = layout(&an_interface(), features);
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
    let picture = layout(&interface, FULL);
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
        assert_eq!(
            Network::containing(ip.parse().unwrap(), prefix).to_string(),
            network
        );
    }
}
