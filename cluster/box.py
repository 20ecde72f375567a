"""The box of namespaces in which a node lives: one init, and everything that hangs from it.

Nothing about a box is written down: it is found by its init's command line, which
ends in the state folder, so no crash can leave a record that is not true.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cluster.problems import Problem
from cluster.programs import TOOLS_PATH, output, tail
from cluster.settings import Cluster, Home

NAMESPACES = ("--fork", "--pid", "--mount-proc", "--net", "--mount", "--uts", "--ipc")

KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What the kubelet insists on (pkg/kubelet/cm, setupKernelTunables) though it is the whole
machine's: inside the box it reads these values from files laid over the real ones."""

FURNISH = """
set -eu
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/log
mount -t tmpfs -o mode=755 tmpfs /var/lib/cni
mkdir -p /run/netns /run/lock /run/octans/sys
hostname "$1"
ip link set lo up
sysctl() { mkdir -p "/run/octans/sys/${1%/*}"; echo "$2" > "/run/octans/sys/$1"
           mount --bind "/run/octans/sys/$1" "/proc/sys/$1"; }
SETTINGS
echo 1 > /proc/sys/net/ipv4/ip_forward
if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then
  echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables
fi
echo nameserver 127.0.0.1 > /run/octans/resolv.conf
if [ -e /etc/resolv.conf ]; then mount --bind /run/octans/resolv.conf /etc/resolv.conf; fi
""".replace(
    "SETTINGS",
    "\n".join(f'[ ! -e "/proc/sys/{name}" ] || sysctl {name} {value}'
              for name, value in KERNEL_SETTINGS.items()),
)  # fmt: skip
"""Own /run, /var/log and /var/lib/cni, so that what the node writes there goes with it; no name
server, so that a pull from a registry that cannot be reached fails at once."""

FURNISHED = "/run/octans/furnished"

SCRATCH = Path("/var/lib/cni")
"""The CNI library caches here and cannot be told otherwise."""


@dataclass(frozen=True)
class Process:
    pid: int
    argv: tuple[str, ...]
    """Empty while the kernel replaces one program by another, milliseconds for a large one."""

    @property
    def name(self) -> str:
        return Path(self.argv[0]).name if self.argv else ""


@dataclass(frozen=True)
class Box:
    """A running box, known by its init's process id."""

    init: int

    @property
    def alive(self) -> bool:
        return _alive(self.init)

    @property
    def furnished(self) -> bool:
        """Whether it was made to its end, or by a program that was killed on the way."""
        return self.inside(FURNISHED).exists()

    @property
    def since(self) -> datetime:
        """When it was furnished, to the second, as Kubernetes tells the time."""
        written = self.inside(FURNISHED).stat().st_mtime
        return datetime.fromtimestamp(int(written), tz=UTC)

    def finish(self) -> None:
        """From now on it is furnished."""
        self.inside(FURNISHED).touch()

    def inside(self, path: str) -> Path:
        """A file of the box, as seen from here."""
        return Path(f"/proc/{self.init}/root{path}")

    def enter(self, argv: Sequence[str | Path]) -> list[str]:
        """The command line that runs a program inside."""
        return ["nsenter", "--target", str(self.init), "--all", *map(str, argv)]

    def enter_network(self, argv: Sequence[str | Path]) -> list[str]:
        """The command line that runs a program of the machine in the box's network only."""
        return ["nsenter", "--target", str(self.init), "--net", *map(str, argv)]

    def interfaces(self) -> set[str]:
        """The names of its network interfaces."""
        lines = Path(f"/proc/{self.init}/net/dev").read_text().splitlines()
        return {name.strip() for name, colon, _ in (line.partition(":") for line in lines) if colon}

    def start(self, argv: Sequence[str | Path], log: Path) -> None:
        """Starts a program that stays; the box's init becomes its parent."""
        with log.open("ab") as file:
            done = subprocess.run(
                self.enter(["setsid", "--fork", *argv]), stdin=subprocess.DEVNULL, stdout=file,
                stderr=file, check=False, env={"PATH": _path(argv), "HOME": "/root"},
            )  # fmt: skip
        if done.returncode:
            raise Problem(f"{argv[0]} cannot be started: {tail(log)} — see {log}.")

    def processes(self) -> list[Process]:
        """The init's own children: components and containers' shims."""
        return [
            Process(pid, _argv(pid)) for pid in _pids() if _parent(pid) == self.init and _alive(pid)
        ]

    def kill(self, seconds: float = 20) -> None:
        """Ends everything inside at once, as a power cut would, and waits until it is gone."""
        above = _parent(self.init)
        # `unshare` is in the box's namespaces, too, and ends a moment after the init.
        ending = [self.init, above] if _name(above) == "unshare" else [self.init]
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.init, signal.SIGKILL)
        deadline = time.monotonic() + seconds
        while any(map(_alive, ending)):
            if time.monotonic() > deadline:
                raise Problem(f"The box's init, process {self.init}, does not end.")
            time.sleep(0.02)


def find(home: Home) -> Box | None:
    """The node's running box, if there is one."""
    return _running().get(str(home.state))


def of(cluster: Cluster) -> list[Box]:
    """The running boxes of all the cluster's nodes."""
    further = f"{cluster.nodes}/"
    return [
        box
        for state, box in _running().items()
        if state == str(cluster.state) or state.startswith(further)
    ]


def make(home: Home, pause: Path) -> Box:
    """A new box with its own processes, network, mounts and host name, and nothing in it yet.

    It is `furnished` when whoever makes it calls `finish` at last.
    """
    SCRATCH.mkdir(parents=True, exist_ok=True)
    log = home.logs / "box.log"
    with log.open("ab") as file:
        subprocess.run(
            ["setsid", "--fork", "unshare", *NAMESPACES, "--kill-child", pause, home.state],
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd="/", check=True,
            env={"PATH": TOOLS_PATH},
        )  # fmt: skip
    deadline = time.monotonic() + 10
    while (box := find(home)) is None:
        if time.monotonic() > deadline:
            raise Problem(f"The box did not start; see {log}.")
        time.sleep(0.01)
    output(box.enter(["sh", "-c", FURNISH, "sh", home.name]), what="Furnishing the box")
    return box


def _running() -> dict[str, Box]:
    """Every box on this machine, by the state folder at its init's command line's end."""
    found = ((pid, _argv(pid)) for pid in _pids())
    return {
        argv[1]: Box(pid) for pid, argv in found if len(argv) == 2 and Path(argv[0]).name == "pause"
    }


def _path(argv: Sequence[str | Path]) -> str:
    """The program's own folder first: containerd finds its shim there."""
    return f"{Path(argv[0]).parent}:{TOOLS_PATH}"


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _argv(pid: int) -> tuple[str, ...]:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(part.decode(errors="replace") for part in line.split(b"\0")[:-1])


def _name(pid: int) -> str:
    return Process(pid, _argv(pid)).name


def _stat(pid: int) -> list[str]:
    """State, parent and so on: the fields after the name, which may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _alive(pid: int) -> bool:
    return (_stat(pid) or ["X"])[0] not in "XZ"


def _parent(pid: int) -> int:
    return int((_stat(pid) or ["X", "0"])[1])
