"""This process among others: what its children may not do, and how they are ended."""

import contextlib
import ctypes
import os
import signal
from pathlib import Path
from typing import Final

_PR_SET_DUMPABLE: Final = 4
_PR_SET_CHILD_SUBREAPER: Final = 36


def protect() -> None:
    """Close this process to others of the same user, and inherit orphans as an init does.

    A play may run commands in the pod as the same user; without this they could open our standard
    output through /proc/PID/fd and write frames, or read the run's nonce from our memory.
    OSError where the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_DUMPABLE, 0), (_PR_SET_CHILD_SUBREAPER, 1)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"prctl {option}")


def descendants() -> set[int]:
    """Ids of all processes below this one."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found: set[int] = set()
    waiting = [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting += below
    return found


def _parent(entry: Path) -> int | None:
    """Parent's id of a live process; None where it is gone or only waits to be reaped."""
    found = _state(entry)
    return None if found is None or found[0] in "ZX" else found[1]


def _state(entry: Path) -> tuple[str, int] | None:
    """State letter and parent's id in a folder of /proc (proc(5)); None where it is gone."""
    try:
        text = (entry / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    state, parent = text.rpartition(")")[2].split()[:2]
    return state, int(parent)


def send(signal_: signal.Signals, targets: set[int]) -> set[int]:
    """Send a signal to each process that is still there; gives the targets."""
    for pid in targets:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal_)
    return targets


def children() -> set[int]:
    """Ids of this process's own live children."""
    me = os.getpid()
    return {
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _parent(entry) == me
    }


def kill_all() -> None:
    """End all processes below this one, those that appear meanwhile too."""
    for _ in range(20):
        left = descendants()
        if not left:
            return
        send(signal.SIGKILL, left)


def reap(seen: set[int]) -> set[int]:
    """Collect ended orphans that were already there the last time; gives those seen this time.

    A child that somebody waits for is collected long before it is seen twice.
    """
    me = os.getpid()
    ended: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or _state(entry) != ("Z", me):
            continue
        pid = int(entry.name)
        if pid not in seen:
            ended.add(pid)
            continue
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return ended
