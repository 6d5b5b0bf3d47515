//! What a test may set: denied actions, another region, a quota.

use vpc::{Action, Attach, Create, Ec2Error, Query, Request, Response, world};

use crate::makers::{Does, a_launch, a_request, a_world};

#[test]
fn denied_action_is_refused_with_another_encoded_part_each_time() {
    let mut vpc = a_world();
    vpc.settings.denied = [Action::CreateNetworkInterface].into();
    let refusals = [vpc.make(a_request()), vpc.make(a_request())];
    let [first, second] = refusals.map(|refused| refused.unwrap_err());
    assert_eq!(
        (first.status(), first.code()),
        (403, "UnauthorizedOperation")
    );
    let (first, second) = (first.to_string(), second.to_string());
    let (said, encoded) = first.split_at(first.len() - 640);
    assert_eq!(
        said,
        "You are not authorized to perform this operation. \
         User: arn:aws:sts::000000000000:assumed-role/eniclaim/session is not authorized to perform: \
         ec2:CreateNetworkInterface on resource: arn:aws:ec2:us-east-1:000000000000:network-interface/* \
         because no identity-based policy allows the ec2:CreateNetworkInterface action. \
         Encoded authorization failure message: "
    );
    assert!(second.starts_with(said));
    assert!(!second.ends_with(encoded));
    assert_eq!(vpc.enis().count(), 0);
    vpc.settings.denied.clear();
    assert!(vpc.make(a_request()).is_ok());
}

#[test]
fn refusal_names_the_interface_and_for_a_read_none() {
    let mut vpc = a_world();
    let eni = vpc.an_available_eni();
    vpc.settings.denied = Action::ALL.iter().copied().collect();
    let delete = vpc.delete(&eni).unwrap_err().to_string();
    assert!(
        delete.contains(&format!(":network-interface/{eni} because")),
        "{delete}"
    );
    let read = Request::DescribeInstances(Query::default());
    let read = vpc.call(read, 0).unwrap_err().to_string();
    assert!(read.contains("ec2:DescribeInstances because"), "{read}");
}

#[test]
fn authorization_comes_before_the_token() {
    let mut vpc = a_world();
    let request = Create {
        client_token: Some("t".to_owned()),
        ..a_request()
    };
    vpc.make(request.clone()).unwrap();
    vpc.settings.denied = [Action::CreateNetworkInterface].into();
    assert_eq!(
        vpc.make(request).unwrap_err().code(),
        "UnauthorizedOperation"
    );
}

#[test]
fn another_region_knows_nothing_and_forgets_nothing() {
    let mut vpc = a_world();
    let (instance, eni) = (vpc.an_instance("m5.large"), vpc.an_available_eni());
    let attachment = vpc.attach(&eni, &instance, 0, 1).unwrap();
    let before = vpc.clone();
    vpc.settings.other_region = true;
    let ids = |id: &str| Query {
        ids: vec![id.to_owned()],
        ..Query::default()
    };
    let attach = Attach {
        eni: eni.clone(),
        instance: instance.clone(),
        card: 0,
        device: 1,
    };
    for (request, code) in [
        (
            Request::CreateNetworkInterface(a_request()),
            "InvalidSubnetID.NotFound",
        ),
        (
            Request::AttachNetworkInterface(attach),
            "InvalidNetworkInterfaceID.NotFound",
        ),
        (
            Request::DetachNetworkInterface(attachment.into()),
            "InvalidAttachmentID.NotFound",
        ),
        (
            Request::DeleteNetworkInterface(eni.clone()),
            "InvalidNetworkInterfaceID.NotFound",
        ),
        (
            Request::DescribeNetworkInterfaces(ids(eni.as_str())),
            "InvalidNetworkInterfaceID.NotFound",
        ),
        (
            Request::DescribeInstances(ids(instance.as_str())),
            "InvalidInstanceID.NotFound",
        ),
        (
            Request::DescribeSubnets(ids(world::SUBNET_NODES)),
            "InvalidSubnetID.NotFound",
        ),
    ] {
        assert_eq!(vpc.call(request, 0).unwrap_err().code(), code);
    }
    let all = Request::DescribeNetworkInterfaces(Query::default());
    assert_eq!(vpc.call(all, 0), Ok(Response::Enis(vec![], None)));
    vpc.settings.other_region = false;
    assert_eq!(vpc, before);
}

#[test]
fn quota_counts_primary_interfaces_too() {
    let mut vpc = a_world();
    vpc.settings.eni_limit = Some(2);
    vpc.an_instance("m5.large");
    let eni = vpc.make(a_request()).unwrap().id;
    let refused = vpc.make(a_request()).unwrap_err();
    assert_eq!(refused.code(), "NetworkInterfaceLimitExceeded");
    let launch = a_launch("m5.large", world::SUBNET_NODES);
    assert_eq!(vpc.launch(launch, 0).unwrap_err(), Ec2Error::EniLimit);
    vpc.delete(&eni).unwrap();
    assert!(vpc.make(a_request()).is_ok());
}
