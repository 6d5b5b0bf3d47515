"""The experiments: each asks EC2 something and yields what was seen, for the facts of the names that it is registered with.

Whatever an experiment makes carries the tag of the run. One that needs what the account may not have yields nothing.
"""

import contextlib
import time
import uuid

from botocore.exceptions import ClientError

from run import TAG, told

NOBODYS = "0123456789abcdef0"
LIST = "describe_network_interfaces"
MODIFY = "modify_network_interface_attribute"
# One more than the smallest subnet has addresses for.
TOO_MANY = 12
PROBES = []


def probe(*names):
    """Registers a function that yields what was seen for each of these facts."""

    def register(function):
        PROBES.append((names, function))
        return function

    return register


@probe("attach-pending")
def attach_pending(run):
    with run.interface(wait=False) as eni:
        yield run.attach(eni)


@probe("delete-pending")
def delete_pending(run):
    with run.interface(wait=False) as eni:
        yield run.ask("delete_network_interface", NetworkInterfaceId=eni)


@probe("status-attaching", "detach-attaching")
def attaching(run):
    with run.interface() as eni:
        run.attach(eni)
        yield run.status(eni)
        yield run.detach()


@probe("attach-in-use", "status-detaching", "detach-detaching")
def detaching(run):
    with run.interface() as eni:
        run.attach_whole(eni)
        yield run.attach(eni, device=2)
        run.detach()
        yield run.status(eni)
        yield run.detach()


@probe("detach-force", "status-after-force")
def force(run):
    with run.interface() as eni:
        run.attach_whole(eni)
        yield run.detach(force=True)
        yield run.status(eni)


@probe("device-leaves")
def device_leaves(run):
    if run.args.sim and not run.args.console:
        return
    with run.interface() as eni:
        mac = run.described(eni)["MacAddress"]
        run.attach_whole(eni)
        run.until(lambda: any(mac in macs for _, macs in run.devices()))
        run.detach()
        yield when_gone(run, eni, mac)


def when_gone(run, eni, mac):
    """Whether the instance lost its device before the attachment was over, by its clock and ours."""
    detaching_until = time.time()
    while run.status(eni) == "in-use, detaching":
        detaching_until = time.time()
        time.sleep(run.args.poll)
    over = time.time()

    def left():
        with_it = [at for at, macs in run.devices() if mac in macs]
        return [at for at, macs in run.devices() if mac not in macs and with_it and at > with_it[-1]]

    # The console comes late.
    run.until(left)
    gone = min(left(), default=over)
    if gone <= detaching_until:
        return "while the attachment is detaching"
    return "when the attachment is over" if gone <= over else "after the attachment is over"


@probe("attach-index-beyond", "attach-card-missing", "attach-order-eni-instance", "attach-order-limit-index")
def slots(run):
    for place in ({"device": 99}, {"NetworkCardIndex": 1}):
        with run.interface() as eni:
            yield run.attach(eni, **place)
    unknown = {"NetworkInterfaceId": f"eni-{NOBODYS}", "InstanceId": f"i-{NOBODYS}", "DeviceIndex": 1}
    yield run.ask("attach_network_interface", **unknown)
    with run.interface() as first, run.interface() as second, run.interface() as third:
        run.attach_whole(first, 1)
        run.attach_whole(second, 2)
        yield run.attach(third, 1)


@probe("create-addresses-and-prefixes")
def addresses_and_prefixes(run):
    yield run.ask_create(SecondaryPrivateIpAddressCount=1, Ipv4PrefixCount=1)


@probe("attach-addresses-beyond")
def addresses_beyond(run):
    # More than either type has room for on one interface.
    with run.interface(SecondaryPrivateIpAddressCount=10) as eni:
        yield run.attach(eni)


@probe("attach-other-zone")
def other_zone(run):
    if run.args.other_zone_subnet:
        with run.interface(SubnetId=run.args.other_zone_subnet) as eni:
            yield run.attach(eni)


@probe("attach-other-network", "create-other-network-group", "modify-other-network-group")
def other_network(run):
    if run.args.other_network_subnet:
        with run.interface(SubnetId=run.args.other_network_subnet) as far, run.interface() as near:
            yield run.attach(far)
            groups = [run.described(far)["Groups"][0]["GroupId"]]
            yield run.ask_create(Groups=groups)
            yield run.ask(MODIFY, NetworkInterfaceId=near, Groups=groups)


@probe("create-subnet-full")
def subnet_full(run):
    if run.args.small_subnet:
        with contextlib.ExitStack() as made:
            try:
                for _ in range(TOO_MANY):
                    made.enter_context(run.interface(wait=False, SubnetId=run.args.small_subnet))
                yield "granted"
            except ClientError as error:
                yield told(error)


@probe("create-token-mismatch", "create-token-deleted", "create-token-long", "create-token-empty")
def tokens(run):
    token = str(uuid.uuid4())
    with run.interface(ClientToken=token) as eni:
        yield run.ask_create(ClientToken=token, Description="another")
    yield again(run, token, eni)
    yield run.ask_create(ClientToken=token + "x" * 65)
    with run.interface(ClientToken="") as eni:
        yield again(run, "", eni)


def again(run, token, eni):
    """What a Create gives whose ClientToken made `eni`."""
    try:
        return "the first answer again" if run.create(ClientToken=token) == eni else "another interface"
    except ClientError as error:
        return told(error)


@probe("create-description-long", "create-group-twice", "create-tags-twice", "create-tag-key-twice")
def oddly_made(run):
    with run.interface() as eni:
        group = run.described(eni)["Groups"][0]["GroupId"]
    yield run.ask_create(Description="x" * 256)
    yield run.ask_create(Groups=[group, group])
    yield run.ask_create(TagSpecifications=run.tags("network-interface", "network-interface"))
    twice = run.tags("network-interface")
    twice[0]["Tags"] += [{"Key": "twice", "Value": "a"}, {"Key": "twice", "Value": "b"}]
    yield run.ask_create(TagSpecifications=twice)


@probe("tag-key-long", "tag-value-long", "tag-too-many")
def oddly_tagged(run):
    with run.interface() as eni:
        yield run.ask("create_tags", Resources=[eni], Tags=[{"Key": "k" * 129, "Value": "v"}])
        yield run.ask("create_tags", Resources=[eni], Tags=[{"Key": "k", "Value": "v" * 257}])
        yield run.ask("create_tags", Resources=[eni], Tags=[{"Key": f"k{n}", "Value": "v"} for n in range(50)])


@probe("untag-absent", "untag-other-value", "untag-key-twice")
def oddly_untagged(run):
    with run.interface() as eni:
        run.ask("create_tags", Resources=[eni], Tags=[{"Key": "a", "Value": "b"}])
        yield run.ask("delete_tags", Resources=[eni], Tags=[{"Key": "none"}])
        yield run.ask("delete_tags", Resources=[eni], Tags=[{"Key": "a", "Value": "other"}])
        yield run.ask("delete_tags", Resources=[eni], Tags=[{"Key": "a"}, {"Key": "a", "Value": "b"}])


@probe("modify-nothing", "modify-unknown-attachment", "modify-two", "modify-unknown-group")
def oddly_changed(run):
    with run.interface() as eni:
        yield run.ask(MODIFY, NetworkInterfaceId=eni)
        nobodys = {"AttachmentId": f"eni-attach-{NOBODYS}", "DeleteOnTermination": True}
        yield run.ask(MODIFY, NetworkInterfaceId=eni, Attachment=nobodys)
        yield run.ask(MODIFY, NetworkInterfaceId=eni, SourceDestCheck={"Value": True}, Description={"Value": "a"})
        yield run.ask(MODIFY, NetworkInterfaceId=eni, Groups=[f"sg-{NOBODYS}"])


@probe("tracking-out-of-bounds", "tracking-changed")
def tracked(run):
    yield run.ask_create(ConnectionTrackingSpecification={"UdpTimeout": 61})
    with run.interface(ConnectionTrackingSpecification={"TcpEstablishedTimeout": 600}) as eni:
        run.ask(MODIFY, NetworkInterfaceId=eni, ConnectionTrackingSpecification={"UdpTimeout": 45})
        seconds = run.described(eni).get("ConnectionTrackingConfiguration", {})
        yield ", ".join(f"{name} {value}" for name, value in sorted(seconds.items()))


@probe("tag-unknown-eni", "untag-unknown-eni", "tag-resources-too-many", "dry-run-unknown-eni", "instance-malformed", "subnet-malformed")
def unknown_ids(run):
    nobodys = f"eni-{NOBODYS}"
    tag = {"Tags": [{"Key": "a", "Value": "b"}]}
    yield run.ask("create_tags", Resources=[nobodys], **tag)
    yield run.ask("delete_tags", Resources=[nobodys], **tag)
    yield run.ask("create_tags", Resources=[nobodys] * 1001, **tag)
    yield run.ask("delete_network_interface", NetworkInterfaceId=nobodys, DryRun=True)
    yield run.ask("describe_instances", InstanceIds=[nobodys])
    yield run.ask("describe_subnets", SubnetIds=[nobodys])


@probe("parameter-twice", "instance-malformed-first")
def raw(run):
    # Granted if the last counts.
    yield run.ask_otherwise(lambda body: [("MaxResults", "1"), *body], LIST, MaxResults=5)
    named = {"NetworkInterfaceId": f"eni-{NOBODYS}", "InstanceId": f"eni-{NOBODYS}", "DeviceIndex": 1}
    yield run.ask_otherwise(without_index, "attach_network_interface", **named)


def without_index(body):
    """The parameters of an Attach that lacks one."""
    return [(name, value) for name, value in body if name != "DeviceIndex"]


@probe("ids-max-results-interfaces", "ids-max-results-subnets", "ids-max-results-groups", "ids-max-results-types")
def ids_with_max_results(run):
    yield run.ask(LIST, NetworkInterfaceIds=[f"eni-{NOBODYS}"], MaxResults=5)
    yield run.ask("describe_subnets", SubnetIds=[run.args.subnet], MaxResults=5)
    yield run.ask("describe_security_groups", GroupIds=[f"sg-{NOBODYS}"], MaxResults=5)
    yield run.ask("describe_instance_types", InstanceTypes=["m5.large"], MaxResults=5)


@probe("next-token-wrong", "next-token-empty", "max-results-above", "filter-value-impossible")
def pages(run):
    yield run.ask(LIST, NextToken="wrong", MaxResults=5)
    yield run.ask(LIST, NextToken="", MaxResults=5)
    yield run.ask(LIST, MaxResults=1001)
    yield run.ask(LIST, Filters=[{"Name": "status", "Values": ["red"]}])


@probe("next-token-other-filter", "next-token-other-size", "next-token-other-action")
def tokens_of_pages(run):
    with contextlib.ExitStack() as made:
        for _ in range(6):
            made.enter_context(run.interface())
        mine, other = run.tagged(), [{"Name": "tag-key", "Values": [TAG]}]
        token = run.ec2.describe_network_interfaces(Filters=mine, MaxResults=5)["NextToken"]
        for method, parameters in (
            (LIST, {"Filters": other, "MaxResults": 5}),
            (LIST, {"Filters": mine, "MaxResults": 6}),
            ("describe_subnets", {"MaxResults": 5}),
        ):
            yield run.ask(method, NextToken=token, **parameters).replace(token, "<token>")


@probe("attach-stopping", "attach-stopped", "reboot-stopped", "attach-starting")
def stopping(run):
    with run.interface() as first:
        run.power("stop")
        yield run.attach(first)
        run.until(lambda: run.state() == "stopped")
    with run.interface() as second, run.interface() as third:
        yield run.attach(second)
        yield run.power("reboot")
        run.power("start")
        yield run.attach(third, 2)
        run.until(lambda: run.state() == "running")


# Last: the instance is gone afterwards.
@probe("status-shutting-down", "detach-shutting-down", "status-terminated", "attach-terminated")
def shutting_down(run):
    with run.interface() as first, run.interface() as second:
        run.attach_whole(first, 1)
        run.attach_whole(second, 2)
        run.power("terminate")
        yield run.status(first)
        yield run.detach()
        run.until(lambda: run.state() == "terminated")
        yield run.status(first)
        yield run.attach(first)
