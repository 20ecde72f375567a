"""A real one-node Kubernetes on this machine, and images for it."""

import argparse
import os
import resource
import sys
from collections.abc import Sequence

from cluster import base, binaries, images, lifecycle, load, machine, status
from cluster.problems import Problem
from cluster.programs import TOOLS_PATH
from cluster.progress import say
from cluster.settings import DEFAULT_NAME, Places, places


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


def show_status(options: argparse.Namespace, here: Places) -> int:
    machine.require_root()
    cluster = here.cluster(options.name)
    seen = status.of(lifecycle.running(cluster, binaries.Binaries(here.cache / "bin")), [], [])
    print(seen)
    return 0 if seen.whole else 1


def kubeconfig(options: argparse.Namespace, here: Places) -> None:
    cluster = here.cluster(options.name)
    if not cluster.kubeconfig.exists():
        raise Problem(f"There is no cluster named “{cluster.name}”.")
    print(cluster.kubeconfig)


def logs(options: argparse.Namespace, here: Places) -> None:
    cluster = here.cluster(options.name)
    status.show_logs(cluster.first, options.component, lines=options.lines, follow=options.follow)


def give(options: argparse.Namespace, here: Places) -> None:
    cluster = here.cluster(options.name)
    machine.prepare(here.cache)
    node = lifecycle.running(cluster, binaries.build(here.cache))
    for image in options.image:
        load.load(here.cache, node, image)


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
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(command=does)
        if named:
            made.add_argument("--name", default=DEFAULT_NAME, help="which (default: %(default)s)")
        return made

    add("up", up, "make the cluster, or make it whole again; prints its kubeconfig's path")
    part = add("down", down, "remove the cluster and all that it left on this machine")
    part.add_argument("--keep-state", action="store_true", help="its objects return at the next up")
    add("status", show_status, "say what runs; exit code 1 where something does not")
    add("kubeconfig", kubeconfig, "print the path of the cluster's kubeconfig")
    part = add("logs", logs, "show the components' logs")
    part.add_argument("component", nargs="?", metavar="COMPONENT", help="default: all")
    part.add_argument("-n", "--lines", type=int, default=20, help="how many (default: %(default)s)")
    part.add_argument("-f", "--follow", action="store_true", help="go on as they grow")
    part = add("load", give, "give the node images that were built here")
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
