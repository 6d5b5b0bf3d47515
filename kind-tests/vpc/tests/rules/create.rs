//! How interfaces come and go.

use std::collections::BTreeSet;

use vpc::{Change, ConnectionTracking, Create, Ec2Error, EniState, GroupId, Request, world};

use crate::makers::{Does, LATER, a_request, a_world};

#[test]
fn new_interface_is_pending_until_its_delay_is_over() {
    let mut vpc = a_world();
    let eni = vpc.make(a_request()).unwrap();
    assert_eq!(eni.state, EniState::Pending { due_ms: 1_000 });
    vpc.advance(999);
    assert_eq!(vpc.eni(&eni.id).unwrap().status(), "pending");
    vpc.advance(1_000);
    assert_eq!(vpc.eni(&eni.id).unwrap().status(), "available");
}

#[test]
fn same_token_and_parameters_make_one_interface() {
    let mut vpc = a_world();
    let request = Create {
        client_token: Some("t".to_owned()),
        ..a_request()
    };
    let first = vpc.make(request.clone()).unwrap();
    assert_eq!(vpc.make(request.clone()).unwrap(), first);
    assert_eq!(vpc.enis().count(), 1);
    let other = Create {
        description: "other".to_owned(),
        ..request
    };
    assert_eq!(
        vpc.make(other).unwrap_err().code(),
        "IdempotentParameterMismatch"
    );
}

#[test]
fn refused_token_may_be_used_again() {
    let mut vpc = a_world();
    let request = Create {
        client_token: Some("t".to_owned()),
        subnet: "subnet-none".into(),
        ..a_request()
    };
    assert_eq!(
        vpc.make(request.clone()).unwrap_err().code(),
        "InvalidSubnetID.NotFound"
    );
    assert!(
        vpc.make(Create {
            subnet: world::SUBNET_NODES.into(),
            ..request
        })
        .is_ok()
    );
}

#[test]
fn small_subnet_has_eleven_addresses_and_gets_them_back() {
    let mut vpc = a_world();
    let request = Create {
        subnet: world::SUBNET_SMALL.into(),
        ..a_request()
    };
    let enis: Vec<_> = (0..11)
        .map(|_| vpc.make(request.clone()).unwrap())
        .collect();
    let range = [enis[0].address, enis[10].address].map(|address| address.unwrap().to_string());
    assert_eq!(range, ["10.0.2.4", "10.0.2.14"]);
    assert_eq!(
        vpc.make(request.clone()).unwrap_err().code(),
        "InsufficientFreeAddressesInSubnet"
    );
    vpc.delete(&enis[3].id).unwrap();
    assert_eq!(vpc.make(request).unwrap().address, enis[3].address);
}

#[test]
fn wanted_address_must_be_free_and_one_that_ec2_hands_out() {
    let mut vpc = a_world();
    let mut ask = |address: &str| {
        let address = Some(address.parse().unwrap());
        vpc.make(Create {
            address,
            ..a_request()
        })
        .map_err(|error| error.code())
    };
    assert!(ask("10.0.1.77").is_ok());
    assert_eq!(ask("10.0.1.77").unwrap_err(), "InvalidIPAddress.InUse");
    for outside in ["10.0.1.3", "10.0.1.255", "10.0.2.5"] {
        assert_eq!(
            ask(outside).unwrap_err(),
            "InvalidParameterValue",
            "{outside}"
        );
    }
}

#[test]
fn groups_must_exist_lie_in_the_same_network_and_be_few() {
    let mut vpc = a_world();
    let mut ask = |groups: &[&str]| {
        let groups = groups.iter().map(|id| (*id).into()).collect();
        vpc.make(Create {
            groups,
            ..a_request()
        })
        .map(|eni| eni.groups)
        .map_err(|error| error.code())
    };
    assert_eq!(
        ask(&["sg-none"]).unwrap_err(),
        "InvalidSecurityGroupID.NotFound"
    );
    assert_eq!(
        ask(&[world::GROUP_OTHER_DEFAULT]).unwrap_err(),
        "InvalidGroup.NotFound"
    );
    assert_eq!(
        ask(&["1", "2", "3", "4", "5", "6"]).unwrap_err(),
        "InvalidParameterValue"
    );
    assert_eq!(ask(&[]).unwrap(), [world::GROUP_DEFAULT.into()].into());
}

#[test]
fn interface_in_use_is_not_deleted() {
    let mut vpc = a_world();
    let (instance, eni) = (vpc.an_instance("m5.large"), vpc.an_available_eni());
    let attachment = vpc.attach(&eni, &instance, 0, 1).unwrap();
    assert_eq!(
        vpc.delete(&eni).unwrap_err(),
        Ec2Error::EniStillInUse(eni.clone())
    );
    vpc.detach(&attachment).unwrap();
    assert_eq!(
        vpc.delete(&eni).unwrap_err().code(),
        "InvalidParameterValue"
    );
    vpc.advance(LATER);
    vpc.delete(&eni).unwrap();
    assert_eq!(
        vpc.delete(&eni).unwrap_err().code(),
        "InvalidNetworkInterfaceID.NotFound"
    );
}

#[test]
fn tags_are_added_to_all_named_interfaces_or_to_none() {
    let mut vpc = a_world();
    let eni = vpc.an_available_eni();
    let mut tag = |resources: &[&str]| {
        let resources = resources.iter().map(|id| (*id).to_owned()).collect();
        vpc.call(
            Request::CreateTags {
                resources,
                tags: [("k".to_owned(), "v".to_owned())].into(),
            },
            0,
        )
    };
    for (other, code) in [
        ("eni-none", "InvalidNetworkInterfaceID.NotFound"),
        ("107.20.243.249", "InvalidID"),
        ("subnet-none", "InvalidSubnetID.NotFound"),
        ("vol-0a", "NotModelled"),
        ("eni-attach-0a", "NotModelled"),
    ] {
        let refused = tag(&[eni.as_str(), other]).unwrap_err();
        assert_eq!(refused.code(), code, "{other}");
    }
    assert!(tag(&[eni.as_str()]).is_ok());
    assert_eq!(vpc.eni(&eni).unwrap().tags.len(), 2);
}

#[test]
fn attributes_change_one_by_one() {
    let mut vpc = a_world();
    let eni = vpc.an_available_eni();
    let mut modify = |change| {
        vpc.call(
            Request::ModifyNetworkInterfaceAttribute(eni.clone(), change),
            0,
        )
    };
    modify(Change::SourceDestCheck(false)).unwrap();
    modify(Change::Groups([world::GROUP_PEER.into()].into())).unwrap();
    modify(Change::Description("text".to_owned())).unwrap();
    let refused = modify(Change::DeleteOnTermination {
        attachment: "eni-attach-none".into(),
        value: true,
    });
    assert_eq!(refused.unwrap_err().code(), "InvalidAttachmentID.NotFound");
    let eni = vpc.eni(&eni).unwrap();
    assert!(!eni.source_dest_check);
    assert_eq!((eni.description.as_str(), eni.groups.len()), ("text", 1));
}

#[test]
fn tracked_connections_have_time_outs_within_bounds() {
    let seconds = |tcp: u32, stream: u32, udp: u32| ConnectionTracking {
        tcp_established: Some(tcp),
        udp_stream: Some(stream),
        udp: Some(udp),
    };
    let mut vpc = a_world();
    let mut make = |connection_tracking| {
        vpc.make(Create {
            connection_tracking,
            ..a_request()
        })
    };
    for good in [seconds(60, 60, 30), seconds(432_000, 180, 60)] {
        assert_eq!(make(good).unwrap().connection_tracking, good);
    }
    for bad in [
        seconds(59, 60, 30),
        seconds(432_001, 60, 30),
        seconds(60, 59, 30),
        seconds(60, 181, 30),
        seconds(60, 60, 29),
        seconds(60, 60, 61),
    ] {
        assert_eq!(make(bad).unwrap_err().code(), "InvalidParameterValue");
    }
    let eni = make(seconds(60, 60, 30)).unwrap().id;
    let mut modify = |udp| {
        let change = Change::ConnectionTracking(ConnectionTracking {
            udp: Some(udp),
            ..ConnectionTracking::default()
        });
        vpc.call(
            Request::ModifyNetworkInterfaceAttribute(eni.clone(), change),
            0,
        )
    };
    assert_eq!(modify(61).unwrap_err().code(), "InvalidParameterValue");
    modify(45).unwrap();
    let eni = vpc.eni(&eni).unwrap();
    assert_eq!(eni.connection_tracking, seconds(60, 60, 45));
}

#[test]
fn create_and_modify_have_each_their_words_for_wrong_groups() {
    let mut vpc = a_world();
    let eni = vpc.an_available_eni();
    let mut say = |ids: &[&str]| {
        let groups: BTreeSet<GroupId> = ids.iter().map(|id| (*id).into()).collect();
        let create = Create {
            groups: groups.clone(),
            ..a_request()
        };
        let modify = Request::ModifyNetworkInterfaceAttribute(eni.clone(), Change::Groups(groups));
        let say = |error: Ec2Error| format!("{}: {error}", error.code());
        (
            say(vpc.make(create).unwrap_err()),
            say(vpc.call(modify, 0).unwrap_err()),
        )
    };
    let (create, modify) = say(&["sg-none"]);
    assert_eq!(
        create,
        "InvalidSecurityGroupID.NotFound: The securityGroup ID 'sg-none' does not exist"
    );
    assert_eq!(
        modify,
        "InvalidGroup.NotFound: The security group 'sg-none' does not exist"
    );
    let (create, modify) = say(&["1", "2", "3", "4", "5", "6"]);
    assert_eq!(
        create,
        "InvalidParameterValue: user 000000000000 exceeded limit 5 on the number of interface security group memberships"
    );
    assert_eq!(
        modify,
        "SecurityGroupsPerInterfaceLimitExceeded: The maximum number of security groups per interface has been reached."
    );
    let (create, modify) = say(&[world::GROUP_OTHER_DEFAULT]);
    let other_network = "InvalidGroup.NotFound: You have specified two resources that belong to different networks.";
    assert_eq!(
        (create.as_str(), modify.as_str()),
        (other_network, other_network)
    );
}

#[test]
fn refusals_have_ec2s_sentences() {
    let mut vpc = a_world();
    let first = Create {
        client_token: Some("t".to_owned()),
        ..a_request()
    };
    vpc.make(first.clone()).unwrap();
    let another = Create {
        description: "another".to_owned(),
        ..first
    };
    let reserved = Create {
        tags: [("aws:x".to_owned(), "v".to_owned())].into(),
        ..a_request()
    };
    let taken = Create {
        address: vpc.enis().next().and_then(|eni| eni.address),
        ..a_request()
    };
    let outside = Create {
        address: Some([10, 0, 2, 5].into()),
        ..a_request()
    };
    for (request, sentence) in [
        (
            another,
            "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
        ),
        (
            reserved,
            "Value ( aws:x ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use",
        ),
        (taken, "The specified address is already in use."),
        (
            outside,
            "Address 10.0.2.5 does not fall within the subnet's address range",
        ),
    ] {
        assert_eq!(vpc.make(request).unwrap_err().to_string(), sentence);
    }
    let instance = vpc.an_instance("m5.large");
    let primary = vpc.enis().find_map(|eni| {
        let attachment = eni.attachment()?;
        (attachment.instance == instance).then(|| attachment.id.clone())
    });
    assert_eq!(
        vpc.detach(&primary.unwrap()).unwrap_err().to_string(),
        "The network interface at device index 0 and networkCard index 0 cannot be detached."
    );
    assert_eq!(
        vpc.detach(&"eni-attach-0a".into()).unwrap_err().to_string(),
        "The interface attachment 'eni-attach-0a' does not exist."
    );
}
