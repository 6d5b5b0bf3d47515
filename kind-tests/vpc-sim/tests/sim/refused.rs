//! What the protocol refuses, by example, and with which codes and sentences.

use vpc::Vpc;
use vpc_sim::protocol::{Answer, answer, mutation};

use crate::protocol::{CREATE, a_world, granted, texts};

#[test]
fn refusal_has_ec2s_form() {
    let form = "Action=DeleteNetworkInterface&NetworkInterfaceId=eni-0a";
    let refused = answer(&mut a_world(), form, 7);
    let Answer {
        status,
        body,
        request_id,
        error,
        result: _,
    } = refused;
    assert_eq!(
        (status, error.as_deref()),
        (400, Some("InvalidNetworkInterfaceID.NotFound"))
    );
    let message = "The networkInterface ID 'eni-0a' does not exist";
    let errors = format!(
        "<Errors><Error><Code>{}</Code><Message>{message}</Message></Error></Errors>",
        error.unwrap()
    );
    assert_eq!(
        body,
        format!("<Response>{errors}<RequestID>{request_id}</RequestID></Response>")
    );
}

#[test]
fn malformed_calls_are_refused_by_name() {
    let code = |form: &str| answer(&mut a_world(), form, 0).error.unwrap();
    assert_eq!(code(""), "MissingAction");
    assert_eq!(code("Action=RunInstances"), "InvalidAction");
    assert_eq!(code("Action=CreateNetworkInterface"), "MissingParameter");
    assert_eq!(
        code("Action=CreateNetworkInterface&SubnetId=s&PrivateIpAddress=x"),
        "InvalidParameterValue"
    );
    assert_eq!(
        code("Action=AttachNetworkInterface&NetworkInterfaceId=eni-0a&InstanceId=i-0a"),
        "MissingParameter"
    );
    assert_eq!(
        code("Action=DescribeNetworkInterfaces&MaxResults=ten"),
        "InvalidParameterValue"
    );
}

/// Code and sentence of a refusal.
fn refused(vpc: &mut Vpc, form: &str) -> (u16, String, String) {
    let answer = answer(vpc, form, 0);
    let sentence = texts(&answer, "Message")[0].to_owned();
    (answer.status, answer.error.unwrap(), sentence)
}

#[test]
fn parameter_that_ec2_does_not_know_is_refused_by_its_first_part() {
    let mut vpc = a_world();
    for (form, name) in [
        ("Action=DescribeSubnets&Foo=1", "Foo"),
        ("Action=DescribeSubnets&Filter.1.Values.1=x", "Filter"),
        ("Action=DescribeSubnets&Filter.0.Name=x", "Filter"),
        (
            "Action=DetachNetworkInterface&NetworkInterfaceId=eni-0a",
            "NetworkInterfaceId",
        ),
        ("Action=CreateNetworkInterface&GroupId.1=sg-0a", "GroupId"),
        ("Action=DescribeInstances&ClientToken=t", "ClientToken"),
    ] {
        let (status, code, sentence) = refused(&mut vpc, form);
        assert_eq!((status, code.as_str()), (400, "UnknownParameter"), "{form}");
        assert_eq!(sentence, format!("The parameter {name} is not recognized"));
    }
    assert_eq!(vpc.violations(), [], "it is the caller's fault");
}

#[test]
fn parameter_that_only_the_simulator_does_not_know_is_refused_and_reported() {
    let attach =
        "Action=AttachNetworkInterface&NetworkInterfaceId=eni-0a&InstanceId=i-0a&DeviceIndex=1";
    let modify = "Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId=eni-0a&SourceDestCheck.Value=true";
    for (form, name) in [
        (
            format!("{CREATE}&PrivateIpAddresses.1.PrivateIpAddress=10.0.1.9"),
            "PrivateIpAddresses.1.PrivateIpAddress",
        ),
        (
            format!("{CREATE}&Ipv6Addresses.1.Ipv6Address=2001:db8:ec2:a1::9"),
            "Ipv6Addresses.1.Ipv6Address",
        ),
        (
            format!("{CREATE}&Ipv4Prefix.1.Ipv4Prefix=10.0.1.16/28"),
            "Ipv4Prefix.1.Ipv4Prefix",
        ),
        (format!("{CREATE}&InterfaceType=efa"), "InterfaceType"),
        (
            format!("{CREATE}&EnablePrimaryIpv6=true"),
            "EnablePrimaryIpv6",
        ),
        (
            format!("{CREATE}&SecurityGroupId.4=sg-0a"),
            "SecurityGroupId.4",
        ),
        (format!("{attach}&EnaQueueCount=2"), "EnaQueueCount"),
        (
            format!("{attach}&EnaSrdSpecification.EnaSrdEnabled=true"),
            "EnaSrdSpecification.EnaSrdEnabled",
        ),
        (
            format!("{modify}&EnablePrimaryIpv6=true"),
            "EnablePrimaryIpv6",
        ),
        (
            "Action=DescribeSecurityGroups&GroupName.1=app".to_owned(),
            "GroupName.1",
        ),
    ] {
        let mut vpc = a_world();
        let (status, code, sentence) = refused(&mut vpc, &form);
        assert_eq!((status, code.as_str()), (501, "NotModelled"), "{form}");
        assert!(sentence.contains(name), "{sentence}");
        let [violation] = &vpc.violations()[..] else {
            panic!("{:?}", vpc.violations());
        };
        assert!(violation.to_string().contains(name), "{violation}");
        assert_eq!(vpc.enis().count(), 1, "nothing was made");
    }
}

#[test]
fn dry_run_tells_whether_the_caller_may_and_does_nothing() {
    let mut vpc = a_world();
    let form = format!("{CREATE}&DryRun=true");
    let (status, code, sentence) = refused(&mut vpc, &form);
    assert_eq!((status, code.as_str()), (412, "DryRunOperation"));
    assert_eq!(
        sentence,
        "Request would have succeeded, but DryRun flag is set."
    );
    assert_eq!(
        (vpc.enis().count(), mutation(&mut vpc, &form, 0)),
        (1, None)
    );
    vpc.settings
        .denied
        .insert(vpc::Action::CreateNetworkInterface);
    let (status, code, _) = refused(&mut vpc, &form);
    assert_eq!((status, code.as_str()), (403, "UnauthorizedOperation"));
    vpc.settings.denied.clear();
    let other = CREATE.replace(
        "SubnetId=subnet-000000000000000a1",
        "SubnetId=subnet-000000000000000a2",
    );
    granted(&mut vpc, &format!("{other}&DryRun=false"), 0);
    let describe = "Action=DescribeSubnets&DryRun=true";
    assert_eq!(refused(&mut vpc, describe).1, "DryRunOperation");
}

#[test]
fn id_of_another_kind_is_malformed() {
    for (form, code, sentence) in [
        (
            "Action=DeleteNetworkInterface&NetworkInterfaceId=to-set",
            "InvalidNetworkInterfaceId.Malformed",
            r#"Invalid id: "to-set" (expecting "eni-...")"#,
        ),
        (
            "Action=DetachNetworkInterface&AttachmentId=eni-0a",
            "InvalidNetworkInterfaceAttachmentId.Malformed",
            r#"Invalid id: "eni-0a" (expecting "eni-attach-...")"#,
        ),
        (
            "Action=DescribeInstances&InstanceId.1=x",
            "InvalidInstanceID.Malformed",
            r#"Invalid id: "x" (expecting "i-...")"#,
        ),
        (
            "Action=DescribeSecurityGroups&GroupId.1=app",
            "InvalidGroupId.Malformed",
            r#"Invalid id: "app" (expecting "sg-...")"#,
        ),
    ] {
        let (status, told, message) = refused(&mut a_world(), form);
        let message = message.replace("&quot;", "\"");
        assert_eq!(
            (status, told.as_str(), message.as_str()),
            (400, code, sentence)
        );
    }
}

#[test]
fn tags_at_creation_are_those_of_the_interface_and_at_least_one() {
    let create = "Action=CreateNetworkInterface&SubnetId=subnet-000000000000000a1&TagSpecification.1.ResourceType=";
    let none = format!("{create}network-interface");
    let (_, code, sentence) = refused(&mut a_world(), &none);
    assert_eq!(
        (code.as_str(), sentence.as_str()),
        (
            "InvalidParameter",
            "Tag specification must have at least one tag"
        )
    );
    let (_, code, sentence) = refused(&mut a_world(), &format!("{create}volume"));
    assert_eq!(code, "InvalidParameterValue");
    assert!(
        sentence.ends_with("is not a valid taggable resource type for this operation."),
        "{sentence}"
    );
}

#[test]
fn filter_without_a_name_is_invalid() {
    let form = "Action=DescribeSubnets&Filter.1.Value.1=x";
    let (_, code, sentence) = refused(&mut a_world(), form);
    assert_eq!(
        (code.as_str(), sentence.as_str()),
        ("InvalidParameterValue", "The filter 'null' is invalid")
    );
}

#[test]
fn missing_parameter_is_named_without_a_capital() {
    let (_, code, sentence) = refused(&mut a_world(), "Action=DetachNetworkInterface");
    assert_eq!(
        (code.as_str(), sentence.as_str()),
        (
            "MissingParameter",
            "The request must contain the parameter attachmentId"
        )
    );
}

/// Each form is refused with its code and sentence, without a word in the audit.
fn are_refused(forms: &[(&str, &str, &str)]) {
    let mut vpc = a_world();
    for (form, code, sentence) in forms {
        let (_, told, message) = refused(&mut vpc, form);
        let message = message.replace("&quot;", "\"").replace("&apos;", "'");
        assert_eq!(
            (told.as_str(), message.as_str()),
            (*code, *sentence),
            "{form}"
        );
    }
    assert_eq!(vpc.violations(), [], "it is the caller's fault");
    assert_eq!(vpc.enis().count(), 1, "nothing was made");
}

#[test]
fn tags_of_nothing_and_no_tags_are_refused() {
    let many: Vec<String> = (1..=1001)
        .map(|n| format!("&ResourceId.{n}=eni-0a"))
        .collect();
    let many = format!("Action=CreateTags&Tag.1.Key=a{}", many.concat());
    let loses = many.replace("CreateTags", "DeleteTags");
    are_refused(&[
        (
            "Action=DeleteTags&Tag.1.Key=a",
            "MissingParameter",
            "The request must contain the parameter resourceIdSet",
        ),
        (
            "Action=DeleteTags&ResourceId.1=eni-0a&Tag.1.Key=a&Tag.2.Key=a",
            "InvalidParameterValue",
            "Duplicate tag key 'a' specified.",
        ),
        (
            loses.as_str(),
            "ResourceCountExceeded",
            "The maximum number of resources in a request is 1000",
        ),
        (
            "Action=CreateTags&Tag.1.Key=a",
            "MissingParameter",
            "The request must contain the parameter resourceIdSet",
        ),
        (
            "Action=CreateTags&ResourceId.1=eni-0a&DryRun=true",
            "InvalidParameterValue",
            "You must specify one or more tags to create",
        ),
        (
            many.as_str(),
            "ResourceCountExceeded",
            "The maximum number of resources in a request is 1000",
        ),
    ]);
}

#[test]
fn tag_that_ec2_does_not_take_is_refused_when_an_interface_is_made_too() {
    let mut vpc = a_world();
    let eni = vpc.enis().next().unwrap().id.clone();
    let create = "Action=CreateNetworkInterface&SubnetId=subnet-000000000000000a1&TagSpecification.1.ResourceType=network-interface";
    let (long_key, long_value) = ("k".repeat(129), "v".repeat(257));
    let (long_key, long_value) = (long_key.as_str(), long_value.as_str());
    for (key, value, sentence) in [
        (
            "",
            "v",
            "Value ( '' ) for parameter Tag key is invalid. Tag key cannot be null or empty.",
        ),
        (
            long_key,
            "v",
            "Tag key exceeds the maximum length of 128 characters",
        ),
        (
            "k",
            long_value,
            "Tag value exceeds the maximum length of 256 characters",
        ),
        ("twice", "v", "Duplicate tag key 'twice' specified."),
    ] {
        let tags = |prefix: &str| {
            let tag = |n: u32, key: &str| {
                format!("&{prefix}Tag.{n}.Key={key}&{prefix}Tag.{n}.Value={value}")
            };
            tag(1, key) + &tag(2, "twice")
        };
        let made = format!("{create}{}", tags("TagSpecification.1."));
        let tagged = format!("Action=CreateTags&ResourceId.1={eni}{}", tags(""));
        for form in [made, tagged] {
            let (_, code, told) = refused(&mut vpc, &form);
            let told = told.replace("&apos;", "'");
            assert_eq!(
                (code.as_str(), told.as_str()),
                ("InvalidParameterValue", sentence)
            );
        }
    }
    assert_eq!(vpc.enis().count(), 1, "nothing was made");
}

#[test]
fn tags_for_the_same_kind_come_once() {
    let specification = |n: u32| {
        format!(
            "&TagSpecification.{n}.ResourceType=network-interface&TagSpecification.{n}.Tag.1.Key=k{n}"
        )
    };
    let form = format!(
        "Action=CreateNetworkInterface&SubnetId=subnet-000000000000000a1{}{}",
        specification(1),
        specification(2)
    );
    are_refused(&[(
        form.as_str(),
        "InvalidParameter",
        "The same resource type may not be specified more than once in tag specifications",
    )]);
}

#[test]
fn modify_takes_one_attribute() {
    let modify = "Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId=eni-0a";
    let attributes = [
        "&Attachment.AttachmentId=eni-attach-0a&Attachment.DeleteOnTermination=true",
        "&SourceDestCheck.Value=true",
        "&SecurityGroupId.1=sg-0a",
        "&ConnectionTrackingSpecification.UdpTimeout=30",
        "&Description.Value=d",
    ];
    let all = format!("{modify}{}", attributes.concat());
    are_refused(&[
        (
            modify,
            "InvalidParameterCombination",
            "No attributes specified.",
        ),
        (
            all.as_str(),
            "InvalidParameterCombination",
            "Fields for multiple attribute types specified: attachment, sourceDestCheck, groupSet, connectionTrackingSpecification, description",
        ),
    ]);
    let mut vpc = a_world();
    let (_, code, _) = refused(&mut vpc, &format!("{modify}&EnablePrimaryIpv6=true"));
    assert_eq!((code.as_str(), vpc.violations().len()), ("NotModelled", 1));
}

#[test]
fn call_without_an_action_has_its_own_code() {
    are_refused(&[(
        "Version=2016-11-15",
        "MissingAction",
        "The request must contain the parameter action",
    )]);
}

#[test]
fn empty_client_token_is_none() {
    let mut vpc = a_world();
    let form = "Action=CreateNetworkInterface&SubnetId=subnet-000000000000000a1&ClientToken=";
    granted(&mut vpc, form, 0);
    granted(&mut vpc, form, 0);
    assert_eq!(vpc.enis().count(), 3);
}
