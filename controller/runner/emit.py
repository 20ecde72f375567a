"""Frames out: to standard output and, summed up, to the pod's termination message."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from controller.runner import summary
from controller.runner.overflow import Stream
from crds import frames
from crds.frames import Digest, Kind
from crds.records import Summary, printable

LINE_COST: Final = 48
"""Bytes that a container runtime adds to a line on disk (time, stream, tag)."""
FULL: Final = 8 * 1024 * 1024
"""Bytes on disk up to which everything is written."""
SHORT: Final = FULL + 1536 * 1024
"""Bytes on disk up to which results are written in short form: a node rotates at 10 MiB and only
the newest file is ever read."""
PART_COST: Final = 288
"""Bytes on disk of the record of one part of the overflow, at most."""
END_LIMIT: Final = 6 * 1024
TERMINATION_LIMIT: Final = 3584
"""Bytes of a termination message: of more than 4096 only the last 4096 are kept."""


@dataclass(frozen=True, slots=True)
class Out:
    """Where frames go: file descriptors of the stream and of the termination message."""

    stream: int
    termination: int


class Emitter:
    """Numbers, signs and counts the frames of one run; `clock` gives seconds since 1970.

    `overflow` takes what is beyond the budget; without one it is dropped.
    """

    def __init__(
        self, out: Out, run: str, clock: Callable[[], float], reserve: int = 0,
        overflow: Stream | None = None,
    ) -> None:  # fmt: skip
        self.run = run
        self.dropped = 0
        """Records that are whole nowhere: left out, or written in short form only."""
        self._overflow = overflow
        self._spilling = False
        """Whether something was beyond the budget: all that comes later is, too."""
        self._out = out
        self._clock = clock
        self._reserve = reserve + 64 * 1024
        """Bytes kept back for the recap, the beats and the end."""
        self._seq = 0
        self._spent = 0
        self._digest = Digest()

    def always(self, kind: Kind, data: dict[str, Any]) -> None:
        """Write a record whatever the budget: start, beat, recap, part of the overflow."""
        self._write(frames.encode(self.run, self._seq + 1, self._clock(), kind, data))

    def line(self, data: dict[str, Any]) -> None:
        """Write raw output while the budget lasts, then to the overflow."""
        whole = self._whole(Kind.LINE, data) or self._spill(Kind.LINE, data)
        self.dropped += not whole

    def begin(self, data: dict[str, Any]) -> None:
        """Write that a task begins, early in the budget only: its result will tell as much."""
        self._within(FULL // 4, Kind.BEGIN, data)

    def task(self, data: dict[str, Any], short: dict[str, Any]) -> None:
        """Write a result; beyond the budget its short form, and the whole to the overflow."""
        if self._whole(Kind.TASK, data):
            return
        full = self._spill(Kind.TASK, data)
        told = self._within(SHORT, Kind.TASK, short | ({"full": full} if full else {}))
        self.dropped += not (full or (told and short == data))

    def _whole(self, kind: Kind, data: dict[str, Any]) -> bool:
        if self._spilling:
            return False
        fits = self._within(FULL, kind, data)
        self._spilling = not fits and self._overflow is not None
        return fits

    def _spill(self, kind: Kind, data: dict[str, Any]) -> int:
        """Number of the record's last frame in the overflow; 0: there is no room in it."""
        if (spill := self._overflow) is None:
            return 0
        lines = frames.encode(self.run, spill.last + 1, self._clock(), kind, data)
        return spill.last if spill.add(lines, result=kind is Kind.TASK) else 0

    def _within(self, limit: int, kind: Kind, data: dict[str, Any]) -> bool:
        left = limit - self._reserve - self._spent
        if left > 0:  # else it need not be encoded
            lines = frames.encode(self.run, self._seq + 1, self._clock(), kind, data)
            if _cost(lines) <= left:
                self._write(lines)
                return True
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
        body = printable(text).encode("utf-8", "replace")
        os.pwrite(self._out.termination, body, 0)
        os.ftruncate(self._out.termination, len(body))

    def _filled(self, told: Summary, limit: int, *, ascii_only: bool) -> Summary:
        whole = replace(
            told, run=self.run, last=self._seq, sha256=self._digest.hex(), dropped=self.dropped,
            overflow=self._overflow.sum_up() if self._overflow else None,
        )  # fmt: skip
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
