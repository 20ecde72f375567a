"""What records tell: one result of one host, and how a run ended."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from crds.conditions import Outcome
from crds.ranges import Range


class RunStatus(StrEnum):
    """How a run ended, as the runner saw it."""

    RUNNING = "running"
    """Not yet: the termination message of a beat."""
    DONE = "done"
    """Ansible went through the whole work and gave its recap."""
    INVALID = "invalid"
    """Ansible refused the work before any host was touched."""
    ABORTED = "aborted"
    """Ansible gave the work up half-way for a fault in it."""
    SECRET_INVALID = "secret-invalid"
    """A Secret of the run can't be used; Ansible was not started."""
    TIMED_OUT = "timed-out"
    STOPPED = "stopped"
    """SIGTERM came before the end."""
    CRASHED = "crashed"
    """Ansible ended without a recap, or the runner failed."""


@dataclass(frozen=True, slots=True)
class Part:
    """Data of a `part` record: a part of the overflow that the object store has taken."""

    part: int
    """Its place among the slice's upload URLs, from 0."""
    first: int
    """Number of its first frame in the overflow; `last` likewise."""
    last: int
    results: int
    """How many `task` records are in it."""
    bytes: int
    """Of its lines, uncompressed."""

    def data(self) -> dict[str, int]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def read(cls, data: dict[str, Any]) -> "Part | None":
        """From JSON data; None where it is no part."""
        try:
            return cls(**{name: int(data[name]) for name in cls.__dataclass_fields__})
        except (KeyError, TypeError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Overflow:
    """What a run wrote to its overflow, and how much of that the object store has taken."""

    last: int
    """Number of its last frame."""
    sha256: str
    """Digest over its lines 1..last."""
    kept: tuple[Range, ...] = ()
    """Numbers of the frames in the store, in order; at most 50 ranges."""

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {"last": self.last, "sha256": self.sha256, "kept": [list(r) for r in self.kept]}

    @classmethod
    def read(cls, data: object) -> "Overflow | None":
        """From JSON data; None where there is none."""
        if not isinstance(data, dict):
            return None
        try:
            kept = tuple((int(first), int(last)) for first, last in data["kept"])
            return cls(int(data["last"]), str(data["sha256"]), kept)
        except (KeyError, TypeError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Summary:
    """Data of the `end` frame, and, with `last` and `sha256` moved to the end, the pod's
    termination message.

    `last` and `sha256` speak of the frames before an `end` frame, and of all frames written so far
    in a termination message. `counts` maps names of outcomes to numbers of hosts, those that the
    work added among them. `message` and `inflight` may be cut to fit.
    """

    run: str
    status: RunStatus
    rc: int
    last: int
    sha256: str
    counts: dict[str, int]
    dropped: int = 0
    """Records left out, or written in short form, because the output budget was spent; those
    that are whole in the overflow are not among them."""
    message: str = ""
    """First failure or the reason of the end, at most 1 KiB."""
    inflight: tuple[str, ...] = ()
    """Hosts with a task under way when it ended early; at most 20."""
    overflow: Overflow | None = None
    """None: nothing was written to it."""

    def data(self) -> dict[str, Any]:
        """As JSON."""
        data = {
            "run": self.run, "status": self.status.value, "rc": self.rc, "last": self.last,
            "sha256": self.sha256, "counts": self.counts, "dropped": self.dropped,
            "message": self.message, "inflight": list(self.inflight),
        }  # fmt: skip
        return data if self.overflow is None else data | {"overflow": self.overflow.data()}

    @property
    def well(self) -> bool:
        """Whether the run was done, and no host ended badly."""
        bad = sum(self.counts.get(kind.value, 0) for kind in Outcome if kind.bad)
        return self.status is RunStatus.DONE and Outcome.OK.value in self.counts and not bad

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
                overflow=Overflow.read(data.get("overflow")),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError):
            return None


NOT_IN_YAML: Final = re.compile("[\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]")
"""Characters that JSON may hold as they are and YAML may not (YAML 1.2, 5.1): for one of them in
one object `kubectl get -o yaml` refuses a whole list."""


def printable(text: str) -> str:
    """The text with U+FFFD for each character that YAML can't hold."""
    return NOT_IN_YAML.sub("\ufffd", text)


NAMED: Final = 20
"""Hosts that a sentence names at most."""


def listed(hosts: Sequence[str]) -> str:
    """The hosts as part of a sentence; beyond NAMED only how many more."""
    more = f" and {len(hosts) - NAMED} more" if len(hosts) > NAMED else ""
    return ", ".join(hosts[:NAMED]) + more


def told_failures(first: str, others: int, unfinished: Sequence[str], limit: int) -> str:
    """What went wrong, in at most `limit` characters: the first failure (`host: task: message`,
    empty where there is none), how many other hosts failed, and which hosts did not finish."""
    tail = f" (and {others} more failed host{'s' * (others != 1)})" if others and first else ""
    if unfinished:
        tail += f"{'.' * bool(first)} Not finished: {listed(unfinished)}."
    return (first[: max(0, limit - len(tail))] + tail).strip()[:limit]


_NOTHING: Final = "no error msg out"
"""API.md, getlog."""
_RETURN_CODE_ONLY: Final = frozenset(
    {"non-zero return code", "The command exited with a non-zero return code."}
)
"""What `command` and its like say of a failure, in ansible-core 2.19 and 2.21."""
_NO_RESULT: Final = ("Module result deserialization failed", "MODULE FAILURE")
"""How Ansible begins to say that a module did not run, in 2.21 and 2.16: sudo refused, perhaps."""


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
    results: tuple[dict[str, Any], ...] = ()
    """Of a loop, an object an item: `item` (its label), `status`, and where they exist rc, cmd,
    stdout, stderr, msg; all together at most 64 KiB."""
    diff: str | None = None
    """What changed in files, as Ansible shows it; only where a diff was asked for."""
    cut: tuple[str, ...] = ()
    full: int | None = None
    """Of a result in short form: the frame of the overflow that has it as a whole."""

    def failure(self) -> str:
        """What went wrong, as people want to read it (API.md, getlog): msg; where that only speaks
        of a return code, stderr, else the end of stdout. Of a loop, the messages of its items."""
        if self.items:
            return "; ".join(self.items)
        said = (self.msg or "").strip()
        if said and said not in _RETURN_CODE_ONLY and not said.startswith(_NO_RESULT):
            return str(self.msg)
        text = (self.stderr or "").strip() or (self.stdout or "").strip()[-1024:]
        return text or (said if said.startswith(_NO_RESULT) else _NOTHING)

    def told(self) -> str:
        """`failure`, with the return code where a program failed without a word."""
        text = self.failure()
        return f"return code {self.rc}" if text == _NOTHING and self.rc is not None else text

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

        rc, results, full = data.get("rc"), data.get("results"), data.get("full")
        return cls(
            host=str(data.get("host", "")), task=str(data.get("task", "")),
            status=str(data.get("status", "")), start=number("start"), end=number("end"),
            changed=data.get("changed") is True, ignored=data.get("ignored") is True,
            facts=data.get("facts") is True, cmd=text("cmd"),
            rc=rc if isinstance(rc, int) else None,
            stdout=text("stdout"), stderr=text("stderr"), msg=text("msg"),
            items=texts("items"), diff=text("diff"), cut=texts("cut"),
            full=full if isinstance(full, int) else None,
            results=tuple(item for item in results if isinstance(item, dict))
            if isinstance(results, list) else (),
        )  # fmt: skip
