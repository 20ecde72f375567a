"""What a failed cluster test shows: the namespace's events, tasks, pods and logs since it began."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.processes import HostProcess

_POD_LINES: Final = 60
_MOST_PODS: Final = 12


class Watcher:
    """Remembers when a test began, and collects what happened since."""

    def __init__(self, tasks: Kubectl, processes: Sequence[HostProcess]) -> None:
        self._tasks = tasks
        self._processes = processes
        """Those of before, and those that tests make of their own."""
        self._began = datetime.now(UTC)
        self._offsets: dict[Path, int] = {}

    def begin(self) -> None:
        """A test begins now."""
        self._began = datetime.now(UTC)
        self._offsets = {process.log: process.log_size for process in self._processes}

    def collect(self) -> str:
        """Everything since then, as text."""
        parts = [
            ("events", self._tasks.now("get", "events", "--sort-by=.lastTimestamp")),
            ("tasks", self._new("ansibletasks")),
            ("pods", self._tasks.now("get", "pods", "-o", "wide")),
            *((f"log of pod {pod}", self._pod_log(pod)) for pod in self._new_pods()),
        ]
        for process in self._processes:
            begin = self._offsets.get(process.log, 0)
            if process.log_size > begin:
                title = f"log of {process.module} ({process.log.parent.name}/{process.log.name})"
                parts.append((title, process.tail(begin)))
        return "\n".join(f"--- {title}\n{text.strip()}" for title, text in parts)

    def _new(self, plural: str) -> str:
        names = self._names(plural)
        return self._tasks.now("get", plural, "-o", "yaml", *names) if names else "none"

    def _new_pods(self) -> list[str]:
        return self._names("pods")[-_MOST_PODS:]

    def _names(self, plural: str) -> list[str]:
        """Objects made since the test began, oldest first."""
        columns = "NAME:.metadata.name,AT:.metadata.creationTimestamp"
        text = self._tasks.now(
            "get", plural, "--no-headers", "--sort-by=.metadata.creationTimestamp",
            "-o", f"custom-columns={columns}",
        )  # fmt: skip
        rows = [line.split() for line in text.splitlines()]
        # Creation times have whole seconds, so one made within the first second looks older.
        began = self._began.replace(microsecond=0)
        return [row[0] for row in rows if len(row) == 2 and _moment(row[1]) >= began]

    def _pod_log(self, pod: str) -> str:
        return self._tasks.now("logs", pod, f"--tail={_POD_LINES}", "--all-containers")


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def every_text(kubectl: Kubectl, kinds: list[str]) -> dict[str, Any]:
    """Everything of some kinds in a namespace as YAML text, by kind; for a search through all."""
    return {kind: kubectl.now("get", kind, "-o", "yaml") for kind in kinds}
