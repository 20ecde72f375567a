"""Output beyond what the pod's log holds: a stream of its own, cut into gzip files on disk.

Nothing here knows of the network: closed parts are handed on, and what became of them is told back.
"""

import os
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from crds import ranges
from crds.frames import Digest
from crds.ranges import Range
from crds.records import Overflow, Part

PART: Final = 8 * 1024 * 1024
"""Bytes of lines in a part at most; a record that is longer makes its own."""
DISK: Final = 192 * 1024 * 1024
"""Bytes that files may take that are not uploaded yet; the pod's home has 512 MiB."""
LEVEL: Final = 6
_GZIP: Final = 31
"""The largest window, in gzip's format; zlib then writes a header without name or time."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A closed part in its file, of `size` bytes."""

    part: Part
    file: Path
    size: int


class Stream:
    """Numbers what is added, writes it to files, and knows how much of it is kept.

    `places` is how many parts there may be, `most` how many bytes may wait on disk; `hand_on`
    takes each part that was closed.
    """

    def __init__(
        self, folder: Path, places: int, hand_on: Callable[[Stored], None], most: int = DISK
    ) -> None:
        self.last = 0
        """Number of the last frame."""
        self.waiting = 0
        """Parts that were handed on and that nothing was heard of since."""
        self._folder = folder
        self._places = places
        self._hand_on = hand_on
        self._most = most
        self._begun = 0
        self._open: _Open | None = None
        self._disk = 0
        self._digest = Digest()
        self._kept: tuple[Range, ...] = ()

    def add(self, lines: Sequence[bytes], *, result: bool) -> bool:
        """Write a record whose first frame has number `last` + 1; False where there is no room
        for it, or the disk fails: then it is as if it had never been."""
        data = b"".join(line + b"\n" for line in lines)
        try:
            part = self._room(len(data))
            if part is None:
                return False
            part.write(data)
        except OSError:
            return False
        for line in lines:
            self._digest.add(line)
        self.last += len(lines)
        part.count(self.last, len(data), result=result)
        return True

    def close(self) -> None:
        """Hand the open part on, if there is one; one that can't be written stays open."""
        if self._open is None:
            return
        try:
            stored = self._open.close()
        except OSError:
            return
        self._open = None
        self._disk += stored.size
        self.waiting += 1
        self._hand_on(stored)

    def gone(self, stored: Stored, *, kept: bool) -> None:
        """Take in that a part was uploaded and its file removed, or that its file is lost."""
        self.waiting -= 1
        self._disk -= stored.size
        if kept:
            self._kept = ranges.merged([*self._kept, (stored.part.first, stored.part.last)])

    def sum_up(self) -> Overflow | None:
        """How it stands; None where nothing was written."""
        return Overflow(self.last, self._digest.hex(), self._kept) if self.last else None

    def _room(self, size: int) -> "_Open | None":
        """The part that a record of `size` bytes goes to; None where there is no room for it."""
        if self._open is not None and (self._open.ended or self._open.part.bytes + size > PART):
            self.close()
            if self._open is not None:
                return None
        # At worst it can't be compressed.
        if self._disk + (self._open.size if self._open else 0) + size > self._most:
            return None
        return self._open or (self._begin() if self._begun < self._places else None)

    def _begin(self) -> "_Open":
        self._folder.mkdir(mode=0o700, exist_ok=True)
        file = self._folder / f"{self._begun}.gz"
        self._open = _Open(file, Part(self._begun, self.last + 1, self.last, 0, 0))
        self._begun += 1
        return self._open


class _Open:
    """The part that is being written."""

    def __init__(self, file: Path, part: Part) -> None:
        self.part = part
        self.size = 0
        """Bytes that the file has, or is about to have."""
        self.ended = False
        """Whether nothing can be added any more."""
        self._path = file
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._gzip = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
        self._held = b""
        """What the disk has not taken yet; never more than one record leaves behind."""

    def write(self, data: bytes) -> None:
        """Take the data in, or raise OSError where the disk did not take what came before."""
        self._flush()
        self._hold(self._gzip.compress(data))
        with suppress(OSError):  # the next one finds it
            self._flush()

    def count(self, last: int, size: int, *, result: bool) -> None:
        """Note that a record of `size` bytes was written, up to frame `last`."""
        part = self.part
        self.part = replace(part, last=last, bytes=part.bytes + size, results=part.results + result)

    def close(self) -> Stored:
        """End the file; OSError where the disk does not take the rest, to be tried again."""
        if not self.ended:
            self.ended = True
            self._hold(self._gzip.flush())
        self._flush()
        os.close(self._file)
        return Stored(self.part, self._path, self.size)

    def _hold(self, data: bytes) -> None:
        self._held += data
        self.size += len(data)

    def _flush(self) -> None:
        while self._held:
            self._held = self._held[os.write(self._file, self._held) :]
