"""Gives nodes local images, sending only the layers that they lack."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from subprocess import Popen
from typing import IO

from cluster import images
from cluster.components import ctr
from cluster.images import Image
from cluster.layout import Layout
from cluster.locks import locked
from cluster.node import Node
from cluster.problems import Problem
from cluster.programs import tail
from cluster.progress import say, step

MEGABYTE = 1_000_000


def load(cache: Path, nodes: Sequence[Node], name: str) -> None:
    """The nodes have the image under its full name; nothing is sent to one that had it already."""
    image = images.find(name)
    lacking = []
    for node in nodes:
        if _has(node, image):
            say(f"The node {node.home.name} has {image.name} already.")
        else:
            lacking.append(node)
    if not lacking:
        return
    layout = Layout(cache / "layout")
    with (
        locked(cache / "layout.lock", "another program that loads an image"),
        step(f"taking {image.name} out of buildah's store"),
    ):
        layout.take(image.name, _log(lacking[0]))
        layout.prune(images.names())
    for node in lacking:
        _send(node, layout, image)
        _wait(node, image.name, partial(_has, node, image))


def copy(source: Node, target: Node) -> None:
    """A node has all images of another, under the same names."""
    wanted = _references(source)
    there = _references(target)
    names = [name for name in wanted if _given(name) and wanted[name] != there.get(name)]
    if not names:
        return
    # The kubelet knows an image by its id, too; the node makes that name itself.
    digests = {wanted[name] for name in names}
    expected = {(name, digest) for name, digest in wanted.items() if digest in digests}
    what = f"the node {target.home.name} what {source.home.name} has, {len(names)} images"
    with step(f"giving {what}"), _log(target).open("ab") as output:
        sender = Popen(
            source.box.enter(ctr(source.binaries, "images", "export", "--local", "-", *names)),
            stdout=subprocess.PIPE, stderr=output,
        )  # fmt: skip
        with sender, _receiver(target, sender.stdout, output) as receiver:
            assert sender.stdout is not None
            sender.stdout.close()  # the receiver has it
            receiver.wait()
        if sender.returncode or receiver.returncode:
            raise Problem(f"Giving {what} failed: {tail(_log(target))} — see {_log(target)}.")
    _wait(target, "images", lambda: expected <= _references(target).items())


def _send(node: Node, layout: Layout, image: Image) -> None:
    there = node.ctr("content", "ls", "--quiet", what="Listing the node's layers").split()
    lacking = layout.lacking(image.name, set(there))
    size = layout.size(lacking) / MEGABYTE
    log = _log(node)
    what = f"giving the node {node.home.name} {image.name} ({size:.0f} MB to send)"
    with step(what), log.open("ab") as output:
        with _receiver(node, subprocess.PIPE, output) as receiver:
            assert receiver.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it says why in its log
                layout.write(receiver.stdin, image.name, lacking)
        if receiver.returncode:
            raise Problem(
                f"The node {node.home.name} refused {image.name}: {tail(log)} — see {log}."
            )


def _receiver(node: Node, source: IO[bytes] | int | None, log: IO[bytes]) -> Popen[bytes]:
    """The node's containerd, taking an archive of images from a pipe."""
    return Popen(
        node.box.enter(ctr(node.binaries, "images", "import", "--local", "-")),
        stdin=source, stdout=log, stderr=log,
    )  # fmt: skip


def _log(node: Node) -> Path:
    return node.home.logs / "load.log"


def _given(name: str) -> bool:
    """Whether it is a name that someone gave, and not one made of a digest."""
    return "sha256:" not in name


def _has(node: Node, image: Image) -> bool:
    """Whether the kubelet knows the image by its name and means the same by it."""
    known = _references(node)
    digest = known.get(image.name)
    return digest is not None and digest == known.get(f"sha256:{image.id}")


def _references(node: Node) -> dict[str, str]:
    """Names in the node's image store and the digests of the manifests they lead to."""
    listing = node.ctr("images", "ls", what="Listing the node's images")
    columns = (line.split() for line in listing.splitlines()[1:])
    return {name: digest for name, _, digest, *_ in columns}


def _wait(node: Node, what: str, done: Callable[[], bool], seconds: float = 30) -> None:
    """The kubelet's side of containerd hears of a new image a moment later."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise Problem(f"The node {node.home.name} took {what} but does not know it.")
        time.sleep(0.1)
