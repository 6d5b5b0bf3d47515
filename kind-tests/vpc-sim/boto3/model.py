"""Prints which parameters and filters EC2 knows for each action that the simulator plays, as botocore's model has them.

The first line of the file says how it is made anew; `drive.py` compares it.
"""

import html
import re
import sys

import botocore.session

HEADER = "# Made by: $(kind-tests/vpc-sim/boto3/python.sh) kind-tests/vpc-sim/boto3/model.py > kind-tests/vpc/ec2-model.txt"
ACTIONS = [
    "AttachNetworkInterface",
    "CreateNetworkInterface",
    "CreateTags",
    "DeleteNetworkInterface",
    "DeleteTags",
    "DescribeInstanceTypes",
    "DescribeInstances",
    "DescribeNetworkInterfaces",
    "DescribeSecurityGroups",
    "DescribeSubnets",
    "DetachNetworkInterface",
    "ModifyNetworkInterfaceAttribute",
]


def wire_name(name, shape):
    """The name of a member in a form: botocore.serialize.EC2Serializer._get_serialized_name."""
    if "queryName" in shape.serialization:
        return shape.serialization["queryName"]
    name = shape.serialization.get("name", name)
    return name[0].upper() + name[1:]


def parameters(shape, path=""):
    """Every parameter below `shape`, with `N` for the number of a list's member."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from parameters(member, f"{path}.{wire_name(name, member)}".lstrip("."))
    elif shape.type_name == "list":
        yield from parameters(shape.member, f"{path}.N")
    else:
        yield path


def filters(shape):
    """The documented names, but for `tag:<key>`. Only the documentation of the member has them."""
    if "Filters" not in shape.members:
        return []
    text = html.unescape(shape.members["Filters"].documentation)
    names = re.findall(r"<li>\s*<p>\s*<code>([a-z0-9.-]+)</code>\s*-", text)
    for aliases in re.findall(r"You can also use (.*?) as the filter name", text):
        names += re.findall(r"<code>(\w+)</code>", aliases)
    return [name for name in names if name != "tag"]


def lines():
    """The whole file."""
    yield HEADER
    model = botocore.session.get_session().get_service_model("ec2")
    for action in ACTIONS:
        shape = model.operation_model(action).input_shape
        yield from sorted(f"{action} parameter {name}" for name in parameters(shape))
        yield from sorted(f"{action} filter {name}" for name in set(filters(shape)))


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lines())
