"""What the faults of a session came to: the figures of docs/reliability.md."""

import os
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.faults.oracle import INVARIANTS, History


@dataclass(slots=True)
class Tally:
    """Counts what was judged, and keeps what was measured."""

    runs: Counter[str] = field(default_factory=Counter)
    """Tasks that were judged, by the test file whose faults they met."""
    faults: Counter[str] = field(default_factory=Counter)
    """Faults that were injected, by kind."""
    violated: Counter[str] = field(default_factory=Counter)
    """What was found wrong, by invariant."""
    kept: int = 0
    """Log records that archives held at last, as frames."""
    declared: int = 0
    """Frames that were declared missing."""
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def judged(self, history: History, wrong: Iterable[str]) -> None:
        """Take in what a task came to."""
        self.runs[_family()] += 1
        self.violated.update(said.partition(":")[0] for said in wrong)
        self.kept += sum(chunk.last - chunk.first + 1 for chunk in history.chunks or ())
        last = history.states[-1].object if history.states else {}
        log = last.get("status", {}).get("log") or {}
        gaps = ((gap.get("first", 0), gap.get("last", 0)) for gap in log.get("missing", []))
        self.declared += sum(max(0, end - first + 1) for first, end in gaps)

    def left(self) -> None:
        """Take in that something was left of tasks that were deleted."""
        self.violated["I5"] += 1

    def injected(self, kind: str, count: int = 1) -> None:
        """Take in that something was broken."""
        self.faults[kind] += count

    def took(self, what: str, seconds: float) -> None:
        """Take in how long something took."""
        self.seconds[what].append(seconds)

    def told(self) -> list[str]:
        """Lines for people."""
        runs = ", ".join(f"{name} {count}" for name, count in sorted(self.runs.items()))
        faults = ", ".join(f"{kind} {count}" for kind, count in sorted(self.faults.items()))
        lines = [
            f"runs judged: {self.runs.total()} ({runs})",
            f"faults: {self.faults.total()} ({faults})",
            f"frames archived: {self.kept}, declared missing: {self.declared}",
            *(f"{title}: {self.violated[title]} times violated" for title in INVARIANTS),
        ]
        return lines + [f"{what}: {spread(found)}" for what, found in self.seconds.items()]


def spread(seconds: Sequence[float]) -> str:
    """Some times in words."""
    if len(seconds) == 1:
        return f"{seconds[0]:.1f} s"
    parts = statistics.quantiles(seconds, n=100, method="inclusive")
    return (
        f"{len(seconds)} times, p50 {parts[49]:.1f} s, p95 {parts[94]:.1f} s, "
        f"most {max(seconds):.1f} s"
    )


def _family() -> str:
    """The file of the test that is running."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "?").partition("::")[0]
    return Path(test).stem.removeprefix("test_")


TALLY: Final = Tally()
