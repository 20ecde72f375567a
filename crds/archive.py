"""The log of a task beyond its pod: gzip chunks of frames, kept in ConfigMaps or an object store.

One chunk holds frames `first`..`last` of one slice, as the lines the runner wrote. The controller
appends, the API reads.
"""

import gzip
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from crds import names
from crds.model import AnsibleTask

CONFIG_MAPS: Final = "configmaps"
"""What `status.log.archive` says of the archive in ConfigMaps; else it is an object store's URL."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Frames `first`..`last` of slice `index` of the task with uid `task_uid`."""

    task_uid: str
    index: int
    first: int
    last: int
    data: bytes
    """gzip of the lines, each with its line feed."""

    @property
    def size(self) -> int:
        """Compressed bytes."""
        return len(self.data)

    def lines(self) -> list[bytes]:
        """The frames' lines; none where the data is damaged."""
        return unpack(self.data)


def pack(task_uid: str, index: int, first: int, lines: list[bytes]) -> Chunk:
    """A chunk of lines whose first frame has number `first`."""
    data = gzip.compress(b"".join(line + b"\n" for line in lines), compresslevel=6, mtime=0)
    return Chunk(task_uid, index, first, first + len(lines) - 1, data)


UNPACKED: Final = 32 * 1024 * 1024
"""Bytes of lines that a gzip stream of ours holds at most, and bytes that it takes itself."""
_GZIP: Final = 31
"""The largest window, in gzip's format."""


def unpack(data: bytes) -> list[bytes]:
    """The lines in a gzip stream; none where it is damaged, or larger than any of ours: what pods
    upload is theirs to choose."""
    stream = zlib.decompressobj(_GZIP)
    try:
        lines = stream.decompress(data, UNPACKED)
    except zlib.error:
        return []
    return lines.splitlines() if stream.eof else []


def finalizers(place: str) -> tuple[str, ...]:
    """Those of a task whose log is kept there: one until it has ended, and where its log does not
    go with it, one until that is removed."""
    outside = place != CONFIG_MAPS
    return (names.FINALIZER, names.ARCHIVE_FINALIZER) if outside else (names.FINALIZER,)


class Archive(Protocol):
    """Where logs are kept; raises errors.ClusterError only."""

    @property
    def place(self) -> str:
        """What `status.log.archive` says of it."""

    @property
    def bounded(self) -> bool:
        """Whether each task's log has to be kept within a limit."""

    async def append(self, task: AnsibleTask, chunk: Chunk) -> Chunk:
        """Keep a chunk; the one that is kept.

        That may be another one with the same beginning, of a write whose answer was lost.
        """

    async def remove(self, task: AnsibleTask, index: int, first: int) -> None:
        """Give up the chunk of a slice that begins with frame `first`, if it is there."""

    def read(self, task: AnsibleTask) -> AsyncIterator[Chunk]:
        """All chunks of one task, by slice and first frame; those of a slice may overlap."""

    def walk(self, task: AnsibleTask) -> AsyncIterator[Chunk]:
        """The chunks that the task's status tells of, in the same order."""

    async def clear(self, task: AnsibleTask) -> None:
        """Remove all that is kept of a task's log and does not go with its object."""


def behind(first: int, gaps: Mapping[int, int]) -> int:
    """The first frame from `first` on that is in no gap; `gaps` are first and last numbers.

    One that ends before it begins is none: so looks one of unknown length.
    """
    while gaps.get(first, 0) >= first:
        first = gaps[first] + 1
    return first
