"""Ansible's results out of archived and live frames. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, Final

from crds import frames
from crds.archive import Chunk
from crds.frames import Kind
from crds.records import Result

TEXT_LIMIT: Final = 16 * 1024
"""Bytes of one text of a result."""
_CUT_MARK: Final = "... [cut: longer than 16 KiB]"
_MORE_ITEMS: Final = {"status": "cut", "msg": "the items of a loop are cut at 64 KiB together"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One result and its place: slice and sequence number order those of the same end."""

    index: int
    seq: int
    result: Result


def entries(
    chunks: Iterable[Chunk], live: dict[int, bytes] | None = None, *, running: bool = False
) -> list[Entry]:
    """The results of one task by slice and sequence; `live` holds pods' logs by slice.

    With `running` also what was begun and has no result yet: with an empty status, and no end.
    """
    lines: dict[int, list[bytes]] = {}
    for chunk in chunks:
        lines.setdefault(chunk.index, []).extend(chunk.lines())
    for index, log in (live or {}).items():
        lines.setdefault(index, []).extend(log.splitlines())
    found: list[Entry] = []
    for index in sorted(lines):
        begun: dict[str, Entry] = {}
        for record in frames.records(_ordered(lines[index])):
            if record.kind not in (Kind.BEGIN, Kind.TASK):
                continue
            entry = Entry(index, record.seq, Result.read(record.data))
            if record.kind is Kind.TASK:
                begun.pop(entry.result.host, None)
                found.append(entry)
            else:
                begun[entry.result.host] = Entry(index, record.seq, replace(entry.result, end=inf))
        found += begun.values() if running else ()
    return found


def _ordered(lines: list[bytes]) -> list[frames.Frame]:
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
