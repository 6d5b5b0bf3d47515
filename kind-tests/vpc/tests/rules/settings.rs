//! What a test may set: who may do what, another region, quotas.

use vpc::{
    Action, Attach, Create, Ec2Error, EniId, Query, Request, Response, Settings, Tags, world,
};

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
fn action_may_need_a_tag_and_another_may_forbid_it() {
    let mut vpc = a_world();
    let tags = |value: &str| Tags::from([("owner".to_owned(), value.to_owned())]);
    let (ours, theirs) = (vpc.an_available_eni(), {
        let mut request = a_request();
        request.tags = tags("another");
        vpc.make(request).unwrap().id
    });
    vpc.settings.required_tags = [(Action::DeleteNetworkInterface, tags("test"))].into();
    let refused = vpc.delete(&theirs).unwrap_err().to_string();
    assert!(
        refused.contains(&format!(
            "is not authorized to perform: ec2:DeleteNetworkInterface on resource: \
             arn:aws:ec2:us-east-1:000000000000:network-interface/{theirs} \
             because no identity-based policy allows the ec2:DeleteNetworkInterface action. Encoded"
        )),
        "{refused}"
    );
    let none = EniId::from("eni-0123456789abcdef0");
    assert_eq!(
        vpc.delete(&none).unwrap_err().code(),
        "UnauthorizedOperation"
    );
    vpc.settings.required_tags.clear();
    vpc.settings.denied_tags = [(Action::DeleteNetworkInterface, tags("test"))].into();
    let refused = vpc.delete(&ours).unwrap_err().to_string();
    assert!(
        refused.contains(&format!(
            "network-interface/{ours} with an explicit deny in an identity-based policy. Encoded"
        )),
        "{refused}"
    );
    assert!(vpc.delete(&theirs).is_ok());
    vpc.settings.denied_tags.clear();
    assert!(vpc.delete(&ours).is_ok());
}

#[test]
fn interface_is_made_only_with_the_tags_that_a_policy_asks_for() {
    let mut vpc = a_world();
    let mine = Tags::from([("owner".to_owned(), "test".to_owned())]);
    vpc.settings.required_tags = [(Action::CreateNetworkInterface, mine)].into();
    let without = Create {
        tags: Tags::new(),
        ..a_request()
    };
    assert_eq!(
        vpc.make(without.clone()).unwrap_err().code(),
        "UnauthorizedOperation"
    );
    assert!(vpc.make(a_request()).is_ok());
    // Tags at creation need the right to tag.
    vpc.settings.required_tags.clear();
    vpc.settings.denied = [Action::CreateTags].into();
    let refused = vpc.make(a_request()).unwrap_err().to_string();
    assert!(
        refused
            .contains("ec2:CreateTags on resource: arn:aws:ec2:us-east-1:000000000000:network-interface/* because"),
        "{refused}"
    );
    assert!(vpc.make(without).is_ok());
}

#[test]
fn limits_may_be_below_the_documented_ones() {
    let mut vpc = a_world();
    let instance = vpc.an_instance("m5.large");
    let (first, second) = (vpc.an_available_eni(), vpc.an_available_eni());
    vpc.settings.attachment_limit = Some(2);
    vpc.attach(&first, &instance, 0, 1).unwrap();
    let refused = vpc.attach(&second, &instance, 0, 2).unwrap_err();
    assert_eq!(refused.code(), "AttachmentLimitExceeded");
    assert_eq!(
        refused.to_string(),
        "Interface count 3 exceeds the limit for m5.large"
    );
    vpc.settings.group_limit = Some(1);
    let two = [world::GROUP_APP, world::GROUP_PEER].map(Into::into).into();
    let request = Create {
        groups: two,
        ..a_request()
    };
    let refused = vpc.make(request.clone()).unwrap_err().to_string();
    assert!(refused.contains("exceeded limit 1 on"), "{refused}");
    vpc.settings = Settings::default();
    assert!(vpc.attach(&second, &instance, 0, 2).is_ok());
    assert!(vpc.make(request).is_ok());
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
