//! The protocol by example; the SDK's own parser reads it in the operator's tests.

use vpc::{Delays, Launch, Vpc, world};
use vpc_sim::protocol::{Answer, answer, mutation};

pub const CREATE: &str = "Action=CreateNetworkInterface&Version=2016-11-15&SubnetId=subnet-000000000000000a1\
     &SecurityGroupId.1=sg-000000000000000a2&SecurityGroupId.2=sg-000000000000000a3&ClientToken=token\
     &TagSpecification.1.ResourceType=network-interface\
     &TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=1%3C2\
     &TagSpecification.1.Tag.2.Key=b&TagSpecification.1.Tag.2.Value=";

pub fn a_world() -> Vpc {
    let mut vpc = Vpc::new(Delays::default());
    let launch = Launch {
        name: "n1".to_owned(),
        instance_type: "c6in.32xlarge".to_owned(),
        subnet: world::SUBNET_NODES.into(),
        address: Some([10, 0, 1, 11].into()),
        groups: [world::GROUP_NODES.into()].into(),
        routes: vec![],
        ipv6: None,
        source_dest_check: true,
    };
    vpc.launch(launch, 0).unwrap();
    vpc
}

/// The texts of all elements `name`, in order.
pub fn texts<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let parts = answer.body.split(&open).skip(1);
    parts
        .map(|part| part.split(&close).next().unwrap())
        .collect()
}

pub fn granted(vpc: &mut Vpc, form: &str, now_ms: u64) -> Answer {
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
    assert_eq!(texts(&groups, "ipProtocol"), ["tcp", "icmp", "icmpv6"]);
}

#[test]
fn time_outs_of_connections_are_told_as_far_as_they_were_set() {
    let mut vpc = a_world();
    let plain = granted(&mut vpc, CREATE, 0);
    assert!(!plain.body.contains("connectionTrackingConfiguration"));
    let form = format!("{CREATE}&ConnectionTrackingSpecification.TcpEstablishedTimeout=350");
    let form = form.replace("ClientToken=", "ClientToken=other-");
    let made = granted(&mut vpc, &form, 0);
    assert_eq!(texts(&made, "tcpEstablishedTimeout"), ["350"]);
    assert!(!made.body.contains("udpTimeout"));
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
