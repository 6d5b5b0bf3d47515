"""One run of the script: its instance, the calls that are made about it, and the removal of everything that carries its tag."""

import contextlib
import functools
import http.client
import json
import pathlib
import re
import socket
import sys
import time
import uuid
from urllib.parse import urlencode

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from pretend import pairs, pretend

TAG = "eniclaim-aws-facts"
IMAGE = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
ROOT_DEVICE = "/dev/xvda"
# As many interfaces as the simulator's m5.large.
TYPE = "t3.small"
WATCH = pathlib.Path(__file__).with_name("watch.sh")
DEADLINE = 600
# Looks that must find nothing, one after the other: what was made last may be listed late.
LOOKS = 3
ALIVE = ["pending", "running", "shutting-down", "stopping", "stopped"]
# What differs between accounts, in EC2's sentences.
NAMES = [
    (r"\b(eni-attach|eni|i|sg|subnet|vpc)-[0-9a-f]{8,17}\b", r"<\1>"),
    (r"\b[0-9]{12}\b", "<account>"),
    (r"\b(t3|m5)\.\w+\b", "<type>"),
]


def told(error):
    """An error without what differs between accounts."""
    text = "{Code}: {Message}".format(**error.response["Error"])
    for pattern, name in NAMES:
        text = re.sub(pattern, name, text)
    return text


def user_data():
    """Ends the instance an hour after each of its starts, and lets it write to its console which devices it has."""
    return f"""#!/bin/sh
cat > /usr/local/bin/watch-devices <<'END OF WATCH'
{WATCH.read_text(encoding="utf-8")}END OF WATCH
boot=/var/lib/cloud/scripts/per-boot/eniclaim
cat > $boot <<'END OF BOOT'
#!/bin/sh
shutdown -h +60
setsid sh /usr/local/bin/watch-devices /dev/console > /dev/null 2>&1 &
END OF BOOT
chmod +x $boot
exec $boot
"""


class Run:
    """One instance, and what is asked about it."""

    def __init__(self, args):
        self.args = args
        self.name = args.run or (None if args.clean else f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}")
        self.instance = args.instance
        # What the last Attach gave.
        self.attachment = None
        config = Config(retries={"mode": "standard"}, connect_timeout=5, read_timeout=60)
        self.ec2 = boto3.client("ec2", region_name=args.region, endpoint_url=args.endpoint, config=config)
        if args.dry_run:
            self.ec2.meta.events.register("before-call.ec2", pretend)

    def tags(self, *kinds):
        """What everything gets as it is made: by this it is found and removed, whatever else is known about it."""
        mark = {"Key": TAG, "Value": self.name}
        return [{"ResourceType": kind, "Tags": [mark]} for kind in kinds]

    def tagged(self):
        """The filter that finds what this run has made, or what any has if none is named."""
        if self.name:
            return [{"Name": f"tag:{TAG}", "Values": [self.name]}]
        return [{"Name": "tag-key", "Values": [TAG]}]

    def ask(self, method, **parameters):
        """Makes a call; `granted`, or how it was refused."""
        try:
            answer = getattr(self.ec2, method)(**parameters)
        except ClientError as error:
            return told(error)
        self.attachment = answer.get("AttachmentId", self.attachment)
        return "granted"

    def ask_otherwise(self, change, method, **parameters):
        """The same with the parameters that `change` makes of the pairs of names and values: what boto3 would not send."""

        def rewrite(params, **_):
            params["body"] = urlencode(change(pairs(params["body"])))

        event = f"before-call.ec2.{self.ec2.meta.method_to_api_mapping[method]}"
        self.ec2.meta.events.register_first(event, rewrite)
        try:
            return self.ask(method, **parameters)
        finally:
            self.ec2.meta.events.unregister(event, rewrite)

    def new(self, **parameters):
        """The parameters of a Create."""
        return {"SubnetId": self.args.subnet, "TagSpecifications": self.tags("network-interface")} | parameters

    def create(self, **parameters):
        """One interface; its id."""
        made = self.ec2.create_network_interface(**self.new(**parameters))
        return made["NetworkInterface"]["NetworkInterfaceId"]

    def ask_create(self, **parameters):
        """How a Create is answered."""
        return self.ask("create_network_interface", **self.new(**parameters))

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

    def remove(self, seen):
        """One step towards the end of an interface, in whatever state it is."""
        attachment = seen.get("Attachment")
        if attachment:
            return self.ask("detach_network_interface", AttachmentId=attachment["AttachmentId"], Force=True)
        return self.ask("delete_network_interface", NetworkInterfaceId=seen["NetworkInterfaceId"])

    def release(self, eni):
        """Ends an interface."""

        def gone():
            seen = self.described(eni)
            if seen:
                self.remove(seen)
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
            UserData=user_data(),
            InstanceInitiatedShutdownBehavior="terminate",
            BlockDeviceMappings=[{"DeviceName": ROOT_DEVICE, "Ebs": {"DeleteOnTermination": True}}],
            TagSpecifications=self.tags("instance", "volume", "network-interface"),
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
        error = self.control("POST", f"/sim/instances/{self.instance}/{verb}").get("error", "")
        code, _, message = error.partition(": ")
        return told(ClientError({"Error": {"Code": code, "Message": message}}, verb)) if code else "granted"

    def control(self, method, path):
        """Asks the simulator's control socket."""
        control = http.client.HTTPConnection("vpc-sim")
        control.sock = socket.socket(socket.AF_UNIX)
        control.sock.connect(self.args.sim)
        control.request(method, path)
        return json.loads(control.getresponse().read())

    def devices(self):
        """What the instance has written about its devices: times, and the MAC addresses that it then had."""
        if self.args.console:
            text = self.args.console.read_text(encoding="utf-8")
        else:
            text = self.ec2.get_console_output(InstanceId=self.instance, Latest=True).get("Output", "")
        return [(float(at), macs.split()) for at, macs in re.findall(r"devices ([0-9.]+)((?: [0-9a-f:]{17})*)", text)]

    def left(self):
        """What carries the tag, by id, and how to take a step towards its end."""
        alive = [*self.tagged(), {"Name": "instance-state-name", "Values": ALIVE}]
        steps = {}
        for page in self.ec2.get_paginator("describe_instances").paginate(Filters=alive):
            for one in [one for reservation in page["Reservations"] for one in reservation["Instances"]]:
                ids = [one["InstanceId"]]
                steps[ids[0]] = functools.partial(self.ask, "terminate_instances", InstanceIds=ids)
        for page in self.ec2.get_paginator("describe_network_interfaces").paginate(Filters=self.tagged()):
            for eni in page["NetworkInterfaces"]:
                steps[eni["NetworkInterfaceId"]] = functools.partial(self.remove, eni)
        return steps

    def clean(self):
        """Removes everything that carries the tag, and says what EC2 answered last if it cannot."""
        end = time.monotonic() + DEADLINE
        looks, answers = 0, {}
        while looks < LOOKS:
            answers = {name: step() for name, step in self.left().items()}
            looks = 0 if answers else looks + 1
            if self.args.dry_run:
                return
            if time.monotonic() > end:
                sys.exit(f"still there: {answers}")
            time.sleep(self.args.poll)
