"""The cgroups of nodes: `octans-CLUSTER` for the first, `octans-CLUSTER.NODE` for a further one.

They stand at the top of every hierarchy there is.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from cluster.problems import Problem
from cluster.settings import Cluster

ROOT = Path("/sys/fs/cgroup")
INHERITED = ("cpuset.cpus", "cpuset.mems")
"""On cgroup v1 a new cpuset is empty and takes no process until these are filled in."""

CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")
"""What the kubelet wants to hand on to pods on cgroup v2."""


def hierarchies() -> list[Path]:
    """One folder on a unified machine; one for each controller, and `unified`, on others."""
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    # Some names are links to others (cpu -> cpu,cpuacct): each hierarchy once.
    return sorted({path.resolve() for path in ROOT.iterdir() if (path / "cgroup.procs").exists()})


def make(name: str) -> None:
    if not hierarchies():
        raise Problem(f"No cgroups are mounted at {ROOT}; a cluster's pods need them.")
    for hierarchy in hierarchies():
        folder = hierarchy / name
        try:
            folder.mkdir(exist_ok=True)
            for file in INHERITED:
                if (parent := hierarchy / file).exists() and hierarchy != ROOT:
                    (folder / file).write_text(parent.read_text())
            _hand_on_controllers(hierarchy, folder)
        except OSError as error:
            raise Problem(f"The cgroup {folder} cannot be made: {error.strerror}.") from None


def _hand_on_controllers(hierarchy: Path, folder: Path) -> None:
    """Cgroup v2 only: children get a controller when their parent hands it on."""
    if hierarchy != ROOT:
        return
    offered = (hierarchy / "cgroup.controllers").read_text().split()
    for parent in (hierarchy, folder):
        for controller in CONTROLLERS:
            if controller in offered:
                (parent / "cgroup.subtree_control").write_text(f"+{controller}")


def occupied(name: str) -> bool:
    """Whether processes live in cgroups of this name."""
    return any(_processes(folder) for folder in _all_of(name))


def of(cluster: Cluster) -> set[str]:
    """The names of the cluster's cgroups, its nodes' each."""
    first = cluster.first.cgroup
    return {name for name in of_any() if name.split(".")[0] == first}


def of_any() -> set[str]:
    """The names of all clusters' cgroups."""
    return {folder.name for top in hierarchies() for folder in top.glob("octans-*/")}


def remove(name: str, seconds: float = 20) -> None:
    """Removes every cgroup of a node, the deepest first; its processes must have ended."""
    deadline = time.monotonic() + seconds
    while left := list(_all_of(name)):
        for folder in left:
            with contextlib.suppress(OSError):
                folder.rmdir()
        if time.monotonic() > deadline:
            raise Problem(f"The cgroup {left[-1]} cannot be removed: it still has processes.")
        time.sleep(0.01)


def _all_of(name: str) -> Iterator[Path]:
    for hierarchy in hierarchies():
        for folder, _, _ in os.walk(hierarchy / name, topdown=False):
            yield Path(folder)


def _processes(folder: Path) -> str:
    try:
        return (folder / "cgroup.procs").read_text()
    except OSError:
        return ""
