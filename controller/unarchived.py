"""Lines of one slice that are to be archived: the newest as they came, the older ones packed. Pure.

Packed they take a tenth of the memory, which counts while an archive is away.
"""

from collections import deque
from typing import Final

from crds import archive
from crds.archive import Chunk

CHUNK: Final = 512 * 1024
"""Bytes of lines in a chunk at most; compressed it then fits a ConfigMap whatever it holds."""


class Unarchived:
    """What one slice's archive lacks, in order."""

    def __init__(self, index: int) -> None:
        self.size = 0
        """Bytes of all lines, as the runner wrote them."""
        self._index = index
        self._lines: deque[tuple[int, bytes]] = deque()
        self._lines_size = 0
        self._packed: deque[tuple[Chunk, int]] = deque()
        """Chunks, and the bytes of their lines."""

    @property
    def first(self) -> int | None:
        """Number of the first frame; None: there is none."""
        if self._packed:
            return self._packed[0][0].first
        return self._lines[0][0] if self._lines else None

    def add(self, seq: int, line: bytes) -> None:
        """Take in the next frame's line."""
        self._lines.append((seq, line))
        self._lines_size += len(line) + 1
        self.size += len(line) + 1

    def chunk(self, task_uid: str) -> Chunk | None:
        """The oldest lines as a chunk, the same until it is `archived`; None: there are none."""
        if not self._packed:
            self._pack(task_uid)
        return self._packed[0][0] if self._packed else None

    def pack(self, task_uid: str) -> None:
        """Save memory: pack the lines that fill a chunk."""
        while self._lines_size >= CHUNK:
            self._pack(task_uid)

    def archived(self, kept: Chunk) -> None:
        """A chunk was kept, which may be another one with the same beginning."""
        while self._packed and self._packed[0][0].first <= kept.last:
            chunk, size = self._packed.popleft()
            self.size -= size
            if chunk.last > kept.last:
                lines = chunk.lines()[kept.last + 1 - chunk.first :]
                rest = archive.pack(chunk.task_uid, chunk.index, kept.last + 1, lines)
                self._put_back(rest, sum(len(line) + 1 for line in lines))
        while self._lines and self._lines[0][0] <= kept.last:
            self._take()

    def shed(self, limit: int) -> list[tuple[int, int]]:
        """Give up the oldest chunks beyond `limit` compressed bytes; what numbers they had."""
        gone: list[tuple[int, int]] = []
        while self._packed and sum(chunk.size for chunk, _ in self._packed) > limit:
            chunk, size = self._packed.popleft()
            self.size -= size
            gone.append((chunk.first, chunk.last))
        return gone

    def clear(self) -> None:
        """Everything is archived."""
        self._lines.clear()
        self._packed.clear()
        self.size = self._lines_size = 0

    def _pack(self, task_uid: str) -> None:
        if not self._lines:
            return
        first, size = self._lines[0][0], 0
        lines: list[bytes] = []
        # A chunk's numbers have no gaps: behind a loss the next chunk begins.
        while self._lines and self._lines[0][0] == first + len(lines):
            size += len(self._lines[0][1]) + 1
            if size > CHUNK and lines:
                break
            lines.append(self._take())
        chunk = archive.pack(task_uid, self._index, first, lines)
        size = sum(len(line) + 1 for line in lines)
        self._packed.append((chunk, size))
        self.size += size

    def _put_back(self, chunk: Chunk, size: int) -> None:
        self._packed.appendleft((chunk, size))
        self.size += size

    def _take(self) -> bytes:
        _, line = self._lines.popleft()
        self._lines_size -= len(line) + 1
        self.size -= len(line) + 1
        return line
