"""What a cluster or a node could leave on the machine."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster import box, settings

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
KERNEL = (*box.KERNEL_SETTINGS, "net/ipv4/ip_forward", "net/netfilter/nf_conntrack_max")


def machine_wide() -> dict[str, str]:
    """What no cluster may change; other clusters may come and go meanwhile."""
    tables = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True)
    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True)
    kept = [line for line in routes.stdout.splitlines() if not line.startswith("10.233.")]
    return {
        "nftables": tables.stdout,
        "routes": "\n".join(kept),
        "resolv.conf": Path("/etc/resolv.conf").read_text(),
        **{name: _setting(name) for name in KERNEL},
    }


@dataclass(frozen=True)
class Inside:
    """What ran in boxes at some moment."""

    namespaces: frozenset[str]
    processes: frozenset[tuple[str, str]]
    """Process ids and start times: the number of a namespace that has ended is soon another's."""


NOTHING = Inside(frozenset(), frozenset())


def inside(boxes: Sequence[box.Box]) -> Inside:
    """The namespaces of boxes and of their pods, and what runs in them."""
    own = {_namespace(str(found.init), "pid") for found in boxes}
    namespaces = (
        {
            _namespace(pid, kind)
            for pid in _pids()
            if own & {_namespace(pid, "pid"), _namespace(_parent(pid), "pid")}
            for kind in NAMESPACES
        }
        - {_namespace("self", kind) for kind in NAMESPACES}
        - {""}
    )
    processes = {
        (pid, _started(pid))
        for pid in _pids()
        if namespaces & {_namespace(pid, kind) for kind in NAMESPACES}
    }
    return Inside(frozenset(namespaces), frozenset(processes))


def left_of(home: settings.Home, before: Inside) -> list[str]:
    """Everything on this machine that belongs to a node, one line each.

    What belongs to a cluster's first node has all of its other nodes' in it.
    """
    state = str(home.state)
    processes = [
        f"process {pid}: {_command_line(pid)}"
        for pid in _pids()
        if _alive(pid) and (state in _command_line(pid) or (pid, _started(pid)) in before.processes)
    ]
    mounts = [
        f"mount {line}"
        for line in Path("/proc/self/mounts").read_text().splitlines()
        if state in line or any(namespace in line for namespace in before.namespaces)
    ]
    cgroups = [
        f"cgroup {folder}"
        for folder, _, _ in os.walk("/sys/fs/cgroup")
        if any(f"{part}.".startswith(f"{home.cgroup}.") for part in folder.split("/"))
    ]
    # By its alias: its name may be another cluster's by now.
    links = [
        f"interface {path.parent.name}"
        for path in Path("/sys/class/net").glob("*/ifalias")
        if _text(path).strip() == state
    ]
    files = [state] if Path(state).exists() else []
    return processes + mounts + cgroups + links + files


def _setting(name: str) -> str:
    return _text(Path("/proc/sys", name))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _pids() -> list[str]:
    return [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]


def _namespace(pid: str, kind: str) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/{kind}").readlink())
    except OSError:
        return ""


def _parent(pid: str) -> str:
    return _stat(pid)[1]


def _alive(pid: str) -> bool:
    """A zombie has ended: only its parent has not taken notice."""
    return _stat(pid)[0] not in "XZ"


def _started(pid: str) -> str:
    return _stat(pid)[19]


def _stat(pid: str) -> list[str]:
    """The fields after the name; for a process that is gone, as of one that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["X", *["0"] * 20]


def _command_line(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
