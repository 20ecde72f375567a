"""Ranges of numbers, each as its first and last one."""

from collections.abc import Iterable

Range = tuple[int, int]


def merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same numbers in as few ranges as possible, in order."""
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


def count(ranges: Iterable[Range]) -> int:
    """How many numbers are in any of the ranges."""
    return sum(last - first + 1 for first, last in merged(ranges))
