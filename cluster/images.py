"""Builds images with buildah, without a container engine or a registry."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import base, registries
from cluster.problems import Problem
from cluster.programs import run
from cluster.progress import step

HOW = (
    "--layers", "--pull=false", "--network", "host", "--isolation", "oci",
    # crun refuses a machine that has both cgroup versions.
    "--runtime", "runc",
    # The build trusts whom the machine trusts.
    "-v", "/etc/ssl/certs:/etc/ssl/certs:ro",
)  # fmt: skip


@dataclass(frozen=True)
class Image:
    """A local image: its full name, and its id (SHA-256 of its configuration, in hex)."""

    name: str
    id: str


def find(name: str) -> Image:
    """The local image of that name; buildah puts `localhost/` before a bare one."""
    tagged = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    for found in _list(name):
        for full in found["names"] or ():
            if f"/{full}".endswith(f"/{tagged}"):
                return Image(full, found["id"].removeprefix("sha256:"))
    raise Problem(f"There is no local image {name}; build it first (python3 -m cluster build).")


def names() -> set[str]:
    """The full names of all local images."""
    return {name for image in _list() for name in image["names"] or ()}


def _list(*name: str) -> list[dict[str, Any]]:
    command = ["buildah", "images", "--json", "--no-trunc", *name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else []


def ensure_base(cache: Path, suite: str) -> str:
    """The base image's tag; made when this machine has it not."""
    tag = base.tag(suite)
    if not _list(tag):
        context = base.context(cache, suite)
        with step(f"making the image {tag}"):
            _buildah(["--tag", tag, context], cache / "logs" / "base.log")
    return tag


def build(cache: Path, tag: str, arguments: Sequence[str | Path]) -> None:
    """`buildah build` with the machine's way to packages; `arguments` end in the context."""
    log = cache / "logs" / f"build-{tag.replace('/', '_').replace(':', '_')}.log"
    with step(f"building the image {tag}"), registries.mounts() as mounts:
        _buildah(["--tag", tag, *mounts, *arguments], log)


def _buildah(arguments: Sequence[str | Path], log: Path) -> None:
    log.unlink(missing_ok=True)
    run(["buildah", "bud", *HOW, *arguments], what="buildah", log=log, alone=True)
