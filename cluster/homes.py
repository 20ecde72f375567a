"""What a node has on this machine besides its link: box, cgroups and folder."""

import shutil
from pathlib import Path

from cluster import box, cgroups, configs, scratch
from cluster.addresses import Link
from cluster.binaries import Binaries
from cluster.box import Box
from cluster.problems import Problem
from cluster.settings import Home


def furnished_box(home: Home) -> Box | None:
    """The node's running box; one that was not made to its end is ended instead."""
    found = box.find(home)
    if found and not found.furnished:
        found.kill()
        return None
    return found


def make_box(home: Home, link: Link, binaries: Binaries) -> Box:
    """A new box, with new logs, configuration and cgroups."""
    _new_logs(home)
    configs.write(home, link, scratch.pause(binaries).name)
    # Folders of a box that lost power would keep the kubelet busy for minutes.
    cgroups.remove(home.cgroup)
    cgroups.make(home.cgroup)
    return box.make(home, binaries.pause)


def _new_logs(home: Home) -> None:
    """An empty folder; the logs of the box before, whose end may need explaining, stay once."""
    if home.logs.exists():
        shutil.rmtree(home.logs_before, ignore_errors=True)
        home.logs.rename(home.logs_before)
    home.logs.mkdir()


def has_folder(state: Path) -> bool:
    """Whether there is a state folder, or one whose removal was cut off."""
    return state.exists() or _removed(state).exists()


def remove_folder(state: Path) -> None:
    """The state folder; never through a mount, which would be someone's files."""
    inside = [
        line.split()[1]
        for line in Path("/proc/self/mounts").read_text().splitlines()
        if line.split()[1].startswith(f"{state}/")
    ]
    if inside:
        raise Problem(f"{inside[0]} is mounted inside {state}; unmount it first.")
    removed = _removed(state)
    for folder in (removed, state):
        if folder.exists():
            folder.replace(removed)  # at once: half a state is no state
            shutil.rmtree(removed)


def _removed(state: Path) -> Path:
    return state.with_name(f".removed-{state.name}")
