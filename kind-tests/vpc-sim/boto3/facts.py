"""Settles by experiment what docs/simulator.md marks as unverified: on a real account, or on the simulator.

`facts.py --subnet <id> --out <file>` launches one small instance in the subnet and makes interfaces there, each with the tag
`eniclaim-aws-facts` from the moment it is made, and removes what has the tag whatever happens. What a killed run left,
`--clean` removes; its instance ends by itself after an hour. `--dry-run` prints the calls and makes none.
"""

import argparse
import json
import pathlib
import signal
import sys

from probes import PROBES
from run import TYPE, Run

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
# Shown before anything is made. The price is that of us-east-1, on demand.
PLAN = f"""\
Run {{name}} launches one {TYPE} with a volume of 8 GB in {{subnet}}, stops, starts and terminates it, and makes up to 12
interfaces at a time: some 500 calls in 10 to 20 minutes. Interfaces cost nothing, the instance 0.021 USD an hour: the
whole is less than 0.05 USD. Each part has the tag eniclaim-aws-facts={{name}} and is removed at the end. If the run is
killed: make aws-facts CLEAN=1 RUN={{name}}"""


def settle(run):
    """All facts, by name."""
    facts = {}
    for names, function in PROBES:
        # The whole probe first, with what it cleans up. Not every account can settle every fact.
        for name, seen in zip(names, list(function(run))):
            facts[name] = seen
            if not run.args.dry_run:
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
    parser.add_argument("--other-network-subnet", help="a subnet of another network")
    parser.add_argument("--small-subnet", help="a subnet of the smallest size, /28, which is filled for a moment")
    parser.add_argument("--out", type=pathlib.Path, help="where the facts are written as JSON")
    parser.add_argument("--dry-run", action="store_true", help="print the calls and make none")
    parser.add_argument("--clean", action="store_true", help="only remove what a killed run left")
    parser.add_argument("--run", help="the run whose things --clean removes; default: those of all runs")
    parser.add_argument("--list", action="store_true", help="print the names of all facts")
    parser.add_argument("--region", help="default: that of the environment")
    parser.add_argument("--poll", type=float, default=1.0, help="seconds between looks at what EC2 is doing")
    simulator = parser.add_argument_group("on the simulator")
    simulator.add_argument("--endpoint", help="where it is")
    simulator.add_argument("--instance", help="use this instance and launch none")
    simulator.add_argument("--sim", help="the control socket, which stops and starts the instance")
    simulator.add_argument("--console", type=pathlib.Path, help="what watch.sh writes in the instance")
    return parser.parse_args()


def main():
    """All of it."""
    args = arguments()
    if args.list:
        print("\n".join(name for names, _ in PROBES for name in names))
        return
    if not args.subnet and not args.clean:
        sys.exit("facts.py needs --subnet: where the instance and its interfaces are made")
    for number in SIGNALS:
        signal.signal(number, stop)
    run = Run(args)
    facts = {}
    try:
        if not args.clean:
            print(PLAN.format(name=run.name, subnet=args.subnet), file=sys.stderr)
            if args.dry_run:
                print("Not now: these are the calls.", file=sys.stderr)
            if not run.instance:
                run.launch()
            facts = settle(run)
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        run.clean()
    if args.out and not args.dry_run and not args.clean:
        args.out.write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
