//! The protocol by example; the SDK's own parser reads it in the operator's tests.

use vpc::{Delays, Launch, Vpc, world};
use vpc_sim::protocol::{Answer, answer, mutation};

const CREATE: &str = "Action=CreateNetworkInterface&Version=2016-11-15&SubnetId=subnet-000000000000000a1\
     &SecurityGroupId.1=sg-000000000000000a2&SecurityGroupId.2=sg-000000000000000a3&ClientToken=token\
     &TagSpecification.1.ResourceType=network-interface\
     &TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=1%3C2\
     &TagSpecification.1.Tag.2.Key=b&TagSpecification.1.Tag.2.Value=";

fn a_world() -> Vpc {
    let mut vpc = Vpc::new(Delays::default());
    let launch = Launch {
        name: "n1".to_owned(),
        instance_type: "c6in.32xlarge".to_owned(),
        subnet: world::SUBNET_NODES.into(),
        address: Some([10, 0, 1, 11].into()),
        groups: [world::GROUP_NODES.into()].into(),
        routes: vec![],
        source_dest_check: true,
    };
    vpc.launch(launch, 0).unwrap();
    vpc
}

/// The texts of all elements `name`, in order.
fn texts<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let parts = answer.body.split(&open).skip(1);
    parts
        .map(|part| part.split(&close).next().unwrap())
        .collect()
}

fn granted(vpc: &mut Vpc, form: &str, now_ms: u64) -> Answer {
    let answer = answer(vpc, form, now_ms);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer
}

#[test]
fn one_interface_lives_its_whole_life() {
    let mut vpc = a_world();
    let created = granted(&mut vpc, CREATE, 0);
    assert_eq!(texts(&created, "status"), ["pending"]);
    assert_eq!(
        texts(&created, "groupId"),
        ["sg-000000000000000a2", "sg-000000000000000a3"]
    );
    assert_eq!(texts(&created, "key"), ["a", "b"]);
    assert!(
        created.body.contains("<key>a</key><value>1&lt;2</value>"),
        "{}",
        created.body
    );
    let eni = texts(&created, "networkInterfaceId")[0].to_owned();
    let instance = vpc.instances().next().unwrap().id.clone();

    let attach = format!(
        "Action=AttachNetworkInterface&NetworkInterfaceId={eni}&InstanceId={instance}&DeviceIndex=6&NetworkCardIndex=1"
    );
    assert_eq!(
        answer(&mut vpc, &attach, 0).error.as_deref(),
        Some("IncorrectState")
    );
    let attached = granted(&mut vpc, &attach, 1_000);
    assert_eq!(texts(&attached, "networkCardIndex"), ["1"]);
    let attachment = texts(&attached, "attachmentId")[0].to_owned();

    let describe = format!(
        "Action=DescribeNetworkInterfaces&Filter.1.Name=network-interface-id&Filter.1.Value.1={eni}"
    );
    let states = |vpc: &mut Vpc, now_ms| {
        let answer = granted(vpc, &describe, now_ms);
        texts(&answer, "status")
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(states(&mut vpc, 2_499), ["in-use", "attaching"]);
    assert_eq!(states(&mut vpc, 2_500), ["in-use", "attached"]);

    let modify = format!(
        "Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId={eni}\
         &Attachment.AttachmentId={attachment}&Attachment.DeleteOnTermination=true"
    );
    assert_eq!(
        texts(&granted(&mut vpc, &modify, 2_500), "return"),
        ["true"]
    );
    assert_eq!(
        texts(&granted(&mut vpc, &describe, 2_500), "deleteOnTermination"),
        ["true"]
    );

    granted(
        &mut vpc,
        &format!("Action=DetachNetworkInterface&AttachmentId={attachment}"),
        3_000,
    );
    assert_eq!(states(&mut vpc, 4_200), ["available"]);
    granted(
        &mut vpc,
        &format!("Action=DeleteNetworkInterface&NetworkInterfaceId={eni}"),
        4_200,
    );
    assert_eq!(states(&mut vpc, 4_200), [""; 0]);
}

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
    assert_eq!(code(""), "MissingParameter");
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
        code("Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId=eni-0a"),
        "MissingParameter"
    );
    let two = "Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId=eni-0a&SourceDestCheck.Value=true&Description.Value=d";
    assert_eq!(code(two), "InvalidParameterValue");
    assert_eq!(
        code("Action=DescribeNetworkInterfaces&MaxResults=ten"),
        "InvalidParameterValue"
    );
}

#[test]
fn next_token_leads_to_the_next_page() {
    let mut vpc = a_world();
    for n in 0..6 {
        granted(&mut vpc, &format!("{CREATE}&ClientToken={n}"), 0);
    }
    let first = granted(&mut vpc, "Action=DescribeNetworkInterfaces&MaxResults=5", 0);
    let token = texts(&first, "nextToken")[0];
    let form = format!("Action=DescribeNetworkInterfaces&MaxResults=5&NextToken={token}");
    let second = granted(&mut vpc, &form, 0);
    assert_eq!(
        (
            texts(&first, "item").is_empty(),
            texts(&second, "nextToken").len()
        ),
        (false, 0)
    );
    assert_eq!(texts(&second, "macAddress").len(), 2);
}

#[test]
fn world_is_described() {
    let mut vpc = a_world();
    let instances = granted(
        &mut vpc,
        "Action=DescribeInstances&Filter.1.Name=instance-state-name&Filter.1.Value.1=running",
        0,
    );
    assert_eq!(texts(&instances, "availabilityZone")[0], "us-east-1a");
    assert_eq!(texts(&instances, "name"), ["running"]);
    let kinds = granted(
        &mut vpc,
        "Action=DescribeInstanceTypes&InstanceType.1=c6in.32xlarge",
        0,
    );
    assert_eq!(texts(&kinds, "maximumNetworkInterfaces"), ["14", "7", "7"]);
    let subnets = granted(
        &mut vpc,
        "Action=DescribeSubnets&SubnetId.1=subnet-000000000000000a2",
        0,
    );
    assert_eq!(texts(&subnets, "availableIpAddressCount"), ["11"]);
    let groups = granted(
        &mut vpc,
        "Action=DescribeSecurityGroups&GroupId.1=sg-000000000000000a3",
        0,
    );
    assert_eq!(texts(&groups, "ipProtocol"), ["tcp", "icmp"]);
}

#[test]
fn equal_calls_at_equal_times_get_equal_answers() {
    let run = |now_ms| granted(&mut a_world(), CREATE, now_ms);
    assert_eq!(run(5), run(5));
    assert_ne!(run(5).request_id, run(6).request_id);
}

#[test]
fn mutating_call_can_be_judged_before_it_is_made() {
    let mut vpc = a_world();
    let created = granted(&mut vpc, CREATE, 0);
    let eni = texts(&created, "networkInterfaceId")[0].to_owned();
    let delete = format!("Action=DeleteNetworkInterface&NetworkInterfaceId={eni}");
    let judged = mutation(&mut vpc, &delete, 1_000).unwrap();
    assert_eq!(judged.before[0].status(), "available");
    assert_eq!(judged.before[0].tags["a"], "1<2");
    assert_eq!(mutation(&mut vpc, &delete, 1_000), Some(judged));
    assert_eq!(mutation(&mut vpc, "Action=DescribeSubnets", 1_000), None);
    assert_eq!(
        mutation(&mut vpc, "Action=DeleteNetworkInterface", 1_000),
        None
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
            format!("{CREATE}&SecondaryPrivateIpAddressCount=1"),
            "SecondaryPrivateIpAddressCount",
        ),
        (format!("{CREATE}&Ipv4PrefixCount=1"), "Ipv4PrefixCount"),
        (format!("{CREATE}&InterfaceType=efa"), "InterfaceType"),
        (
            format!("{CREATE}&ConnectionTrackingSpecification.UdpTimeout=30"),
            "ConnectionTrackingSpecification.UdpTimeout",
        ),
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
fn interface_of_an_instance_has_the_members_of_that_shape_only() {
    let mut vpc = a_world();
    let instances = granted(&mut vpc, "Action=DescribeInstances", 0);
    let interfaces = texts(&instances, "networkInterfaceSet")[0];
    assert!(
        interfaces.contains("<networkCardIndex>0</networkCardIndex>"),
        "{interfaces}"
    );
    for absent in [
        "tagSet",
        "availabilityZone",
        "requesterManaged",
        "instanceId",
        "instanceOwnerId",
    ] {
        assert!(!interfaces.contains(absent), "{absent}: {interfaces}");
    }
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
