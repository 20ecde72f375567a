"""The cgroups of one cluster: `octans-NAME` at the top of every hierarchy there is."""

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


def make(cluster: Cluster) -> None:
    if not hierarchies():
        raise Problem(f"No cgroups are mounted at {ROOT}; a cluster's pods need them.")
    for hierarchy in hierarchies():
        folder = hierarchy / cluster.cgroup
        try:
            folder.mkdir(exist_ok=True)
            for name in INHERITED:
                if (parent := hierarchy / name).exists() and hierarchy != ROOT:
                    (folder / name).write_text(parent.read_text())
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


def occupied(cluster: Cluster) -> bool:
    """Whether processes live in cgroups of this cluster's name."""
    return any(_processes(folder) for folder in _all_of(cluster.cgroup))


def others(cluster: Cluster) -> bool:
    """Whether the machine has cgroups of other clusters."""
    return any(
        folder.name != cluster.cgroup
        for hierarchy in hierarchies()
        for folder in hierarchy.glob("octans-*/")
    )


def remove(cluster: Cluster, seconds: float = 20) -> None:
    """Removes every cgroup of the cluster, the deepest first; its processes must have ended."""
    deadline = time.monotonic() + seconds
    while left := list(_all_of(cluster.cgroup)):
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
