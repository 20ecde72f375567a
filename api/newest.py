"""The newest results of a task within a limit of bytes, however many there are. Pure."""

import heapq
import json
from dataclasses import dataclass
from typing import Any

from api.results import Entry, log_object

Item = dict[str, Any]
"""A result as `check` tells it."""
Log = list[Item]
_Key = tuple[float, int, int]
"""What orders results: end time, slice, sequence number."""
_EMPTY = 2
"""Bytes of an empty JSON list."""


@dataclass(frozen=True, slots=True)
class _Left:
    """What is left out of a host's results: how many, and the newest of them."""

    count: int
    key: _Key
    host: str
    start: str
    end: str

    def with_one(self, key: _Key, item: Item) -> "_Left":
        count = self.count + 1
        if key < self.key:
            return _Left(count, self.key, self.host, self.start, self.end)
        return _Left(count, key, self.host, item["start"], item["end"])

    def mark(self, count: int, *, at_least: bool = False) -> Item:
        """What stands for what is left out."""
        said = f"{'at least ' * at_least}{count} older results are left out"
        return {
            "host": self.host, "task": "", "status": "cut", "start": self.start,
            "end": self.end, "delta": "0:00:00", "msg": said,
        }  # fmt: skip


class Newest:
    """Takes results in any order, and keeps the newest that fit into `limit` bytes of JSON."""

    def __init__(self, limit: int, *, unread: bool = False) -> None:
        self.limit = limit
        self.unread = unread
        """The archive could not be read, or does not hold what the status tells."""
        self.uncounted = 0
        """Further older results, of which no more is known than their number."""
        self._kept: list[tuple[_Key, int, int, Item]] = []
        """A heap, the oldest first: key, serial number, size, item."""
        self._serial = 0
        self._size = _EMPTY
        self._left: dict[str, _Left] = {}
        self._floor: _Key | None = None
        """The newest that is left out: nothing older is kept."""

    def add(self, entry: Entry) -> None:
        """Take in a result."""
        key = entry.place
        item = log_object(entry.result)
        if self._floor is not None and key < self._floor:
            _leave(self._left, key, item)
            return
        size = size_of(item)
        self._serial += 1
        heapq.heappush(self._kept, (key, self._serial, size, item))
        self._size += size
        while self._size > self.limit and self._kept:
            self._floor, _, size, old = heapq.heappop(self._kept)
            self._size -= size
            _leave(self._left, self._floor, old)

    def leaves_out(self, entry: Entry) -> bool:
        """Whether a result is so old that it is not kept."""
        return self._floor is not None and entry.place <= self._floor

    def log(self) -> Log:
        """The results in order of time; a first one says what is left out."""
        log = [item for *_, item in sorted(self._kept, key=lambda kept: kept[:2])]
        if not self._left:
            return log
        last = max(self._left.values(), key=lambda left: left.key)
        count = sum(left.count for left in self._left.values()) + self.uncounted
        return [last.mark(count), *log]

    def by_host(self) -> dict[str, Log]:
        """Each host's part of the results; a host that lost some has a mark first.

        These marks take up to half of `limit`; with more than 2,500 hosts they may go beyond it.
        """
        kept = sorted(self._kept, key=lambda kept: kept[:2])
        left = dict(self._left)
        if left:
            marks = sum(size_of(found.mark(10**6)) for found in left.values())
            budget, size = max(self.limit // 2, self.limit - marks), self._size
            out = 0
            while out < len(kept) and size > budget:
                key, _, taken, item = kept[out]
                _leave(left, key, item)
                size -= taken
                out += 1
            kept = kept[out:]
        more = self.uncounted > 0
        parts = {host: [found.mark(found.count, at_least=more)] for host, found in left.items()}
        for *_, item in kept:
            parts.setdefault(item["host"], []).append(item)
        return parts


def size_of(item: Item) -> int:
    """Bytes that an object takes in a JSON list, about."""
    return len(json.dumps(item, ensure_ascii=False).encode("utf-8", "replace")) + 2


def _leave(left: dict[str, _Left], key: _Key, item: Item) -> None:
    host = item["host"]
    before = left.get(host, _Left(0, key, host, item["start"], item["end"]))
    left[host] = before.with_one(key, item)
