"""Gives a node local images, sending only the layers that it lacks."""

import contextlib
import subprocess
import time
from pathlib import Path

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


def load(cache: Path, node: Node, name: str) -> None:
    """The node has the image under its full name; nothing is sent if it had it already."""
    image = images.find(name)
    if _has(node, image):
        say(f"The node has {image.name} already.")
        return
    log = node.home.logs / "load.log"
    layout = Layout(cache / "layout")
    with (
        locked(cache / "layout.lock", "another program that loads an image"),
        step(f"taking {image.name} out of buildah's store"),
    ):
        layout.take(image.name, log)
        layout.prune(images.names())
    _send(node, layout, image, log)
    _wait(node, image)


def _send(node: Node, layout: Layout, image: Image, log: Path) -> None:
    there = node.ctr("content", "ls", "--quiet", what="Listing the node's layers").split()
    lacking = layout.lacking(image.name, set(there))
    size = layout.size(lacking) / MEGABYTE
    with step(f"giving the node {image.name} ({size:.0f} MB to send)"), log.open("ab") as output:
        receiver = subprocess.Popen(
            node.box.enter(ctr(node.binaries, "images", "import", "--local", "-")),
            stdin=subprocess.PIPE, stdout=output, stderr=output,
        )  # fmt: skip
        with receiver:
            assert receiver.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it says why in its log
                layout.write(receiver.stdin, image.name, lacking)
        if receiver.returncode:
            raise Problem(f"The node refused {image.name}: {tail(log)} — see {log}.")


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


def _wait(node: Node, image: Image, seconds: float = 10) -> None:
    """The kubelet's side of containerd hears of a new image a moment later."""
    deadline = time.monotonic() + seconds
    while not _has(node, image):
        if time.monotonic() > deadline:
            raise Problem(f"The node took {image.name} but does not know it.")
        time.sleep(0.1)
