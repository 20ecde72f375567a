"""The command line: `python3 -m cluster up`, and so on."""

import argparse
import os
import sys
from collections.abc import Sequence

from cluster import binaries, lifecycle, machine
from cluster.problems import Problem
from cluster.progress import say
from cluster.settings import DEFAULT_NAME, Places, places


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        here = places(os.environ)
        options.command(options, here)
    except Problem as problem:
        say(f"octans: {problem}")
        return 1
    except KeyboardInterrupt:
        say("octans: interrupted; the same command again goes on from here.")
        return 130
    return 0


def _up(options: argparse.Namespace, here: Places) -> None:
    cluster = here.cluster(options.name)
    machine.prepare(here.cache)
    built = binaries.build(here.cache)
    with lifecycle.alone(here, cluster):
        lifecycle.up(here, cluster, built)
    print(cluster.kubeconfig)


def _down(options: argparse.Namespace, here: Places) -> None:
    cluster = here.cluster(options.name)
    with lifecycle.alone(here, cluster):
        lifecycle.down(cluster, keep_state=options.keep_state)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m cluster", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--name", default=DEFAULT_NAME, help="which cluster (default: %(default)s)")
    up = commands.add_parser("up", parents=[named], help="make the cluster, or make it whole again")
    up.set_defaults(command=_up)
    down = commands.add_parser("down", parents=[named], help="remove the cluster and all it left")
    down.add_argument("--keep-state", action="store_true", help="its objects return at the next up")
    down.set_defaults(command=_down)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
