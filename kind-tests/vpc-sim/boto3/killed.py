"""Kills each experiment of facts.py after each of its calls that make or move something, before it knows the answer, and
looks for what cleaning then leaves. Takes the arguments of facts.py; on the simulator only. Prints how often it has killed.
"""

import argparse
import itertools
import json
import os
import signal
import traceback

import facts
from probes import PROBES
from run import TAG, Run

# After a read there is nothing more to clean than before it, after a Delete less.
CHANGES = ("CreateNetworkInterface", "AttachNetworkInterface", "DetachNetworkInterface", "RunInstances")
NAME = "killed"


class Instances:
    """RunInstances, and the calls that find and end what it made, which the simulator does not play. The tag of the one
    instance is in a file, which outlives a process that is killed."""

    def __init__(self, ec2, path):
        self.path = path
        for action in ("RunInstances", "DescribeInstances", "TerminateInstances"):
            ec2.meta.events.register(f"before-call.ec2.{action}", self.answer)

    def answer(self, model, params, **_):
        """Answers a call instead of the simulator."""
        body, answer = params["body"], {}
        if model.name == "RunInstances":
            tag = {f"tag:{body['TagSpecification.1.Tag.1.Key']}": body["TagSpecification.1.Tag.1.Value"]}
            self.path.write_text(json.dumps(tag), encoding="utf-8")
            answer = {"Instances": [{"InstanceId": "i-launched"}]}
        elif model.name == "TerminateInstances":
            self.path.unlink()
        else:
            here = self.tag().get(body["Filter.1.Name"]) == body["Filter.1.Value.1"]
            answer = {"Reservations": [{"Instances": [{"InstanceId": "i-launched"}] if here else []}]}
        return type("Answer", (), {"status_code": 200}), answer

    def tag(self):
        """That of the instance, if there is one."""
        return json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}


def forked(work):
    """Does it in a process of its own; how that has ended."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        work()
        os._exit(0)
    except BaseException:  # pylint: disable=broad-except
        traceback.print_exc()
        os._exit(1)


def killed(run, function, change):
    """Whether the function was killed after its `change`-th change; if not it has ended before."""
    made = itertools.count(1)

    def kill(model, **_):
        if model.name in CHANGES and next(made) == change:
            os.kill(os.getpid(), signal.SIGKILL)

    def work():
        run.ec2.meta.events.register("after-call.ec2", kill)
        list(function(run) or [])

    status = forked(work)
    assert status in (0, signal.SIGKILL), f"{function.__name__} has failed"
    return bool(status)


def launch(args):
    """Kills between the launch of the instance and the moment at which its id is known."""
    run = Run(args)
    instances = Instances(run.ec2, args.out)
    assert killed(run, Run.launch, 1)
    assert instances.tag() == {f"tag:{TAG}": NAME}, instances.tag()
    assert forked(run.clean) == 0
    assert not instances.tag(), "the instance is left"


def experiment(run, cleaner, function):
    """Kills after each change of an experiment; how often that was."""
    for change in itertools.count(1):
        if not killed(run, function, change):
            return change - 1
        cleaner.clean()
        # It may have been killed while the instance was stopped.
        run.power("start")
        left = run.control("GET", "/sim/audit")
        assert not left, f"killed after change {change} of {function.__name__}: {left}"
    return 0


def main():
    """All of it."""
    args = facts.arguments()
    args.run = NAME
    launch(args)
    run = Run(args)
    # What the first call of a client takes longer is not taken by each process; a connection cannot be shared by them.
    run.state()
    run.ec2.close()
    # As CLEAN=1 without a name.
    cleaner = Run(argparse.Namespace(**vars(args) | {"run": None, "clean": True}))
    # The last experiment would leave no instance for another one.
    print(1 + sum(experiment(run, cleaner, function) for _, function in PROBES[:-1]))


if __name__ == "__main__":
    main()
