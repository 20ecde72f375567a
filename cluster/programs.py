"""Runs other programs; their errors go to a log, and one sentence names it."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster.problems import Problem

DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
TOOLS_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(
    argv: Sequence[str | Path],
    *,
    what: str,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    alone: bool = False,
) -> None:
    """Runs a program to its end with all output in `log`.

    When we are killed it is killed too; one that runs `alone` goes on to its end
    instead, because it would leave a mess half-way (dpkg, buildah).
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        done = subprocess.run(
            [*(() if alone else DIES_WITH_US), *map(str, argv)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=cwd, env=env, check=False,
        )  # fmt: skip
    if done.returncode:
        raise Problem(f"{what} failed ({ended(done.returncode)}): {tail(log)} — see {log}.")


def output(argv: Sequence[str | Path], *, what: str, seconds: float = 60) -> str:
    """What a short program prints; its failure is a Problem with its last line."""
    try:
        done = subprocess.run(
            list(map(str, argv)), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Problem(f"{what} took longer than {seconds:.0f} s.") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise Problem(f"{what} failed ({ended(done.returncode)}): {lines[-1]}")
    return done.stdout


def ended(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


def tail(log: Path, lines: int = 1, width: int = 300) -> str:
    """The last lines of a log, each cut to `width` characters."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 16_384))
            text = file.read().decode(errors="replace")
    except OSError:
        return "it left no log"
    last = [line[:width] for line in text.splitlines() if line.strip()][-lines:]
    return "\n".join(last) or "it left no message"
