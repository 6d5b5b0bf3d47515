"""Answers calls without making them, for a dry run."""

import json
from urllib.parse import parse_qsl


def pretend(model, params, **_):
    """Prints a call, and answers it with the little that is read of an answer."""
    body = params["body"]
    named = [(name, value) for name, value in pairs(body) if name not in ("Action", "Version")]
    print(model.name, json.dumps(named))
    return type("Answer", (), {"status_code": 200}), answer(model.name, dict(named))


def pairs(body):
    """The parameters of a call, of which one that is sent as a text may have some twice."""
    return parse_qsl(body, keep_blank_values=True) if isinstance(body, str) else list(body.items())


def answer(action, parameters):
    """An answer in the form in which boto3 gives it."""
    group = {"GroupId": "sg-1"}
    eni = {"NetworkInterfaceId": "eni-1", "Status": "available", "MacAddress": "00:00:5e:00:53:01", "Groups": [group]}
    instance = {"InstanceId": "i-1", "State": {"Name": "terminated"}}
    # A paginator asks without a size, and would go on for ever with a token.
    more = {"NextToken": "token"} if "MaxResults" in parameters else {}
    answers = {
        "AttachNetworkInterface": {"AttachmentId": "eni-attach-1"},
        "CreateNetworkInterface": {"NetworkInterface": eni},
        "DescribeInstances": {"Reservations": [{"Instances": [instance]}]},
        "DescribeNetworkInterfaces": {"NetworkInterfaces": [eni]} | more,
        "GetConsoleOutput": {"Output": f"devices 1 {eni['MacAddress']}\ndevices 2\n"},
        "RunInstances": {"Instances": [instance]},
    }
    return answers.get(action, {})
