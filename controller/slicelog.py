"""One slice's log as it is read: frames in sequence, what is missing, what is not archived yet.

Pure: lines go in, in any order and as often as they come; the reader (`follow`) and the archive
are elsewhere.
"""

from collections import deque
from typing import Final

from controller.observed import LogView
from controller.overflow import OverflowBook
from controller.results import HostBook
from controller.unarchived import Unarchived
from crds import archive, frames
from crds.frames import Frame, Kind
from crds.records import RunStatus, Summary, printable

TAIL: Final = 16 * 1024
"""Bytes of Ansible's output kept for status."""
_AHEAD: Final = 20_000
"""Frames kept at most that came before an earlier one."""


class SliceLog:
    """All that is known of one slice's frames."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.run: str | None = None
        self.last = 0
        self.book = HostBook()
        self.end: Summary | None = None
        self.missing: list[tuple[int, int]] = []
        self.exhausted = False
        self.following = False
        self.records = 0
        self.bytes = 0
        self.newest = 0.0
        """Time of the newest frame, seconds since 1970."""
        self.changed = 0.0
        """Clock time (monotonic) of the oldest line that is not archived."""
        self.chunks: list[tuple[int, int, int]] = []
        """(first, last, compressed bytes) of what is archived."""
        self.forgotten: list[tuple[int, int]] = []
        """(first, last) of chunks that are declared missing and still to be removed."""
        self.dropped = 0
        self.overflow = OverflowBook()
        self.cut = False
        self.shed_why = ""
        """Why lines were given up before they were archived, a sentence; empty where none were."""
        self._lost = False
        self._measured = False
        self.waiting = Unarchived(index)
        self._ahead: dict[int, Frame] = {}
        self._digest = frames.Digest()
        self._assembler = frames.Assembler()
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._proven = False
        self._unread = False

    def feed(self, line: bytes, clock: float = 0.0) -> bool:
        """Take in one line of the pod's log; whether it told anything new."""
        frame = frames.parse(line)
        if frame is None or frame.seq < 1:
            return False
        if self.run is None:
            # The runner writes before anything else can, so the first frame names the run.
            self.run = frame.run
        if frame.run != self.run or frame.seq <= self.last:
            return False
        if frame.seq > self.last + 1:
            if len(self._ahead) < _AHEAD:
                self._ahead[frame.seq] = frame
            return False
        self._accept(frame, clock)
        self._drain(clock)
        return True

    @property
    def gap(self) -> bool:
        """Whether frames came that others before them are missing for."""
        return bool(self._ahead)

    def skip_gap(self, clock: float = 0.0) -> None:
        """Declare the missing frames before the next known one lost, and go on behind them."""
        if not self._ahead:
            return
        first = min(self._ahead)
        self._lose(self.last + 1, first - 1)
        self._drain(clock)

    def close(self, summary: Summary | None, *, read: bool = True) -> None:
        """The log can't grow any more; `summary` is the pod's termination message, if any.

        `read`: whether the log was read once more after its end; if not, a message of the last sign
        of life does not count: more may have been written after it.
        """
        while self._ahead:
            self.skip_gap()
        self.exhausted, self._unread = True, not read
        if summary is None or (self.run is not None and summary.run != self.run):
            return
        if summary.status is RunStatus.RUNNING and not read:
            return
        self._sum_up(summary)
        if summary.last > self.last:
            self._lose(self.last + 1, summary.last)
        elif not self.missing and summary.last == self.last:
            self._proven = self._digest.hex() == summary.sha256

    def restore(self, chunk: archive.Chunk) -> None:
        """Read back what was archived before this process began, chunk by chunk in order."""
        if chunk.first > self.last + 1:
            self._lose(self.last + 1, chunk.first - 1)
        for line in chunk.lines():
            self.feed(line)
        self.chunks.append((chunk.first, chunk.last, chunk.size))
        self.waiting.clear()

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self.end is not None or self.exhausted

    @property
    def unarchived(self) -> int:
        """Bytes that are not archived yet."""
        return self.waiting.size

    def due(self, most_bytes: int, most_seconds: float, clock: float) -> bool:
        """Whether it is time to archive: so much waits, or for so long, or nothing more comes."""
        long = self.unarchived >= most_bytes or clock - self.changed >= most_seconds
        return self.unarchived > 0 and (self.over or long)

    def archived(self, chunk: archive.Chunk) -> None:
        """A chunk of what waits was kept."""
        self.chunks.append((chunk.first, chunk.last, chunk.size))
        self.waiting.archived(chunk)

    def shed(self, limit: int, why: str) -> None:
        """Of what waits give up the oldest beyond `limit` compressed bytes."""
        if gone := self.waiting.shed(limit):
            self.missing += gone
            self.shed_why = why

    def forget(self, first: int, last: int) -> None:
        """Give an archived chunk up for newer ones; it is removed once that is declared."""
        self.chunks = [chunk for chunk in self.chunks if chunk[0] != first]
        self.forgotten.append((first, last))
        self.missing.append((first, last))
        self.cut = True

    def view(self, *, archiving: bool = False, refused: str = "") -> LogView:
        """What a decision needs to know; see LogView of `archiving` and `refused`."""
        waiting = self.waiting.first
        return LogView(
            book=self.book,
            run=self.run,
            last=self.last,
            archived=self.last if waiting is None else waiting - 1,
            records=self.records,
            bytes=self.bytes,
            end=self.end,
            complete=self._proven and not self.missing,
            missing=tuple(self.missing),
            exhausted=self.exhausted,
            unread=self._unread,
            following=self.following,
            archiving=archiving,
            refused=refused,
            shed_why=self.shed_why,
            lost=self._lost,
            measured=self._measured,
            dropped=self.dropped,
            overflow_missing=self.overflow.missing if self.over else 0,
            cut=self.cut,
            tail="".join(self._tail),
        )

    def _accept(self, frame: Frame, clock: float) -> None:
        if frame.kind is Kind.END and frame.data is not None:
            self._ended(Summary.read(frame.data), frame)
        self.last = frame.seq
        self.newest = max(self.newest, frame.time)
        self.bytes += len(frame.line) + 1
        self._digest.add(frame.line)
        if not self.waiting.size:
            self.changed = clock
        self.waiting.add(frame.seq, frame.line)
        record = self._assembler.add(frame)
        if record is None:
            return
        self.records += 1
        self.book.add(record)
        self.overflow.add(record)
        if record.kind is Kind.LINE:
            self._show(str(record.data.get("text", "")))

    def _ended(self, summary: Summary | None, frame: Frame) -> None:
        if summary is None:
            return
        self.end = summary
        self._sum_up(summary)
        self._proven = (
            not self.missing
            and summary.last == frame.seq - 1
            and summary.sha256 == self._digest.hex()
        )

    def _sum_up(self, summary: Summary) -> None:
        self._measured = True
        self.dropped = summary.dropped
        self.overflow.sum_up(summary)

    def _drain(self, clock: float) -> None:
        while (frame := self._ahead.pop(self.last + 1, None)) is not None:
            self._accept(frame, clock)

    def _lose(self, first: int, last: int) -> None:
        self.missing.append((first, last))
        self.last = last
        self._lost = True

    def _show(self, text: str) -> None:
        for line in printable(text).splitlines(keepends=False):
            self._tail.append(line + "\n")
            self._tail_size += len(line.encode("utf-8", "replace")) + 1
        while self._tail_size > TAIL and len(self._tail) > 1:
            self._tail_size -= len(self._tail.popleft().encode("utf-8", "replace"))
