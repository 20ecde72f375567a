"""Ansible's results out of archived and live frames. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, Final

from crds import frames
from crds.frames import Kind
from crds.records import Part, Result

TEXT_LIMIT: Final = 16 * 1024
"""Bytes of one text of a result."""
_CUT_MARK: Final = "... [cut: longer than 16 KiB]"
_BEHIND: Final = 10**9
"""Beyond all numbers of frames in a pod's log: a slice's overflow comes after it."""
_MORE_ITEMS: Final = {"status": "cut", "msg": "the items of a loop are cut at 64 KiB together"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One result and its place: slice and sequence number order those of the same end."""

    index: int
    seq: int
    result: Result

    @property
    def place(self) -> tuple[float, int, int]:
        """By which results are ordered: end time, slice, sequence number."""
        return self.result.end, self.index, self.seq


class SliceReader:
    """One slice's results out of lines that come in order of their numbers; repeats are left out.

    Beyond its pod's limit of output a slice has an overflow, with numbers of its own: a result then
    comes in short form, and as a whole in one of the `parts`.
    """

    def __init__(self, index: int) -> None:
        self.index = index
        self.count = 0
        """Frames that were read."""
        self.parts: list[Part] = []
        self._short: list[tuple[int, Entry]] = []
        """Results in short form, and the numbers under which the overflow has them as a whole."""
        self._last = 0
        self._assembler = frames.Assembler()
        self._begun: dict[str, Entry] = {}

    def feed(self, lines: Iterable[bytes]) -> list[Entry]:
        """The results that some lines bring, but for those of which there is only a short form."""
        found: list[Entry] = []
        for frame in _ordered(lines):
            if frame.seq <= self._last:
                continue
            self._last = frame.seq
            self.count += 1
            if (record := self._assembler.add(frame)) is not None:
                found += self._take(record)
        return found

    def _take(self, record: frames.Record) -> list[Entry]:
        if record.kind is Kind.PART and (part := Part.read(record.data)) is not None:
            self.parts.append(part)
        if record.kind not in (Kind.BEGIN, Kind.TASK):
            return []
        entry = Entry(self.index, record.seq, Result.read(record.data))
        if record.kind is Kind.BEGIN:
            self._begun[entry.result.host] = replace(entry, result=replace(entry.result, end=inf))
            return []
        self._begun.pop(entry.result.host, None)
        if entry.result.full is None:
            return [entry]
        self._short.append((entry.result.full, entry))
        return []

    def under_way(self) -> list[Entry]:
        """What was begun and has no result yet: with an empty status, and no end."""
        return list(self._begun.values())

    def overflow(self, lines: Iterable[bytes]) -> list[Entry]:
        """The results in the lines of a part, which are in order."""
        # NB: a play can overwrite a part of its own with millions of tiny frames: one at a time.
        found = (frame for line in lines if (frame := frames.parse(line)) is not None)
        return [
            Entry(self.index, _BEHIND + record.seq, Result.read(record.data))
            for record in frames.records(found)
            if record.kind is Kind.TASK
        ]

    def short(self, read: Iterable[Part]) -> list[Entry]:
        """The results that are in none of the parts that were read, in short form."""
        spans = [(part.first, part.last) for part in read]
        return [
            entry
            for number, entry in self._short
            if not any(first <= number <= last for first, last in spans)
        ]


def _ordered(lines: Iterable[bytes]) -> list[frames.Frame]:
    """The frames among the lines, each number once, in order."""
    found: dict[int, frames.Frame] = {}
    for line in lines:
        if (frame := frames.parse(line)) is not None:
            found.setdefault(frame.seq, frame)
    return [found[seq] for seq in sorted(found)]


def log_object(result: Result) -> dict[str, Any]:
    """A result as `check` gives it: times in UTC as Ansible's `command` writes them."""
    found: dict[str, Any] = {
        "host": result.host,
        "task": marked(result.task),
        "status": result.status,
        "start": _moment(result.start),
        "end": _moment(result.end),
        "delta": _delta(result.end - result.start),
    }
    for name in ("cmd", "rc", "stdout", "stderr", "msg", "diff"):
        value = getattr(result, name)
        if value is not None:
            found[name] = marked(value, name in result.cut) if isinstance(value, str) else value
    if result.results:
        found["results"] = [*result.results, *([_MORE_ITEMS] if "results" in result.cut else [])]
    return found


def _delta(seconds: float) -> str:
    sound = 0 <= seconds < timedelta.max.total_seconds()
    return str(timedelta(seconds=round(seconds, 6) if sound else 0))


def _moment(seconds: float) -> str:
    return _utc(seconds).strftime("%Y-%m-%d %H:%M:%S.%f")


def _utc(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def rfc3339(seconds: float) -> str:
    """A moment with whole seconds, as `2017-07-27T16:37:04Z`."""
    return _utc(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def marked(text: str, cut: bool = False) -> str:
    """The text, at most 16 KiB of UTF-8; it ends with a mark where it was longer."""
    data = text.encode("utf-8", "replace")
    if not cut and len(data) <= TEXT_LIMIT:
        return text
    return data[: TEXT_LIMIT - len(_CUT_MARK)].decode("utf-8", "ignore") + _CUT_MARK


def messages(result: Result) -> tuple[str, ...]:
    """What to tell of a failed or unreachable result, one text a failed loop item."""
    return result.items or (result.failure(),)
