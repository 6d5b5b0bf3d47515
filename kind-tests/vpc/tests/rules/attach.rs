//! How interfaces get to instances and leave them.

use vpc::{Create, Detach, Request, world};

use crate::makers::{Does, LATER, a_launch, a_request, a_world};

#[test]
fn attachment_is_attaching_then_attached_then_detaching_then_gone() {
    let mut vpc = a_world();
    let (instance, eni) = (vpc.an_instance("m5.large"), vpc.an_available_eni());
    let attachment = vpc.attach(&eni, &instance, 0, 1).unwrap();
    let state = |vpc: &vpc::Vpc| {
        let eni = vpc.eni(&eni).unwrap();
        (
            eni.status(),
            eni.attachment().map(|a| a.state.status()),
            eni.plugged_into().is_some(),
        )
    };
    assert_eq!(state(&vpc), ("in-use", Some("attaching"), false));
    vpc.advance(1_500);
    assert_eq!(state(&vpc), ("in-use", Some("attached"), true));
    vpc.detach(&attachment).unwrap();
    assert_eq!(state(&vpc), ("in-use", Some("detaching"), false));
    assert_eq!(
        vpc.detach(&attachment).unwrap_err().code(),
        "IncorrectState"
    );
    vpc.advance(LATER);
    assert_eq!(state(&vpc), ("available", None, false));
    assert_eq!(
        vpc.detach(&attachment).unwrap_err().code(),
        "InvalidAttachmentID.NotFound"
    );
}

#[test]
fn detached_while_attaching_never_arrives() {
    let mut vpc = a_world();
    let (instance, eni) = (vpc.an_instance("m5.large"), vpc.an_available_eni());
    let attachment = vpc.attach(&eni, &instance, 0, 1).unwrap();
    let arrives = vpc.pending();
    vpc.detach(&attachment).unwrap();
    vpc.fire(&arrives[0]);
    let seen = vpc.eni(&eni).unwrap();
    assert_eq!(seen.attachment().unwrap().state.status(), "detaching");
    assert_eq!(seen.plugged_into(), None);
    vpc.advance(LATER);
    assert_eq!(vpc.eni(&eni).unwrap().status(), "available");
}

#[test]
fn pending_or_used_interface_is_not_attached() {
    let mut vpc = a_world();
    let instance = vpc.an_instance("m5.large");
    let eni = vpc.make(a_request()).unwrap().id;
    assert_eq!(
        vpc.attach(&eni, &instance, 0, 1).unwrap_err().code(),
        "IncorrectState"
    );
    vpc.advance(LATER);
    vpc.attach(&eni, &instance, 0, 1).unwrap();
    assert_eq!(
        vpc.attach(&eni, &instance, 0, 2).unwrap_err().code(),
        "InvalidNetworkInterface.InUse"
    );
    assert_eq!(
        vpc.attach(&"eni-none".into(), &instance, 0, 2)
            .unwrap_err()
            .code(),
        "InvalidNetworkInterfaceID.NotFound"
    );
    let free = vpc.an_available_eni();
    assert_eq!(
        vpc.attach(&free, &"i-none".into(), 0, 2)
            .unwrap_err()
            .code(),
        "InvalidInstanceID.NotFound"
    );
}

#[test]
fn each_card_has_its_own_limit_and_indexes() {
    let mut vpc = a_world();
    let instance = vpc.an_instance("c6in.32xlarge");
    for (card, device) in (1..7)
        .map(|device| (0, device))
        .chain((0..7).map(|device| (1, device)))
    {
        let eni = vpc.an_available_eni();
        vpc.attach(&eni, &instance, card, device).unwrap();
    }
    let eni = vpc.an_available_eni();
    for card in [0, 1] {
        assert_eq!(
            vpc.attach(&eni, &instance, card, 3).unwrap_err().code(),
            "AttachmentLimitExceeded"
        );
    }
    assert_eq!(
        vpc.attach(&eni, &instance, 2, 0).unwrap_err().code(),
        "InvalidParameterValue"
    );
}

#[test]
fn taken_index_is_told_by_number() {
    let mut vpc = a_world();
    let instance = vpc.an_instance("m5.large");
    let (first, second) = (vpc.an_available_eni(), vpc.an_available_eni());
    vpc.attach(&first, &instance, 0, 1).unwrap();
    let refused = vpc.attach(&second, &instance, 0, 1).unwrap_err();
    assert_eq!(refused.code(), "InvalidParameterValue");
    assert!(
        refused
            .to_string()
            .contains("already has an interface attached at device index '1'"),
        "{refused}"
    );
    assert!(vpc.attach(&second, &instance, 0, 2).is_ok());
}

#[test]
fn detaching_interface_still_takes_its_slot() {
    let mut vpc = a_world();
    let instance = vpc.an_instance("m5.large");
    let enis = [
        vpc.an_available_eni(),
        vpc.an_available_eni(),
        vpc.an_available_eni(),
    ];
    let attachment = vpc.attach(&enis[0], &instance, 0, 1).unwrap();
    vpc.attach(&enis[1], &instance, 0, 2).unwrap();
    vpc.detach(&attachment).unwrap();
    assert_eq!(
        vpc.attach(&enis[2], &instance, 0, 1).unwrap_err().code(),
        "AttachmentLimitExceeded"
    );
    vpc.advance(LATER);
    assert!(vpc.attach(&enis[2], &instance, 0, 1).is_ok());
}

#[test]
fn interface_stays_in_its_zone_and_network() {
    let mut vpc = a_world();
    let instance = vpc.an_instance("m5.large");
    for (subnet, code) in [
        (world::SUBNET_ZONE_B, "InvalidParameterCombination"),
        (world::SUBNET_OTHER, "InvalidParameter"),
    ] {
        let eni = vpc
            .make(Create {
                subnet: subnet.into(),
                groups: [].into(),
                ..a_request()
            })
            .unwrap()
            .id;
        vpc.advance(LATER);
        assert_eq!(vpc.attach(&eni, &instance, 0, 1).unwrap_err().code(), code);
    }
    let eni = vpc
        .make(Create {
            subnet: world::SUBNET_SMALL.into(),
            ..a_request()
        })
        .unwrap()
        .id;
    vpc.advance(LATER);
    assert!(vpc.attach(&eni, &instance, 0, 1).is_ok());
}

#[test]
fn primary_interface_is_not_detached() {
    let mut vpc = a_world();
    let view = vpc
        .launch(a_launch("m5.large", world::SUBNET_NODES), 0)
        .unwrap();
    let attachment = view.enis[0].attachment().unwrap().id.clone();
    assert_eq!(
        vpc.detach(&attachment).unwrap_err().code(),
        "OperationNotPermitted"
    );
}

#[test]
fn force_ends_an_attachment_at_once_in_whatever_state() {
    let mut vpc = a_world();
    let instance = vpc.an_instance("m5.large");
    let by_force = |vpc: &mut vpc::Vpc, attachment: &vpc::AttachmentId| {
        let detach = Detach {
            attachment: attachment.clone(),
            force: true,
        };
        vpc.call(Request::DetachNetworkInterface(detach), 0)
    };
    let eni = vpc.an_available_eni();
    let attaching = vpc.attach(&eni, &instance, 0, 1).unwrap();
    by_force(&mut vpc, &attaching).unwrap();
    assert_eq!(vpc.eni(&eni).unwrap().status(), "available");
    let attached = vpc.attach(&eni, &instance, 0, 1).unwrap();
    vpc.advance(LATER);
    vpc.detach(&attached).unwrap();
    by_force(&mut vpc, &attached).unwrap();
    assert_eq!(vpc.eni(&eni).unwrap().status(), "available");
    let primary = vpc.enis().find(|eni| eni.is_primary()).unwrap();
    let primary = primary.attachment().unwrap().id.clone();
    let refused = by_force(&mut vpc, &primary).unwrap_err();
    assert_eq!(refused.code(), "OperationNotPermitted");
}

#[test]
fn delays_may_change_for_what_is_asked_later() {
    let mut vpc = a_world();
    let instance = vpc.an_instance("m5.large");
    let (quick, slow) = (vpc.an_available_eni(), vpc.an_available_eni());
    vpc.attach(&quick, &instance, 0, 1).unwrap();
    vpc.delays.attach_ms = 600_000;
    vpc.attach(&slow, &instance, 0, 2).unwrap();
    let due: Vec<u64> = vpc.pending().iter().map(|t| t.due_ms).collect();
    assert_eq!(due, [1_500, 600_000]);
}
