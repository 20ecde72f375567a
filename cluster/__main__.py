"""The command line: `python3 -m cluster up`, and so on."""

import argparse
import os
import sys
from collections.abc import Sequence

from cluster import binaries, images, lifecycle, load, machine
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


def _base(_: argparse.Namespace, here: Places) -> None:
    machine.prepare(here.cache)
    print(images.ensure_base(here.cache))


def _build(options: argparse.Namespace, here: Places) -> None:
    machine.prepare(here.cache)
    arguments = [f"--build-arg={value}" for value in options.build_arg]
    if options.file:
        arguments.append(f"--file={options.file}")
    if options.target:
        arguments.append(f"--target={options.target}")
    images.build(here.cache, options.tag, [*arguments, options.context])


def _load(options: argparse.Namespace, here: Places) -> None:
    cluster = here.cluster(options.name)
    node = lifecycle.running(cluster, binaries.Binaries(here.cache / "bin"))
    for image in options.image:
        load.load(here.cache, node, image)


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
    base = commands.add_parser("base", help="make the base image, once, and print its tag")
    base.set_defaults(command=_base)
    build = commands.add_parser("build", help="build an image with buildah")
    build.add_argument("-t", "--tag", required=True)
    build.add_argument("-f", "--file", help="the Dockerfile (default: the context's)")
    build.add_argument("--target", help="the stage to build (default: the last)")
    build.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    build.add_argument("context", metavar="CONTEXT")
    build.set_defaults(command=_build)
    load = commands.add_parser("load", parents=[named], help="give the node local images")
    load.add_argument("image", nargs="+", metavar="IMAGE")
    load.set_defaults(command=_load)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
