"""What a cluster or a node could leave on the machine."""

import os
import subprocess
from collections.abc import Sequence
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


def namespaces_of(boxes: Sequence[box.Box]) -> set[str]:
    """The namespaces of everything that runs in the boxes: their own, and their pods'."""
    inside = {_namespace(str(found.init), "pid") for found in boxes}
    return {
        _namespace(pid, kind)
        for pid in _pids()
        if inside & {_namespace(pid, "pid"), _namespace(_parent(pid), "pid")}
        for kind in NAMESPACES
    } - {_namespace("self", kind) for kind in NAMESPACES}


def left_of(home: settings.Home, namespaces: set[str], interface: str = "") -> list[str]:
    """Everything on this machine that belongs to a node, one line each.

    What belongs to a cluster's first node has all of its other nodes' in it.
    """
    state = str(home.state)
    processes = [
        f"process {pid}: {_command_line(pid)}"
        for pid in _pids()
        if state in _command_line(pid)
        or namespaces & {_namespace(pid, kind) for kind in NAMESPACES}
    ]
    mounts = [
        f"mount {line}"
        for line in Path("/proc/self/mounts").read_text().splitlines()
        if state in line or any(namespace in line for namespace in namespaces)
    ]
    cgroups = [
        f"cgroup {folder}"
        for folder, _, _ in os.walk("/sys/fs/cgroup")
        if any(f"{part}.".startswith(f"{home.cgroup}.") for part in folder.split("/"))
    ]
    links = [interface] if interface and Path("/sys/class/net", interface).exists() else []
    files = [state] if Path(state).exists() else []
    return processes + mounts + cgroups + links + files


def _setting(name: str) -> str:
    path = Path("/proc/sys", name)
    return path.read_text() if path.exists() else ""


def _pids() -> list[str]:
    return [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]


def _namespace(pid: str, kind: str) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/{kind}").readlink())
    except OSError:
        return ""


def _parent(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    except OSError:
        return "0"


def _command_line(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
