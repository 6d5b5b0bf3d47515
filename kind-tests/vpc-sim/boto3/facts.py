"""Settles by experiment what docs/simulator.md marks as unverified: on a real account, or on the simulator.

`facts.py --subnet <id> --out <file>` launches one small instance in the subnet and makes interfaces there, all with the tag
`eniclaim-aws-facts`, and removes them whatever happens. What a killed run left, `--clean` removes; its instance ends by
itself after an hour. `--dry-run` prints the calls and makes none.
"""

import argparse
import contextlib
import http.client
import json
import pathlib
import re
import signal
import socket
import sys
import time
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

TAG = "eniclaim-aws-facts"
IMAGE = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
# As many interfaces as the simulator's m5.large.
TYPE = "t3.small"
AN_HOUR = "#!/bin/sh\nshutdown -h +60\n"
NOBODYS = "0123456789abcdef0"
DEADLINE = 600
# What differs between accounts, in EC2's sentences.
NAMES = [
    (r"\b(eni-attach|eni|i|sg|subnet|vpc)-[0-9a-f]{8,17}\b", r"<\1>"),
    (r"\b[0-9]{12}\b", "<account>"),
    (r"\b(t3|m5)\.\w+\b", "<type>"),
]
PROBES = []


def probe(*names):
    """Registers a function that yields what was seen for each of these facts."""

    def register(function):
        PROBES.append((names, function))
        return function

    return register


def told(error):
    """An error without what differs between accounts."""
    text = "{Code}: {Message}".format(**error.response["Error"])
    for pattern, name in NAMES:
        text = re.sub(pattern, name, text)
    return text


class Run:
    """One instance, and what is asked about it."""

    def __init__(self, args):
        self.args = args
        self.instance = args.instance
        # What the last Attach gave.
        self.attachment = None
        config = Config(retries={"mode": "standard"}, connect_timeout=5, read_timeout=60)
        self.ec2 = boto3.client("ec2", region_name=args.region, endpoint_url=args.endpoint, config=config)
        if args.dry_run:
            self.ec2.meta.events.register("before-call.ec2", pretend)

    def ask(self, method, **parameters):
        """Makes a call; `granted`, or how it was refused."""
        try:
            answer = getattr(self.ec2, method)(**parameters)
        except ClientError as error:
            return told(error)
        self.attachment = answer.get("AttachmentId", self.attachment)
        return "granted"

    def create(self, **parameters):
        """One interface; its id."""
        parameters = {"SubnetId": self.args.subnet, "TagSpecifications": tags("network-interface")} | parameters
        return self.ec2.create_network_interface(**parameters)["NetworkInterface"]["NetworkInterfaceId"]

    @contextlib.contextmanager
    def interface(self, wait=True, **parameters):
        """An interface that is gone afterwards."""
        eni = self.create(**parameters)
        if wait:
            self.until(lambda: self.status(eni) == "available")
        yield eni
        self.release(eni)

    def attach(self, eni, device=1, **parameters):
        """How an Attach is answered."""
        named = {"NetworkInterfaceId": eni, "InstanceId": self.instance, "DeviceIndex": device}
        return self.ask("attach_network_interface", **named, **parameters)

    def attach_whole(self, eni, device=1):
        """Attaches for good."""
        answer = self.attach(eni, device)
        assert answer == "granted", answer
        self.until(lambda: self.status(eni) == "in-use, attached")

    def detach(self, force=False):
        """How a Detach of the last attachment is answered."""
        return self.ask("detach_network_interface", AttachmentId=self.attachment, Force=force)

    def described(self, eni):
        """The interface, or nothing if EC2 does not know it, by a filter so that it is no error."""
        by_id = [{"Name": "network-interface-id", "Values": [eni]}]
        return next(iter(self.ec2.describe_network_interfaces(Filters=by_id)["NetworkInterfaces"]), None)

    def status(self, eni):
        """The interface's status and that of its attachment."""
        seen = self.described(eni) or {"Status": "gone"}
        own = [seen["Status"], seen.get("Attachment", {}).get("Status")]
        return ", ".join(status for status in own if status)

    def release(self, eni):
        """Detaches by force and deletes, in whatever state the interface is."""

        def gone():
            seen = self.described(eni)
            if seen and seen.get("Attachment"):
                self.ask("detach_network_interface", AttachmentId=seen["Attachment"]["AttachmentId"], Force=True)
            elif seen:
                self.ask("delete_network_interface", NetworkInterfaceId=eni)
            return not seen

        self.until(gone)

    def until(self, done):
        """Waits for something that EC2 does in the background. A dry run looks once."""
        end = time.monotonic() + DEADLINE
        while not done() and not self.args.dry_run:
            assert time.monotonic() < end, "EC2 has not done within the deadline what it was waited for"
            time.sleep(self.args.poll)

    def launch(self):
        """The instance, if none was given."""
        made = self.ec2.run_instances(
            ImageId=IMAGE,
            InstanceType=TYPE,
            MinCount=1,
            MaxCount=1,
            SubnetId=self.args.subnet,
            UserData=AN_HOUR,
            InstanceInitiatedShutdownBehavior="terminate",
            TagSpecifications=tags("instance"),
        )
        self.instance = made["Instances"][0]["InstanceId"]
        self.until(lambda: self.state() == "running")

    def state(self):
        """That of the instance."""
        by_id = [{"Name": "instance-id", "Values": [self.instance]}]
        found = self.ec2.describe_instances(Filters=by_id)["Reservations"]
        return found[0]["Instances"][0]["State"]["Name"] if found else "unknown"

    def power(self, verb):
        """Stops, starts, reboots or terminates the instance; how that is answered."""
        if not self.args.sim:
            return self.ask(f"{verb}_instances", InstanceIds=[self.instance])
        control = http.client.HTTPConnection("vpc-sim")
        control.sock = socket.socket(socket.AF_UNIX)
        control.sock.connect(self.args.sim)
        control.request("POST", f"/sim/instances/{self.instance}/{verb}")
        answer = json.loads(control.getresponse().read())
        code, _, message = answer.get("error", "").partition(": ")
        return told(ClientError({"Error": {"Code": code, "Message": message}}, verb)) if code else "granted"

    def clean(self):
        """Removes everything with the tag."""
        if not self.args.instance:
            by_tag = [{"Name": "tag-key", "Values": [TAG]}, {"Name": "instance-state-name", "Values": ALIVE}]
            found = self.ec2.describe_instances(Filters=by_tag)["Reservations"]
            ids = [instance["InstanceId"] for one in found for instance in one["Instances"]]
            if ids:
                self.ec2.terminate_instances(InstanceIds=ids)
                self.ec2.get_waiter("instance_terminated").wait(InstanceIds=ids)
        by_tag = [{"Name": "tag-key", "Values": [TAG]}]
        for page in self.ec2.get_paginator("describe_network_interfaces").paginate(Filters=by_tag):
            for eni in page["NetworkInterfaces"]:
                self.release(eni["NetworkInterfaceId"])


ALIVE = ["pending", "running", "shutting-down", "stopping", "stopped"]


def tags(kind):
    """What everything gets that is made here."""
    return [{"ResourceType": kind, "Tags": [{"Key": TAG, "Value": "may be deleted"}]}]


def pretend(model, params, **_):
    """Prints a call, and answers it with the little that is read of an answer."""
    body = {name: value for name, value in params["body"].items() if name not in ("Action", "Version")}
    print(model.name, json.dumps(body))
    eni = {"NetworkInterfaceId": "eni-1", "Status": "available"}
    instance = {"InstanceId": "i-1", "State": {"Name": "terminated"}}
    answers = {
        "AttachNetworkInterface": {"AttachmentId": "eni-attach-1"},
        "CreateNetworkInterface": {"NetworkInterface": eni},
        "DescribeInstances": {"Reservations": [{"Instances": [instance]}]},
        "DescribeNetworkInterfaces": {"NetworkInterfaces": [eni]},
        "RunInstances": {"Instances": [instance]},
    }
    return type("Answer", (), {"status_code": 200}), answers.get(model.name, {})


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


@probe("attach-other-zone")
def other_zone(run):
    if run.args.other_zone_subnet:
        with run.interface(SubnetId=run.args.other_zone_subnet) as eni:
            yield run.attach(eni)


@probe("create-token-mismatch", "create-token-deleted", "create-token-long")
def tokens(run):
    token = str(uuid.uuid4())
    with run.interface(ClientToken=token) as eni:
        same = {"SubnetId": run.args.subnet, "TagSpecifications": tags("network-interface")}
        yield run.ask("create_network_interface", ClientToken=token, Description="another", **same)
    try:
        yield "the first answer again" if run.create(ClientToken=token) == eni else "another interface"
    except ClientError as error:
        yield told(error)
    yield run.ask("create_network_interface", ClientToken=token + "x" * 65, **same)


@probe("modify-unknown-group", "tag-unknown-eni", "dry-run-unknown-eni", "instance-malformed", "subnet-malformed")
def unknown_ids(run):
    nobodys = f"eni-{NOBODYS}"
    with run.interface() as eni:
        yield run.ask("modify_network_interface_attribute", NetworkInterfaceId=eni, Groups=[f"sg-{NOBODYS}"])
    yield run.ask("create_tags", Resources=[nobodys], Tags=[{"Key": "a", "Value": "b"}])
    yield run.ask("delete_network_interface", NetworkInterfaceId=nobodys, DryRun=True)
    yield run.ask("describe_instances", InstanceIds=[nobodys])
    yield run.ask("describe_subnets", SubnetIds=[nobodys])


@probe("ids-max-results-interfaces", "ids-max-results-subnets", "ids-max-results-groups", "ids-max-results-types")
def ids_with_max_results(run):
    yield run.ask("describe_network_interfaces", NetworkInterfaceIds=[f"eni-{NOBODYS}"], MaxResults=5)
    yield run.ask("describe_subnets", SubnetIds=[run.args.subnet], MaxResults=5)
    yield run.ask("describe_security_groups", GroupIds=[f"sg-{NOBODYS}"], MaxResults=5)
    yield run.ask("describe_instance_types", InstanceTypes=["m5.large"], MaxResults=5)


@probe("next-token-wrong", "next-token-empty", "max-results-above", "filter-value-impossible")
def pages(run):
    list_all = "describe_network_interfaces"
    yield run.ask(list_all, NextToken="wrong", MaxResults=5)
    yield run.ask(list_all, NextToken="", MaxResults=5)
    yield run.ask(list_all, MaxResults=1001)
    yield run.ask(list_all, Filters=[{"Name": "status", "Values": ["red"]}])


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
@probe("status-shutting-down", "detach-shutting-down", "status-terminated")
def shutting_down(run):
    with run.interface() as first, run.interface() as second:
        run.attach_whole(first, 1)
        run.attach_whole(second, 2)
        run.power("terminate")
        yield run.status(first)
        yield run.detach()
        run.until(lambda: run.state() == "terminated")
        yield run.status(first)


def settle(run):
    """All facts, by name."""
    facts = {}
    for names, function in PROBES:
        # The whole probe first, with what it cleans up. Not every account can settle every fact.
        for name, seen in zip(names, list(function(run))):
            facts[name] = seen
            print(f"{name}: {seen}", file=sys.stderr)
    return facts


def stop(*_):
    """A signal ends the run as an error does."""
    sys.exit("stopped by a signal; cleaning up")


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subnet", help="where instance and interfaces are made")
    parser.add_argument("--other-zone-subnet", help="a subnet of another zone of the same network")
    parser.add_argument("--out", type=pathlib.Path, help="where the facts are written as JSON")
    parser.add_argument("--dry-run", action="store_true", help="print the calls and make none")
    parser.add_argument("--clean", action="store_true", help="only remove what a killed run left")
    parser.add_argument("--list", action="store_true", help="print the names of all facts")
    parser.add_argument("--region", help="default: that of the environment")
    parser.add_argument("--poll", type=float, default=1.0, help="seconds between looks at what EC2 is doing")
    parser.add_argument("--endpoint", help="of the simulator")
    parser.add_argument("--instance", help="use this one of the simulator and launch none")
    parser.add_argument("--sim", help="the simulator's control socket, which stops and starts the instance")
    return parser.parse_args()


def main():
    """All of it."""
    args = arguments()
    if args.list:
        print("\n".join(name for names, _ in PROBES for name in names))
        return
    if not args.subnet and not args.clean:
        sys.exit("facts.py needs --subnet: where the instance and its interfaces are made")
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, stop)
    run = Run(args)
    facts = {}
    try:
        if not args.clean:
            if not run.instance:
                run.launch()
            facts = settle(run)
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        run.clean()
    if args.out and not args.dry_run:
        args.out.write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
