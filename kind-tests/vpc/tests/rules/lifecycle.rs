//! How instances stop, start and end, and what becomes of their interfaces.

use vpc::{AttachmentId, Change, EniId, InstanceId, Query, Request, Response, Vpc};

use crate::makers::{Does, a_world};

/// A world with an instance that has one attached interface.
fn attached() -> (Vpc, InstanceId, EniId, AttachmentId) {
    let mut vpc = a_world();
    let (instance, eni) = (vpc.an_instance("m5.large"), vpc.an_available_eni());
    let attachment = vpc.attach(&eni, &instance, 0, 1).unwrap();
    vpc.advance(10_000);
    (vpc, instance, eni, attachment)
}

/// What is described of an instance: its state and the number of its interfaces.
fn shown(vpc: &mut Vpc, now_ms: u64) -> Option<(&'static str, usize)> {
    vpc.advance(now_ms);
    match vpc.call(Request::DescribeInstances(Query::default()), now_ms) {
        Ok(Response::Instances(views, _)) => views
            .first()
            .map(|view| (view.instance.state.name(), view.enis.len())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn stopped_instance_keeps_its_interfaces_and_starts_again() {
    let (mut vpc, instance, eni, _) = attached();
    vpc.stop(&instance, 10_000).unwrap();
    assert_eq!(shown(&mut vpc, 14_999), Some(("stopping", 2)));
    assert_eq!(
        vpc.start(&instance, 14_999).unwrap_err().code(),
        "IncorrectInstanceState"
    );
    assert_eq!(shown(&mut vpc, 15_000), Some(("stopped", 2)));
    assert_eq!(vpc.eni(&eni).unwrap().status(), "in-use");
    vpc.stop(&instance, 15_000).unwrap();
    vpc.start(&instance, 15_000).unwrap();
    assert_eq!(shown(&mut vpc, 19_999), Some(("pending", 2)));
    assert_eq!(shown(&mut vpc, 20_000), Some(("running", 2)));
}

#[test]
fn interface_comes_and_goes_while_its_instance_is_stopped() {
    let (mut vpc, instance, _, attachment) = attached();
    let other = vpc.an_available_eni();
    vpc.stop(&instance, 0).unwrap();
    assert_eq!(
        vpc.attach(&other, &instance, 0, 2).unwrap_err().code(),
        "IncorrectInstanceState"
    );
    vpc.advance(5_000);
    vpc.attach(&other, &instance, 0, 2).unwrap();
    vpc.detach(&attachment).unwrap();
}

#[test]
fn ending_instance_has_its_interfaces_until_it_is_terminated_and_fades() {
    let (mut vpc, instance, kept, _) = attached();
    let marked = vpc.an_available_eni();
    let attachment = vpc.attach(&marked, &instance, 0, 2).unwrap();
    let change = Change::DeleteOnTermination {
        attachment,
        value: true,
    };
    let modify = Request::ModifyNetworkInterfaceAttribute(marked.clone(), change);
    vpc.call(modify, 0).unwrap();
    vpc.terminate(&instance, 10_000).unwrap();
    assert_eq!(shown(&mut vpc, 14_999), Some(("shutting-down", 3)));
    vpc.terminate(&instance, 14_999).unwrap();
    assert_eq!(shown(&mut vpc, 15_000), Some(("terminated", 0)));
    let left: Vec<_> = vpc.enis().map(|eni| (&eni.id, eni.status())).collect();
    assert_eq!(left, [(&kept, "available")]);
    assert_eq!(
        vpc.attach(&kept, &instance, 0, 1).unwrap_err().code(),
        "IncorrectInstanceState"
    );
    assert_eq!(shown(&mut vpc, 3_614_999), Some(("terminated", 0)));
    assert_eq!(shown(&mut vpc, 3_615_000), None);
    assert_eq!(
        vpc.attach(&kept, &instance, 0, 1).unwrap_err().code(),
        "InvalidInstanceID.NotFound"
    );
}

#[test]
fn stale_reads_show_what_an_instance_was() {
    let (mut vpc, instance, ..) = attached();
    vpc.settings.stale_ms = 3_000;
    vpc.terminate(&instance, 10_000).unwrap();
    assert_eq!(shown(&mut vpc, 12_999), Some(("running", 2)));
    assert_eq!(shown(&mut vpc, 13_000), Some(("shutting-down", 2)));
    assert_eq!(shown(&mut vpc, 18_000), Some(("terminated", 0)));
}

#[test]
fn only_a_running_instance_is_rebooted_and_nothing_of_it_changes() {
    let (mut vpc, instance, ..) = attached();
    let before = vpc.clone();
    vpc.check_reboot(&instance).unwrap();
    assert_eq!(vpc, before);
    vpc.stop(&instance, 10_000).unwrap();
    for now_ms in [10_000, 15_000] {
        vpc.advance(now_ms);
        let refused = vpc.check_reboot(&instance).unwrap_err();
        assert_eq!(refused.code(), "IncorrectInstanceState");
    }
}
