"""Frames: what the runner writes to its standard output, and how they are read back.

A record is one thing that happened. It travels as one frame, or as several numbered parts where it
would not fit: each frame is one line of JSON of at most 7 KiB,

    {"run":NONCE,"seq":1,"time":1764000000.123,"kind":"task","data":{...}}
    {"run":NONCE,"seq":2,"time":...,"kind":"task","part":[1,3],"text":"first piece of data's JSON"}

`run` is random for every start of the runner and known to nothing else, so no other writer can
forge a frame; `seq` counts from 1 without gaps, so a loss shows. Running digests are SHA-256 over
the lines 1..N, each with its line feed.

Output beyond what a pod's log holds goes to a second stream, the overflow: the same lines with the
same nonce, numbered from 1 on their own. It is cut between records into gzip files, its parts,
which the runner uploads to an object store.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

MAX_LINE: Final = 7 * 1024
"""Bytes of a frame's line, its line feed not counted; a kubelet splits lines at 16 KiB."""
_PIECE: Final = 3000
"""Characters of a record's JSON text a part; escaping at worst doubles ASCII text."""


class Kind(StrEnum):
    """What a record tells; the keys of its `data`."""

    START = "start"
    """The run begins: `hosts` (count), `slice`, `versions`."""
    BEGIN = "begin"
    """A host begins a task: `host`, `task`, `start`."""
    TASK = "task"
    """One result of one host, see records.Result."""
    LINE = "line"
    """Raw output of Ansible: `text`."""
    BEAT = "beat"
    """Sign of life every 20 s: `hosts` finished so far, `dropped` records."""
    STATS = "stats"
    """Ansible's recap: `hosts`, name to [ok, changed, failures, unreachable, skipped, rescued,
    ignored]."""
    HOSTS = "hosts"
    """How every host of the slice ended, and hosts that the work added: names of outcomes
    (conditions.Outcome) to lists of hosts. Comes once, before the end."""
    PART = "part"
    """A part of the overflow is in the object store, see records.Part."""
    END = "end"
    """The run is over, see records.Summary; always a single frame and always the last."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record put together again; `seq` is that of its last frame, `first` of its first."""

    run: str
    first: int
    seq: int
    time: float
    kind: Kind
    data: dict[str, Any]


def encode(run: str, seq: int, time: float, kind: Kind, data: dict[str, Any]) -> list[bytes]:
    """The lines (without line feeds) of a record whose first frame gets number `seq`."""
    head = {"run": run, "seq": seq, "time": round(time, 3), "kind": kind.value}
    line = _dump({**head, "data": data})
    if len(line) <= MAX_LINE:
        return [line]
    text = json.dumps(data, separators=(",", ":"))
    pieces = [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)]
    return [
        _dump({**head, "seq": seq + at, "part": [at + 1, len(pieces)], "text": piece})
        for at, piece in enumerate(pieces)
    ]


def _dump(value: dict[str, Any]) -> bytes:
    # ASCII only: no terminal control character, line separator or lone surrogate reaches the log.
    return json.dumps(value, separators=(",", ":")).encode("ascii")


@dataclass(frozen=True, slots=True)
class Frame:
    """One line, understood; `line` is its bytes without the line feed."""

    run: str
    seq: int
    time: float
    kind: Kind
    data: dict[str, Any] | None
    part: tuple[int, int] | None
    text: str
    line: bytes


def parse(line: bytes) -> Frame | None:
    """The frame a line holds; None for anything that is not one."""
    try:
        value = json.loads(line)
        kind = Kind(value["kind"])
        run, seq, time = str(value["run"]), int(value["seq"]), float(value["time"])
        part = tuple(int(number) for number in value["part"]) if "part" in value else None
        data = value.get("data")
        text = str(value.get("text", ""))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if part is not None and len(part) != 2:
        return None
    if part is None and not isinstance(data, dict):
        return None
    return Frame(run, seq, time, kind, data, (part[0], part[1]) if part else None, text, line)


class Assembler:
    """Puts records together from frames given in order of `seq`."""

    def __init__(self) -> None:
        self._pieces: list[Frame] = []

    def add(self, frame: Frame) -> Record | None:
        """The record that this frame completes; one with a missing part is never completed."""
        if frame.part is None:
            self._pieces = []
            data = frame.data or {}
            return Record(frame.run, frame.seq, frame.seq, frame.time, frame.kind, data)
        number, total = frame.part
        if number == 1:
            self._pieces = []
        elif not self._pieces or self._pieces[-1].seq != frame.seq - 1:
            self._pieces = []
            return None
        self._pieces.append(frame)
        if number != total or (joined := _joined(self._pieces)) is None:
            return None
        return Record(frame.run, self._pieces[0].seq, frame.seq, frame.time, frame.kind, joined)


def records(frames: Iterable[Frame]) -> Iterator[Record]:
    """The records of frames in order of `seq`; a record with a missing part is left out."""
    assembler = Assembler()
    for frame in frames:
        if (record := assembler.add(frame)) is not None:
            yield record


def _joined(pieces: list[Frame]) -> dict[str, Any] | None:
    try:
        data = json.loads("".join(piece.text for piece in pieces))
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


class Digest:
    """Running SHA-256 over lines, each with its line feed."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def add(self, line: bytes) -> None:
        """Take in the next line (without its line feed)."""
        self._sha.update(line)
        self._sha.update(b"\n")

    def hex(self) -> str:
        """The digest over all lines so far."""
        return self._sha.hexdigest()
