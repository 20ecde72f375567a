"""Frames: what the runner writes to its standard output, and how they are read back.

A record is one thing that happened. It travels as one frame, or as several numbered parts where it
would not fit: each frame is one line of JSON of at most 7 KiB,

    {"run":NONCE,"seq":1,"time":1764000000.123,"kind":"task","data":{...}}
    {"run":NONCE,"seq":2,"time":...,"kind":"task","part":[1,3],"text":"first piece of data's JSON"}

`run` is random for every start of the runner and known to nothing else, so no other writer can
forge a frame; `seq` counts from 1 without gaps, so a loss shows. Running digests are SHA-256 over
the lines 1..N, each with its line feed.
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
    TASK = "task"
    """One result of one host, see `Result`."""
    LINE = "line"
    """Raw output of Ansible: `text`."""
    BEAT = "beat"
    """Sign of life every 20 s: `hosts` finished so far, `dropped` records."""
    STATS = "stats"
    """Ansible's recap: `hosts`, name to [ok, changed, failures, unreachable, skipped, rescued,
    ignored]."""
    END = "end"
    """The run is over, see `Summary`; always a single frame and always the last."""


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


class RunStatus(StrEnum):
    """How a run ended, as the runner saw it."""

    RUNNING = "running"
    """Not yet: the termination message of a beat."""
    DONE = "done"
    """Ansible went through the whole work and gave its recap."""
    INVALID = "invalid"
    """Ansible refused the work before any host was touched."""
    TIMED_OUT = "timed-out"
    STOPPED = "stopped"
    """SIGTERM came before the end."""
    CRASHED = "crashed"
    """Ansible ended without a recap, or the runner failed."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Data of the `end` frame, and, with `last` and `sha256` moved to the end, the pod's
    termination message.

    `last` and `sha256` speak of the frames before an `end` frame, and of all frames written so far
    in a termination message. `counts` maps outcome names (`ok`, `failed`, `unreachable`,
    `unfinished`) to hosts. `failed_host` and `inflight` may be cut to fit.
    """

    run: str
    status: RunStatus
    rc: int
    last: int
    sha256: str
    counts: dict[str, int]
    dropped: int = 0
    """Records left out because the output budget was spent."""
    message: str = ""
    """First failure or the reason of the end, at most 1 KiB."""
    inflight: tuple[str, ...] = ()
    """Hosts with a task under way when it ended early; at most 20."""

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "run": self.run, "status": self.status.value, "rc": self.rc, "last": self.last,
            "sha256": self.sha256, "counts": self.counts, "dropped": self.dropped,
            "message": self.message, "inflight": list(self.inflight),
        }  # fmt: skip

    @classmethod
    def read(cls, data: dict[str, Any]) -> "Summary | None":
        """From JSON data; None where it is no summary."""
        try:
            return cls(
                run=str(data["run"]), status=RunStatus(data["status"]), rc=int(data["rc"]),
                last=int(data["last"]), sha256=str(data["sha256"]),
                counts={str(k): int(v) for k, v in data["counts"].items()},
                dropped=int(data.get("dropped", 0)), message=str(data.get("message", "")),
                inflight=tuple(str(host) for host in data.get("inflight", ())),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError):
            return None


_RETURN_CODE_ONLY: Final = frozenset(
    {"non-zero return code", "The command exited with a non-zero return code."}
)
"""What `command` and its like say of a failure, in ansible-core 2.19 and 2.21."""


@dataclass(frozen=True, slots=True)
class Result:
    """Data of a `task` record: one Ansible result of one host.

    `status` is ok, failed, unreachable or skipped; `start` and `end` are seconds since 1970. Each
    text is at most 16 KiB, and its name stands in `cut` where it was longer.
    """

    host: str
    task: str
    status: str
    start: float
    end: float
    changed: bool = False
    ignored: bool = False
    """Failed, but the task says `ignore_errors`."""
    facts: bool = False
    """A fact-gathering task: nothing of its result is forwarded."""
    cmd: str | None = None
    rc: int | None = None
    stdout: str | None = None
    stderr: str | None = None
    msg: str | None = None
    items: tuple[str, ...] = ()
    """Messages of the failed items of a loop."""
    cut: tuple[str, ...] = ()

    def failure(self) -> str:
        """What went wrong, as people want to read it (API.md, getlog): msg; where that only speaks
        of a return code, stderr, else the end of stdout."""
        if self.msg and self.msg.strip() not in _RETURN_CODE_ONLY:
            return self.msg
        text = (self.stderr or "").strip() or (self.stdout or "").strip()[-1024:]
        return text or "no error msg out"

    def data(self) -> dict[str, Any]:
        """As JSON, without what is empty."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        kept = {"host", "task", "status", "start", "end"}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if name in kept or (value is not None and value != () and value is not False)
        }

    @classmethod
    def read(cls, data: dict[str, Any]) -> "Result":
        """From a `task` record's data; what is missing or of another kind counts as empty."""

        def text(name: str) -> str | None:
            value = data.get(name)
            return None if value is None else str(value)

        def texts(name: str) -> tuple[str, ...]:
            value = data.get(name)
            return tuple(str(item) for item in value) if isinstance(value, list) else ()

        def number(name: str) -> float:
            value = data.get(name)
            return float(value) if isinstance(value, int | float) else 0.0

        rc = data.get("rc")
        return cls(
            host=str(data.get("host", "")), task=str(data.get("task", "")),
            status=str(data.get("status", "")), start=number("start"), end=number("end"),
            changed=data.get("changed") is True, ignored=data.get("ignored") is True,
            facts=data.get("facts") is True, cmd=text("cmd"),
            rc=rc if isinstance(rc, int) else None,
            stdout=text("stdout"), stderr=text("stderr"), msg=text("msg"),
            items=texts("items"), cut=texts("cut"),
        )  # fmt: skip
