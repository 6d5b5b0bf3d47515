"""Drives every action of the simulator with boto3, which checks what is asked and how it is answered by its own model.

`drive.py <instance id> <endpoint>`, from a host that reaches the simulator.
"""

import pathlib
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

import model
import shape

SUBNET = "subnet-000000000000000a1"
SMALL, IPV6_ALONE = "subnet-000000000000000a2", "subnet-000000000000000a6"
APP, PEER = "sg-000000000000000a2", "sg-000000000000000a3"
MODEL = pathlib.Path(__file__).parents[2] / "vpc" / "ec2-model.txt"
WAIT = {"Delay": 1, "MaxAttempts": 20}


class Recorder:
    """Remembers which actions were granted, and compares each answer with the model."""

    def __init__(self, client):
        self.granted = set()
        client.meta.events.register("before-parse.ec2.*", self.answered)

    def answered(self, operation_model, response_dict, **_):
        """Called before botocore reads an answer."""
        if response_dict["status_code"] == 200:
            if operation_model.output_shape is not None:
                shape.check(response_dict["body"], operation_model.output_shape)
            self.granted.add(operation_model.name)


def refused(call, code, **parameters):
    """The call is refused with this code."""
    try:
        call(**parameters)
    except ClientError as error:
        told = error.response["Error"]["Code"]
        assert told == code, f"{told}: {error}, not {code}"
        return error.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError(f"{call} with {parameters} was granted, not refused as {code}")


def create(ec2):
    """One interface, of two equal calls; its id."""
    tags = [{"ResourceType": "network-interface", "Tags": [{"Key": "a", "Value": "1"}]}]
    parameters = {
        "SubnetId": SUBNET,
        "Groups": [APP],
        "Description": "made by boto3",
        "ClientToken": "token",
        "ConnectionTrackingSpecification": {"TcpEstablishedTimeout": 600, "UdpTimeout": 60},
        "TagSpecifications": tags,
    }
    assert refused(ec2.create_network_interface, "DryRunOperation", DryRun=True, **parameters) == 412
    first = ec2.create_network_interface(**parameters)
    again = ec2.create_network_interface(**parameters)
    eni = first["NetworkInterface"]["NetworkInterfaceId"]
    assert again["NetworkInterface"]["NetworkInterfaceId"] == eni
    too_long = parameters | {"ClientToken": "other", "ConnectionTrackingSpecification": {"UdpTimeout": 61}}
    refused(ec2.create_network_interface, "InvalidParameterValue", **too_long)
    other = parameters | {"Description": "another"}
    refused(ec2.create_network_interface, "IdempotentParameterMismatch", **other)
    refused(ec2.create_network_interface, "NotModelled", InterfaceType="efa", **parameters)
    assert first["NetworkInterface"]["TagSet"] == [{"Key": "a", "Value": "1"}]
    ec2.get_waiter("network_interface_available").wait(NetworkInterfaceIds=[eni], WaiterConfig=WAIT)
    return eni


def change(ec2, eni, attachment):
    """Tags and each attribute."""
    ec2.create_tags(Resources=[eni], Tags=[{"Key": "b", "Value": ""}])
    modify = ec2.modify_network_interface_attribute
    modify(NetworkInterfaceId=eni, SourceDestCheck={"Value": False})
    modify(NetworkInterfaceId=eni, ConnectionTrackingSpecification={"UdpTimeout": 30})
    modify(NetworkInterfaceId=eni, Description={"Value": "changed"})
    modify(NetworkInterfaceId=eni, Groups=[APP, PEER])
    assert {group["GroupId"] for group in described(ec2, eni)["Groups"]} == {APP, PEER}
    refused(modify, "InvalidGroup.NotFound", NetworkInterfaceId=eni, Groups=[APP, "sg-0123456789abcdef0"])
    modify(NetworkInterfaceId=eni, Groups=[PEER])
    modify(NetworkInterfaceId=eni, Attachment={"AttachmentId": attachment, "DeleteOnTermination": True})
    seen = described(ec2, eni)
    assert {tag["Key"] for tag in seen["TagSet"]} == {"a", "b"}, seen
    assert not seen["SourceDestCheck"] and seen["Description"] == "changed", seen
    seconds = {"TcpEstablishedTimeout": 600, "UdpTimeout": 30}
    assert seen["ConnectionTrackingConfiguration"] == seconds, seen
    assert [group["GroupId"] for group in seen["Groups"]] == [PEER], seen
    assert seen["Attachment"]["DeleteOnTermination"], seen


def described(ec2, eni):
    """The interface as it is now."""
    return ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"][0]


def life(ec2, instance):
    """An interface from its creation to its deletion."""
    eni = create(ec2)
    attached = ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=instance, DeviceIndex=1)
    refused(ec2.delete_network_interface, "InvalidParameterValue", NetworkInterfaceId=eni)
    change(ec2, eni, attached["AttachmentId"])
    by_interface = {"Name": "network-interface.network-interface-id", "Values": [eni]}
    instances = ec2.describe_instances(Filters=[by_interface])
    found = instances["Reservations"][0]["Instances"][0]
    assert found["InstanceId"] == instance, found
    assert eni in [own["NetworkInterfaceId"] for own in found["NetworkInterfaces"]], found
    ec2.detach_network_interface(AttachmentId=attached["AttachmentId"])
    ec2.get_waiter("network_interface_available").wait(NetworkInterfaceIds=[eni], WaiterConfig=WAIT)
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    refused(ec2.describe_network_interfaces, "InvalidNetworkInterfaceID.NotFound", NetworkInterfaceIds=[eni])


def families(ec2):
    """Interfaces with IPv6, secondary addresses and prefixes, as the subnets have them."""
    subnets = ec2.describe_subnets(SubnetIds=[SUBNET, SMALL, IPV6_ALONE])["Subnets"]
    assert [subnet["Ipv6Native"] for subnet in subnets] == [False, False, True], subnets
    assert [subnet.get("CidrBlock") for subnet in subnets] == ["10.0.1.0/24", "10.0.2.0/28", None], subnets
    blocks = [subnet["Ipv6CidrBlockAssociationSet"] for subnet in subnets]
    assert blocks[0][0]["Ipv6CidrBlockState"]["State"] == "associated" and blocks[1] == [], blocks
    refused(ec2.create_network_interface, "InvalidParameterValue", SubnetId=SUBNET, Ipv6AddressCount=1, Ipv6PrefixCount=1)
    refused(ec2.create_network_interface, "InvalidParameterValue", SubnetId=SMALL, Ipv6AddressCount=1)
    refused(ec2.create_network_interface, "InvalidParameterValue", SubnetId=SMALL, Ipv4PrefixCount=1)

    def has(parameters, addresses, prefixes):
        eni = ec2.create_network_interface(**parameters)["NetworkInterface"]["NetworkInterfaceId"]
        seen = described(ec2, eni)
        own = [own["PrivateIpAddress"] for own in seen["PrivateIpAddresses"]]
        own += [own["Ipv6Address"] for own in seen["Ipv6Addresses"]]
        delegated = [own["Ipv4Prefix"] for own in seen.get("Ipv4Prefixes", [])]
        delegated += [own["Ipv6Prefix"] for own in seen.get("Ipv6Prefixes", [])]
        assert (len(own), len(delegated)) == (addresses, prefixes), seen
        primary = [own["PrivateIpAddress"] for own in seen["PrivateIpAddresses"] if own["Primary"]]
        assert primary == [seen["PrivateIpAddress"]] if "PrivateIpAddress" in seen else primary == [], seen
        ec2.delete_network_interface(NetworkInterfaceId=eni)

    has({"SubnetId": SUBNET, "SecondaryPrivateIpAddressCount": 2, "Ipv6AddressCount": 2}, 5, 0)
    has({"SubnetId": SUBNET, "Ipv4PrefixCount": 1, "Ipv6PrefixCount": 1}, 1, 2)
    has({"SubnetId": IPV6_ALONE}, 1, 0)


def tagged(ec2):
    """Subnets and security groups are found by tags that they get, and show them."""
    tags = [{"Key": "tier", "Value": "pods"}, {"Key": "team", "Value": "shop"}]
    ec2.create_tags(Resources=[SUBNET, APP], Tags=tags)
    ec2.create_tags(Resources=[PEER], Tags=[{"Key": "tier", "Value": "peers"}])
    refused(ec2.create_tags, "InvalidSubnetID.NotFound", Resources=["subnet-0a"], Tags=tags)
    refused(ec2.create_tags, "InvalidGroup.NotFound", Resources=["sg-0a"], Tags=tags)
    both = [{"Name": "tag:tier", "Values": ["p*"]}, {"Name": "tag:team", "Values": ["*"]}]
    for action, result in [("describe_subnets", "Subnets"), ("describe_security_groups", "SecurityGroups")]:
        found = getattr(ec2, action)(Filters=both)[result]
        assert [key(item) for item in found] == [SUBNET if result == "Subnets" else APP], found
        assert {tag["Key"]: tag["Value"] for tag in found[0]["Tags"]} == {"tier": "pods", "team": "shop"}, found
    tier = ec2.describe_security_groups(Filters=both[:1])["SecurityGroups"]
    assert {group["GroupId"] for group in tier} == {APP, PEER}, tier


def untagged(ec2):
    """Tags go by key, by key and value, or all."""
    tags = [{"Key": key, "Value": value} for key, value in [("a", "1"), ("b", "2"), ("c", ""), ("d", "4"), ("e", "5")]]
    eni = ec2.create_network_interface(SubnetId=SUBNET)["NetworkInterface"]["NetworkInterfaceId"]
    other = {"Key": "a", "Value": "1"}
    ec2.create_tags(Resources=[eni, PEER], Tags=tags)

    def left(*tags):
        ec2.delete_tags(Resources=[eni], Tags=list(tags))
        return "".join(sorted(tag["Key"] for tag in described(ec2, eni)["TagSet"]))

    assert left({"Key": "a"}) == "bcde"
    assert left({"Key": "b", "Value": "1"}, {"Key": "d", "Value": ""}, {"Key": "none"}) == "bcde"
    assert left({"Key": "b", "Value": "2"}, {"Key": "c", "Value": ""}) == "de"
    assert left() == ""
    refused(ec2.delete_tags, "InvalidNetworkInterfaceID.NotFound", Resources=[PEER, "eni-0a"])
    refused(ec2.delete_tags, "DryRunOperation", Resources=[PEER], DryRun=True)
    peer = ec2.describe_security_groups(GroupIds=[PEER])["SecurityGroups"][0]
    assert other in peer["Tags"], peer
    ec2.delete_tags(Resources=[PEER], Tags=tags)
    ec2.delete_network_interface(NetworkInterfaceId=eni)


def cards(ec2):
    """Network cards as they are listed: how many interfaces each takes."""
    for name, count, each in [("p4d.24xlarge", 4, 15), ("trn1.32xlarge", 8, 5), ("p5.48xlarge", 32, 2)]:
        info = ec2.describe_instance_types(InstanceTypes=[name])["InstanceTypes"][0]["NetworkInfo"]
        assert info["MaximumNetworkInterfaces"] == count * each, info
        listed = [(card["NetworkCardIndex"], card["MaximumNetworkInterfaces"]) for card in info["NetworkCards"]]
        assert listed == [(index, each) for index in range(count)], info


def pages(ec2):
    """Every list, page by page as botocore's paginators ask for it."""
    made = [ec2.create_network_interface(SubnetId=SUBNET)["NetworkInterface"]["NetworkInterfaceId"] for _ in range(7)]
    for action, result in [
        ("describe_network_interfaces", "NetworkInterfaces"),
        ("describe_instances", "Reservations"),
        ("describe_instance_types", "InstanceTypes"),
        ("describe_subnets", "Subnets"),
        ("describe_security_groups", "SecurityGroups"),
    ]:
        whole = getattr(ec2, action)()[result]
        pieces = list(ec2.get_paginator(action).paginate(PaginationConfig={"PageSize": 5}))
        paged = [item for piece in pieces for item in piece[result]]
        # Without pages they come in the same order; interfaces become available meanwhile.
        assert [key(item) for item in paged] == [key(item) for item in whole], action
    for eni in made:
        ec2.delete_network_interface(NetworkInterfaceId=eni)


def key(item):
    """The id of whatever is listed."""
    names = ["NetworkInterfaceId", "ReservationId", "InstanceType", "SubnetId", "GroupId"]
    return next(item[name] for name in names if name in item)


def unknown(ec2, action, instance):
    """The action is refused what is not in the model, which a client that checks its parameters cannot send by itself."""

    def add(params, **_):
        params["body"]["Colour.1.Name"] = "red"

    required = {
        "AttachNetworkInterface": {"NetworkInterfaceId": "eni-0a", "InstanceId": instance, "DeviceIndex": 1},
        "CreateNetworkInterface": {"SubnetId": SUBNET},
        "CreateTags": {"Resources": ["eni-0a"], "Tags": [{"Key": "a", "Value": "1"}]},
        "DeleteNetworkInterface": {"NetworkInterfaceId": "eni-0a"},
        "DeleteTags": {"Resources": ["eni-0a"]},
        "DetachNetworkInterface": {"AttachmentId": "eni-attach-0a"},
        "ModifyNetworkInterfaceAttribute": {"NetworkInterfaceId": "eni-0a", "SourceDestCheck": {"Value": True}},
    }
    method = {ec2.meta.method_to_api_mapping[name]: name for name in ec2.meta.method_to_api_mapping}[action]
    event = f"before-call.ec2.{action}"
    ec2.meta.events.register(event, add)
    refused(getattr(ec2, method), "UnknownParameter", **required.get(action, {}))
    ec2.meta.events.unregister(event, add)


def main():
    """All of it."""
    ours = MODEL.read_text(encoding="utf-8").splitlines()
    assert ours == list(model.lines()), f"{MODEL} is not what model.py prints"
    ec2 = boto3.client(
        "ec2",
        region_name="us-east-1",
        endpoint_url=sys.argv[2],
        aws_access_key_id="AKIA",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, proxies={}, connect_timeout=5, read_timeout=20),
    )
    recorder = Recorder(ec2)
    life(ec2, sys.argv[1])
    families(ec2)
    tagged(ec2)
    untagged(ec2)
    cards(ec2)
    pages(ec2)
    for action in model.ACTIONS:
        unknown(ec2, action, sys.argv[1])
    missing = set(model.ACTIONS) - recorder.granted
    assert not missing, f"never granted: {missing}"


if __name__ == "__main__":
    main()
