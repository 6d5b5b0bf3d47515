//! What DHCP answers, of both versions, and what it does not answer.

#[path = "dhcp/v4.rs"]
mod v4;
#[path = "dhcp/v6.rs"]
mod v6;

use vpc::{Counts, Create, DhcpSettings, Eni, EniId, Vpc, dhcp::Message};

use crate::makers::{Does, LATER, a_request};

/// An interface of these counts in this subnet, attached.
fn an_attached_eni(vpc: &mut Vpc, subnet: &str, counts: Counts) -> Eni {
    let request = Create {
        subnet: subnet.into(),
        counts,
        groups: [].into(),
        ..a_request()
    };
    let id = vpc.make(request).unwrap().id;
    vpc.advance(LATER);
    let launch = crate::makers::a_launch("m5.large", subnet);
    let instance = vpc.launch(launch, 0).unwrap().instance.id;
    vpc.attach(&id, &instance, 0, 1).unwrap();
    vpc.advance(LATER);
    vpc.eni(&id).unwrap().clone()
}

#[test]
fn settings_are_read_with_what_aws_begins_with_and_unknown_ones_are_refused() {
    let settings: DhcpSettings =
        serde_json::from_str(r#"{"leaseSeconds": 6, "addresses": {"eni-0a": "10.0.1.99"}}"#)
            .unwrap();
    let wanted = DhcpSettings {
        lease_seconds: 6,
        addresses: [(EniId::from("eni-0a"), [10, 0, 1, 99].into())].into(),
        ..DhcpSettings::default()
    };
    assert_eq!(settings, wanted);
    let refused = serde_json::from_str::<DhcpSettings>(r#"{"leaseTime": 6}"#).unwrap_err();
    let sentence = refused.to_string();
    assert!(sentence.contains("unknown field `leaseTime`"), "{sentence}");
}

#[test]
fn every_message_has_a_name_of_its_own() {
    for name in ["DHCPREQUEST", "REQUEST", "INFORMATION-REQUEST"] {
        assert_eq!(Message::named(name).unwrap().name(), name);
    }
    let refused = serde_json::from_str::<Message>(r#""DHCPOFFER""#).unwrap_err();
    assert!(refused.to_string().contains("no DHCP client sends"));
}
