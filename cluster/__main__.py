"""A real Kubernetes on this machine, of one node or several, and images for it."""

import argparse
import os
import resource
import sys
from collections.abc import Sequence
from typing import TypeAlias

from cluster import base, binaries, further_nodes, images, lifecycle, load, machine, status
from cluster.api import Unreachable
from cluster.problems import Problem
from cluster.programs import TOOLS_PATH
from cluster.progress import say
from cluster.settings import DEFAULT_NAME, Places, places

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str]) -> int:
    # Programs that many connections go through are started from here.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Not everybody's PATH has the administrator's programs.
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:{TOOLS_PATH}"
    options = parser().parse_args(arguments)
    try:
        return int(options.command(options, places(os.environ)) or 0)
    except Problem as problem:
        say(f"octans: {problem}")
    except Unreachable as error:
        say(f"octans: the API server does not answer: {error}.")
    except OSError as error:
        say(f"octans: {error.filename or 'input or output'}: {error.strerror or error}.")
    except KeyboardInterrupt:
        say("octans: interrupted; the same command goes on from here.")
        return 130
    return 1


def up(options: argparse.Namespace, here: Places) -> None:
    cluster = here.cluster(options.name)
    machine.prepare(here.cache)
    built = binaries.build(here.cache)
    with lifecycle.alone(here, cluster):
        lifecycle.up(here, cluster, built)
    print(cluster.kubeconfig)


def down(options: argparse.Namespace, here: Places) -> None:
    cluster = here.cluster(options.name)
    machine.require_root()
    with lifecycle.alone(here, cluster):
        lifecycle.down(cluster, keep_state=options.keep_state)


def add_node(options: argparse.Namespace, here: Places) -> None:
    cluster = here.cluster(options.name)
    machine.prepare(here.cache)
    built = binaries.build(here.cache)
    with lifecycle.alone(here, cluster):
        further_nodes.add(here, cluster, lifecycle.running(cluster, built), options.node)
    print(options.node)


def remove_node(options: argparse.Namespace, here: Places) -> None:
    cluster = here.cluster(options.name)
    machine.require_root()
    with lifecycle.alone(here, cluster):
        first = lifecycle.running(cluster, binaries.Binaries(here.cache / "bin"))
        further_nodes.remove(cluster, first, options.node)


def kill_node(options: argparse.Namespace, here: Places) -> None:
    machine.require_root()
    # A power cut waits for nobody, so it takes no lock.
    further_nodes.kill(here.cluster(options.name), options.node)


def show_status(options: argparse.Namespace, here: Places) -> int:
    machine.require_root()
    cluster = here.cluster(options.name)
    built = binaries.Binaries(here.cache / "bin")
    first = lifecycle.running(cluster, built)
    further = further_nodes.running(cluster, built)
    seen = status.of(first, further, further_nodes.known(cluster))
    print(seen)
    return 0 if seen.whole else 1


def kubeconfig(options: argparse.Namespace, here: Places) -> None:
    cluster = here.cluster(options.name)
    if not cluster.kubeconfig.exists():
        raise Problem(f"There is no cluster named “{cluster.name}”.")
    print(cluster.kubeconfig)


def logs(options: argparse.Namespace, here: Places) -> None:
    cluster = here.cluster(options.name)
    home = further_nodes.find(cluster, options.node) if options.node else cluster.first
    status.show_logs(home, options.component, lines=options.lines, follow=options.follow)


def give(options: argparse.Namespace, here: Places) -> None:
    cluster = here.cluster(options.name)
    machine.prepare(here.cache)
    built = binaries.build(here.cache)
    with lifecycle.alone(here, cluster):
        nodes = [lifecycle.running(cluster, built), *further_nodes.running(cluster, built)]
        for image in options.image:
            load.load(here.cache, nodes, image)


def make_base(options: argparse.Namespace, here: Places) -> None:
    machine.prepare(here.cache)
    print(images.ensure_base(here.cache, options.suite))


def build(options: argparse.Namespace, here: Places) -> None:
    machine.prepare(here.cache)
    arguments = [f"--build-arg={value}" for value in options.build_arg]
    if options.file:
        arguments.append(f"--file={options.file}")
    if options.target:
        arguments.append(f"--target={options.target}")
    images.build(here.cache, options.tag, [*arguments, options.context])


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="python3 -m cluster", description=__doc__)
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, does: object, text: str, *, named: bool = True) -> argparse.ArgumentParser:
        return _command(commands, name, does, text, named=named)

    add("up", up, "make the cluster, or make it whole again; prints its kubeconfig's path")
    part = add("down", down, "remove the cluster and all that it left on this machine")
    part.add_argument("--keep-state", action="store_true", help="its objects return at the next up")
    _node_commands(commands)
    add("status", show_status, "say what runs; exit code 1 where something does not")
    add("kubeconfig", kubeconfig, "print the path of the cluster's kubeconfig")
    part = add("logs", logs, "show the components' logs")
    part.add_argument("--node", help="whose (default: the first node's)")
    part.add_argument("component", nargs="?", metavar="COMPONENT", help="default: all")
    part.add_argument("-n", "--lines", type=int, default=20, help="how many (default: %(default)s)")
    part.add_argument("-f", "--follow", action="store_true", help="go on as they grow")
    part = add("load", give, "give the nodes images that were built here")
    part.add_argument("image", nargs="+", metavar="IMAGE")
    part = add("base", make_base, "make a base image, once, and print its name", named=False)
    part.add_argument("--suite", choices=base.SUITES, default=base.DEFAULT_SUITE,
                      help="which Debian (default: %(default)s)")  # fmt: skip
    part = add("build", build, "build an image with buildah", named=False)
    part.add_argument("-t", "--tag", required=True, help="the image's name")
    part.add_argument("-f", "--file", help="the Dockerfile (default: the context's)")
    part.add_argument("--target", help="the stage to build (default: the last)")
    part.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    part.add_argument("context", metavar="CONTEXT", help="the folder to build from")
    return whole


def _node_commands(commands: Subparsers) -> None:
    text = "add, kill or remove a further node"
    whole = commands.add_parser("node", help=text, description=text)
    verbs = whole.add_subparsers(required=True, metavar="add|kill|remove")
    for name, does, text in (
        ("add", add_node, "add the node, or make it whole again; prints its name"),
        (
            "kill",
            kill_node,
            "end the node at once, as a power cut would; `node add` starts it again",
        ),
        ("remove", remove_node, "remove the node and all that it left on this machine"),
    ):
        _command(verbs, name, does, text).add_argument("node", metavar="NODE")


def _command(
    commands: Subparsers, name: str, does: object, text: str, *, named: bool = True
) -> argparse.ArgumentParser:
    made = commands.add_parser(name, help=text, description=text)
    made.set_defaults(command=does)
    if named:
        made.add_argument("--name", default=DEFAULT_NAME, help="which (default: %(default)s)")
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
