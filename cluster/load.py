"""Gives a node local images, sending only the layers that it lacks.

Images pass through one OCI layout in the cache, in which a layer that several
images share stands once.
"""

import contextlib
import json
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from cluster import images
from cluster.components import ctr
from cluster.locks import locked
from cluster.node import Node
from cluster.problems import Problem
from cluster.programs import run, tail
from cluster.progress import say, step

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Layout:
    """A folder of images as the OCI describes it: blobs by digest, and an index by name."""

    root: Path

    def blob(self, digest: str) -> Path:
        return self.root / "blobs" / "sha256" / digest.removeprefix("sha256:")

    def manifests(self) -> list[dict[str, Any]]:
        index: dict[str, list[dict[str, Any]]] = json.loads((self.root / "index.json").read_text())
        return index["manifests"]

    def manifest(self, name: str) -> dict[str, Any]:
        """The descriptor of the named image's manifest."""
        for found in self.manifests():
            if found["annotations"]["org.opencontainers.image.ref.name"] == name:
                return found
        raise Problem(f"skopeo left no image {name} in {self.root}.")

    def blobs(self, manifest: dict[str, Any]) -> list[str]:
        """Every blob an image is made of, its manifest included."""
        content = json.loads(self.blob(manifest["digest"]).read_text())
        parts = [manifest, content["config"], *content["layers"]]
        return list(dict.fromkeys(part["digest"] for part in parts))

    def prune(self) -> None:
        """Removes what no name leads to any more."""
        kept = {self.blob(digest) for known in self.manifests() for digest in self.blobs(known)}
        for path in (self.root / "blobs" / "sha256").iterdir():
            if path not in kept:
                path.unlink()


def load(cache: Path, node: Node, image: str) -> None:
    """The node has the image under its full name; nothing is sent if it had it already."""
    found = images.find(image)
    if _has(node, found):
        say(f"The node has {found.name} already.")
        return
    log = cache / "logs" / "load.log"
    layout = Layout(cache / "layout")
    with locked(cache / "layout.lock", "another program that loads an image"):
        with step(f"taking {found.name} out of buildah's store"):
            log.unlink(missing_ok=True)
            run(
                # Uncompressed, a layer is known by the digest that buildah knows it by: one that
                # the layout has is not written, and not even read, again.
                ["skopeo", "copy", "--dest-oci-accept-uncompressed-layers",
                 f"containers-storage:{found.name}", f"oci:{layout.root}:{found.name}"],
                what=f"Exporting {found.name}", log=log, alone=True,
            )  # fmt: skip
            layout.prune()
        _send(node, layout, found, log)
    _wait(node, found)


def _send(node: Node, layout: Layout, image: images.Image, log: Path) -> None:
    manifest = layout.manifest(image.name)
    known = set(node.ctr("content", "ls", "--quiet", what="Listing the node's layers").split())
    lacking = [digest for digest in layout.blobs(manifest) if digest not in known]
    size = sum(layout.blob(digest).stat().st_size for digest in lacking)
    with step(f"giving the node {image.name} ({size / MEGABYTE:.0f} MB to send)"):
        command = node.box.enter(ctr(node.binaries, "images", "import", "-"))
        with log.open("ab") as output, subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output
        ) as receiver:  # fmt: skip
            assert receiver.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it says why in its log
                _write(receiver.stdin, layout, manifest, image.name, lacking)
            receiver.communicate()
        if receiver.returncode:
            raise Problem(f"The node refused {image.name}: {tail(log)} — see {log}.")


def _write(
    target: IO[bytes], layout: Layout, manifest: dict[str, Any], name: str, blobs: list[str]
) -> None:
    """An OCI archive without the blobs that are there already."""
    named = {**manifest, "annotations": {"io.containerd.image.name": name}}
    index = {"schemaVersion": 2, "manifests": [named]}
    with tarfile.open(fileobj=target, mode="w|", bufsize=1 << 20) as archive:
        for file, value in (("oci-layout", {"imageLayoutVersion": "1.0.0"}), ("index.json", index)):
            text = json.dumps(value).encode()
            member = tarfile.TarInfo(file)
            member.size = len(text)
            archive.addfile(member, BytesIO(text))
        for digest in blobs:
            path = layout.blob(digest)
            archive.add(path, arcname=f"blobs/sha256/{path.name}")


def _has(node: Node, image: images.Image) -> bool:
    """Whether the kubelet knows the image by its name and means the same by it."""
    known = dict(_references(node))
    digest = known.get(image.name)
    return digest is not None and digest == known.get(f"sha256:{image.id}")


def _references(node: Node) -> Iterator[tuple[str, str]]:
    """Names in the node's image store and the manifests they lead to."""
    listing = node.ctr("images", "ls", what="Listing the node's images")
    for line in listing.splitlines()[1:]:
        name, _, digest, *_ = line.split()
        yield name, digest


def _wait(node: Node, image: images.Image, seconds: float = 10) -> None:
    """The kubelet's side of containerd hears of a new image a moment later."""
    deadline = time.monotonic() + seconds
    while not _has(node, image):
        if time.monotonic() > deadline:
            raise Problem(f"The node took {image.name} but does not know it.")
        time.sleep(0.1)
