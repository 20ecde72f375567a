"""Frames out: to standard output and, summed up, to the pod's termination message."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from controller.runner import summary
from crds import frames
from crds.frames import Digest, Kind
from crds.records import Summary

LINE_COST: Final = 48
"""Bytes that a container runtime adds to a line on disk (time, stream, tag)."""
FULL: Final = 8 * 1024 * 1024
"""Bytes on disk up to which everything is written."""
SHORT: Final = FULL + 1536 * 1024
"""Bytes on disk up to which results are written in short form: a node rotates at 10 MiB and only
the newest file is ever read."""
END_LIMIT: Final = 6 * 1024
TERMINATION_LIMIT: Final = 3584
"""Bytes of a termination message: of more than 4096 only the last 4096 are kept."""


@dataclass(frozen=True, slots=True)
class Out:
    """Where frames go: file descriptors of the stream and of the termination message."""

    stream: int
    termination: int


class Emitter:
    """Numbers, signs and counts the frames of one run; `clock` gives seconds since 1970."""

    def __init__(self, out: Out, run: str, clock: Callable[[], float], reserve: int = 0) -> None:
        self.run = run
        self.dropped = 0
        """Records that were left out, or written in short form only."""
        self._out = out
        self._clock = clock
        self._reserve = reserve + 64 * 1024
        """Bytes kept back for the recap, the beats and the end."""
        self._seq = 0
        self._spent = 0
        self._digest = Digest()

    def always(self, kind: Kind, data: dict[str, Any]) -> None:
        """Write a record whatever the budget: start, beat, recap."""
        self._write(frames.encode(self.run, self._seq + 1, self._clock(), kind, data))

    def line(self, data: dict[str, Any]) -> None:
        """Write raw output while the budget lasts."""
        self._within(FULL, Kind.LINE, data)

    def begin(self, data: dict[str, Any]) -> None:
        """Write that a task begins, early in the budget only: its result will tell as much."""
        self._within(FULL // 4, Kind.BEGIN, data, count=False)

    def task(self, data: dict[str, Any], short: dict[str, Any]) -> None:
        """Write a result, beyond the budget its short form."""
        if self._within(FULL, Kind.TASK, data, count=False):
            return
        whole = self._within(SHORT, Kind.TASK, short, count=False) and short == data
        self.dropped += not whole

    def _within(self, limit: int, kind: Kind, data: dict[str, Any], *, count: bool = True) -> bool:
        left = limit - self._reserve - self._spent
        if left > 0:  # else it need not be encoded
            lines = frames.encode(self.run, self._seq + 1, self._clock(), kind, data)
            if _cost(lines) <= left:
                self._write(lines)
                return True
        self.dropped += count
        return False

    def end(self, end: Summary) -> None:
        """Write the end frame and the last termination message."""
        told = self._filled(end, END_LIMIT, ascii_only=True)
        self.always(Kind.END, told.data())
        self.sum_up(end)

    def sum_up(self, now: Summary) -> None:
        """Replace the termination message."""
        told = self._filled(now, TERMINATION_LIMIT, ascii_only=False)
        text = json.dumps(told.data(), separators=(",", ":"), ensure_ascii=False)
        body = text.encode("utf-8", "replace")
        os.pwrite(self._out.termination, body, 0)
        os.ftruncate(self._out.termination, len(body))

    def _filled(self, told: Summary, limit: int, *, ascii_only: bool) -> Summary:
        whole = replace(
            told, run=self.run, last=self._seq, sha256=self._digest.hex(), dropped=self.dropped
        )
        return summary.fit(whole, limit, ascii_only=ascii_only)

    def _write(self, lines: list[bytes]) -> None:
        for line in lines:
            self._digest.add(line)
        self._seq += len(lines)
        self._spent += _cost(lines)
        left = memoryview(b"".join(line + b"\n" for line in lines))
        while left:
            left = left[os.write(self._out.stream, left) :]


def _cost(lines: list[bytes]) -> int:
    return sum(len(line) + 1 + LINE_COST for line in lines)
