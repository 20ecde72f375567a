"""Spreads tests over days, so that each day costs about the same. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest


def schedule(seconds: Mapping[str, float], days: int) -> list[list[str]]:
    """The tests of each day, by what each of them takes; every one has its day."""
    found: list[list[str]] = [[] for _ in range(days)]
    spent = [0.0] * days
    for name in sorted(seconds, key=lambda name: (-seconds[name], name)):
        day = spent.index(min(spent))
        found[day].append(name)
        spent[day] += seconds[name]
    return found


def timed(rows: Iterable[str], seconds: Mapping[str, float]) -> list[Any]:
    """Rows of a test as pytest takes them; what some take stands out from the rest."""
    return [
        pytest.param(row, marks=pytest.mark.seconds(seconds[row]) if row in seconds else ())
        for row in rows
    ]
