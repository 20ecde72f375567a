"""Results as a table and as JSON."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """Seconds of both sides in turn, pair by pair; `bar` is the highest good median ratio."""

    what: str
    octans: tuple[float, ...]
    bare: tuple[float, ...]
    bar: float

    @property
    def ratios(self) -> tuple[float, ...]:
        """Octans to bare, pair by pair."""
        return tuple(ours / theirs for ours, theirs in zip(self.octans, self.bare, strict=True))

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def good(self) -> bool:
        """Whether the bar is met."""
        return self.ratio <= self.bar

    def data(self) -> dict[str, Any]:
        """As JSON; seconds."""
        return {
            "what": self.what, "octans": self.octans, "bare": self.bare, "ratios": self.ratios,
            "ratio": self.ratio, "bar": self.bar, "good": self.good,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure, measured some times, and the bar on its median."""

    what: str
    values: Sequence[float]
    least: float | None = None
    most: float | None = None

    @property
    def good(self) -> bool:
        """Whether the bar is met."""
        median = statistics.median(self.values)
        return median >= (self.least or median) and median <= (self.most or median)

    def row(self) -> tuple[str, str, str]:
        """What, the spread, the bar."""
        bar = f"at most {self.most:g}" if self.least is None else f"at least {self.least:g}"
        return self.what, _spread(self.values), f"{bar} {'met' if self.good else 'MISSED'}"


def show(found: Sequence[Bar]) -> bool:
    """Print the figures with their bars; whether every bar was met."""
    rows = [("what", "min / median / max", "bar"), *(bar.row() for bar in found)]
    print("", *_aligned(rows), sep="\n")
    return all(bar.good for bar in found)


def lines(found: list[Comparison]) -> list[str]:
    """The table, with min / median / max of each."""
    rows: list[Sequence[str]] = [("what", "Octans, s", "bare Job, s", "ratio", "bar")]
    for item in found:
        verdict = "met" if item.good else "MISSED"
        rows.append((
            item.what, _spread(item.octans), _spread(item.bare), _spread(item.ratios),
            f"{item.bar:.2f} {verdict}",
        ))  # fmt: skip
    return _aligned(rows)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.2f} / {statistics.median(values):.2f} / {max(values):.2f}"
