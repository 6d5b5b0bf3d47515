"""Compares an answer's XML with the output that botocore's model of EC2 has, more strictly than its own parser."""

import xml.etree.ElementTree as ElementTree

NUMBERS = {"integer": int, "long": int, "float": float, "double": float}
# What EC2 answers although its model does not list it: the example of
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkInterface.html has it.
UNLISTED = {"NetworkInterfaceStatus": ["pending"]}


def check(body, shape):
    """Every element must be in the model, once, with a value of its type."""
    root = ElementTree.fromstring(body)
    assert local(root) == shape.name.removesuffix("Result") + "Response", root.tag
    # botocore takes the request's id from beside the members.
    root.remove(next(child for child in root if local(child) == "requestId"))
    structure(root, shape, shape.name)


def local(element):
    """The name without its namespace."""
    return element.tag.rpartition("}")[2]


def structure(element, shape, path):
    """The members of `element` are those of `shape`, each at most once."""
    names = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    seen = set()
    for child in element:
        name = local(child)
        assert name in names, f"{path} has no member {name}"
        assert name not in seen, f"{path}.{name} is there twice"
        seen.add(name)
        value(child, names[name], f"{path}.{name}")


def value(element, shape, path):
    """The content of `element` is of the type of `shape`."""
    if shape.type_name == "structure":
        structure(element, shape, path)
    elif shape.type_name == "list":
        for item in element:
            assert local(item) == shape.member.serialization.get("name", "member"), f"{path} has {local(item)}"
            value(item, shape.member, f"{path}[]")
    else:
        assert len(element) == 0, f"{path} has members"
        scalar(element.text or "", shape, path)


def scalar(text, shape, path):
    """`text` is written as EC2 writes this type."""
    if shape.type_name == "boolean":
        assert text in ("true", "false"), f"{path} is {text!r}"
    elif shape.type_name in NUMBERS:
        NUMBERS[shape.type_name](text)
    elif getattr(shape, "enum", []):
        assert text in shape.enum + UNLISTED.get(shape.name, []), f"{path} is {text!r}, none of {shape.enum}"
