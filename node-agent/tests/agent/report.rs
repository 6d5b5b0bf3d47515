//! What a report writes into a claim's status.

use crds::{EniClaim, claim::DeviceState, condition::ConditionStatus, id::PodUid};
use node_agent::report::{Notice, is_outdated};
use node_agent_core::{
    claim::{Dhcp, Metadata, Place, Report},
    custody::Custody,
    dhcp::{Leases, Standing},
    layout::Features,
};

use crate::running::{a_claim, after};

pub fn a_notice(claim: EniClaim, place: Place, now: &str) -> Notice {
    Notice {
        claim,
        report: Report {
            node_access: Vec::new(),
            attachment: "eni-attach-0123456789abcdef0".into(),
            place,
            leases: Leases::default(),
        },
        now: now.parse().unwrap(),
        seen: "2026-01-01T00:00:01Z".parse().unwrap(),
        if_name: None,
        custody: Custody::Ours,
        metadata: Metadata::Blocked,
        dhcp: Dhcp::OFF,
        features: Features {
            egress_hook: true,
            ipv6: true,
        },
        without_ipv6: false,
    }
}

pub fn plugged() -> Place {
    Place::Plugged {
        pod_uid: "u-1".into(),
        container_id: "c1".into(),
    }
}

#[test]
fn plugged_device_is_described_whole() {
    let notice = a_notice(a_claim(), plugged(), "2026-01-01T00:00:05Z");
    assert_eq!(notice.patch().unwrap()["metadata"]["uid"], "c-1");
    let status = after(&a_claim(), &notice).status.unwrap();
    let device = status.device.unwrap();
    assert_eq!(device.state, DeviceState::Plugged);
    assert_eq!(
        (
            device.pod_uid.as_ref().map(PodUid::as_str),
            device.container_id.as_deref(),
            device.if_name.as_deref()
        ),
        (Some("u-1"), Some("c1"), Some("eni0"))
    );
    assert!(status.timeline.seen.is_some() && status.timeline.plugged.is_some());
    let held: Vec<_> = status
        .conditions
        .iter()
        .filter(|c| c.status == ConditionStatus::True)
        .map(|c| c.kind.as_str())
        .collect();
    assert_eq!(held, ["Plugged", "MetadataBlocked"]);
}

#[test]
fn times_of_first_stages_stay_and_others_move() {
    let claim = after(
        &a_claim(),
        &a_notice(a_claim(), plugged(), "2026-01-01T00:00:05Z"),
    );
    let again = after(
        &claim,
        &a_notice(claim.clone(), plugged(), "2026-01-01T00:00:09Z"),
    );
    let (first, second) = (claim.status.unwrap(), again.status.unwrap());
    assert_eq!(first.timeline, second.timeline);
    assert_eq!(first.conditions, second.conditions);
    assert_ne!(first.device.unwrap().since, second.device.unwrap().since);
}

#[test]
fn lease_that_is_reported_moves_no_device() {
    let claim = after(
        &a_claim(),
        &a_notice(a_claim(), plugged(), "2026-01-01T00:00:05Z"),
    );
    let mut leased = a_notice(claim.clone(), plugged(), "2026-01-01T00:00:09Z");
    leased.report.leases.ipv4 = Some(Standing::NoAnswer);
    let again = after(&claim, &leased).status.unwrap();
    assert_eq!(again.leases.len(), 1);
    assert_eq!(again.device, claim.status.unwrap().device);
}

#[test]
fn device_at_home_has_no_pod_and_says_nothing_of_metadata() {
    let claim = after(
        &a_claim(),
        &a_notice(a_claim(), plugged(), "2026-01-01T00:00:05Z"),
    );
    let status = after(
        &claim,
        &a_notice(claim.clone(), Place::Home, "2026-01-01T00:01:00Z"),
    )
    .status
    .unwrap();
    let device = status.device.unwrap();
    assert_eq!(
        (device.state, device.pod_uid, device.if_name),
        (DeviceState::Home, None, None)
    );
    assert!(status.timeline.plugged.is_some(), "it was plugged once");
    assert_eq!(status.conditions.len(), 1);
    assert_eq!(status.conditions[0].status, ConditionStatus::False);
}

#[test]
fn kernel_without_the_hook_and_class_that_allows_are_told_apart() {
    let condition = |metadata, egress_hook| {
        let mut notice = a_notice(a_claim(), plugged(), "2026-01-01T00:00:05Z");
        (notice.metadata, notice.features.egress_hook) = (metadata, egress_hook);
        notice.patch().unwrap()["status"]["conditions"][1]["reason"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(condition(Metadata::Blocked, true), "Blocked");
    assert_eq!(condition(Metadata::Blocked, false), "NoEgressHook");
    assert_eq!(condition(Metadata::Allowed, true), "Allowed");
}

/// Cases: I05.
#[test]
fn pod_that_can_undo_the_block_is_named_once_its_claim_says_so() {
    let condition = |claim: &EniClaim| {
        let status = claim.status.clone().unwrap();
        status.conditions.into_iter().nth(1).unwrap()
    };
    let blocked = after(
        &a_claim(),
        &a_notice(a_claim(), plugged(), "2026-01-01T00:00:05Z"),
    );
    assert!(!is_outdated(&blocked));
    let mut document = serde_json::to_value(&blocked).unwrap();
    document["status"]["binding"]["netAdmin"] = "debugger".into();
    let debugged: EniClaim = serde_json::from_value(document).unwrap();
    assert!(is_outdated(&debugged));
    let notice = a_notice(debugged.clone(), plugged(), "2026-01-01T00:01:00Z");
    let said = after(&debugged, &notice);
    assert!(!is_outdated(&said));
    let said = condition(&said);
    assert_eq!(
        (said.status, said.reason.as_str()),
        (ConditionStatus::False, "NetAdmin")
    );
    assert!(
        said.message.contains("container debugger"),
        "{}",
        said.message
    );
    let allowed = Notice {
        metadata: Metadata::Allowed,
        ..notice
    };
    let allowed = after(&debugged, &allowed);
    assert_eq!(condition(&allowed).reason, "Allowed");
    assert!(!is_outdated(&allowed));
}

/// Cases: I02, I03.
#[test]
fn a_pod_without_ipv6_is_told_so_until_it_gets_another_sandbox() {
    let plugged_as = |claim: &EniClaim, without_ipv6, container: &str| {
        let place = Place::Plugged {
            pod_uid: "u-1".into(),
            container_id: container.into(),
        };
        let mut notice = a_notice(claim.clone(), place, "2026-01-01T00:00:05Z");
        notice.without_ipv6 = without_ipv6;
        notice.features.ipv6 = false;
        after(claim, &notice)
    };
    let said = |claim: &EniClaim| {
        let status = claim.status.clone().unwrap();
        status.conditions.into_iter().next().unwrap()
    };
    let without = plugged_as(&a_claim(), true, "c1");
    let condition = said(&without);
    assert_eq!(
        (condition.status, condition.reason.as_str()),
        (ConditionStatus::True, "WithoutIpv6")
    );
    assert!(
        condition
            .message
            .contains("the kernel of the node has no IPv6")
    );
    // The agent that says it again has been started since.
    assert_eq!(said(&plugged_as(&without, false, "c1")), condition);
    assert_eq!(said(&plugged_as(&without, false, "c2")).reason, "Plugged");
}

#[test]
fn our_part_holds_no_field_of_the_operator() {
    let notice = a_notice(a_claim(), plugged(), "2026-01-01T00:00:05Z");
    let patch = notice.patch().unwrap();
    let fields: Vec<_> = patch["status"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["conditions", "device", "timeline"]);
    assert_eq!(
        patch["status"]["timeline"],
        serde_json::json!({ "seen": "2026-01-01T00:00:01Z", "plugged": "2026-01-01T00:00:05Z" })
    );
}
