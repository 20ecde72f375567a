"""Reading what tasks have left behind: the archives and, while they run, the pods' logs.

A log is read chunk by chunk and part by part; what is kept of it in memory is what is answered.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, TypeVar

from api.newest import Newest
from api.problems import LogAway
from api.results import Entry, SliceReader
from crds import errors
from crds.archive import CONFIG_MAPS, Chunk
from crds.archives import Archives
from crds.model import AnsibleTask, SliceStatus
from crds.records import Part
from crds.tasks import TaskStore

T = TypeVar("T")
_log = logging.getLogger("octans.api")

_POD_LOG_BYTES: Final = 10 * 1024 * 1024
_LIVE_SECONDS: Final = 2.0
"""For all pods' logs together; what takes longer is left to the archive, at most 15 s behind."""
_AT_ONCE: Final = 8
"""Tasks whose results are in memory at a time, and pods whose logs are read."""
_PARTS_AT_ONCE: Final = 2
"""Parts of 8 MiB that are in memory at a time, of all requests."""
_LISTED_BYTES: Final = 64 * 1024 * 1024
"""Of archives, as the runners wrote them, that one list call may bring in."""


@dataclass(slots=True)
class _Reading:
    """How the log of a task is to be read, and whether all of it was there."""

    task: AnsibleTask
    newest: Newest | None = None
    """Where it is given, only what is newest is asked for, and nothing that is under way."""
    listed: list[Chunk] | None = None
    """What its archive holds, where that is known already."""
    parts: bool = True
    """Whether parts beyond the limit of a pod's log are read."""
    lacking: bool = False
    """The archive does not hold what the status tells."""


class TaskLogs:
    """The logs of the tasks of one namespace."""

    def __init__(self, tasks: TaskStore, archives: Archives) -> None:
        self._tasks = tasks
        self._archives = archives
        self._parts = asyncio.Semaphore(_PARTS_AT_ONCE)

    async def newest(self, task: AnsibleTask, limit: int) -> Newest:
        """The newest results that the archive holds of a task, in `limit` bytes of JSON.

        Of one that has ended also what the archive lacks, as long as the pods are there.
        """
        found = Newest(limit)
        if task.status.log is None or not task.status.log.records:
            return found
        live = await self._live(task) if task.finished else {}
        reading = _Reading(task, newest=found)
        try:
            async for entry in self._entries(reading, live):
                found.add(entry)
        except LogAway:
            return Newest(limit, unread=True)
        found.unread = reading.lacking
        return found

    async def each(
        self,
        found: list[AnsibleTask],
        label: str,
        make: Callable[[AnsibleTask, Entry], T | None],
        lacking: list[AnsibleTask],
    ) -> AsyncIterator[T]:
        """What `make` makes of the results of some tasks, task by task, in order of time; those not
        archived yet and what is under way, too. LogAway where an archive does not answer.

        `lacking` gets the tasks of which the archive does not hold what the status tells.

        `label` fits the ConfigMaps of all of them: one list call where they are small, as a rule.
        """
        size = sum(task.status.log.bytes for task in found if task.status.log)
        listed = None  # a single task's chunks are read by their names
        if len(found) > 1 and size <= _LISTED_BYTES:
            listed = await self._listed(found, label)
        until, places = _soon(), asyncio.Semaphore(_AT_ONCE)

        async def one(task: AnsibleTask) -> list[T]:
            live = await self._live(task, until, places)
            kept = None if listed is None else listed.get(task.metadata.uid)
            reading = _Reading(task, listed=kept)
            made = await _sorted(task, self._entries(reading, live), make)
            if reading.lacking:
                lacking.append(task)
            return made

        for at in range(0, len(found), _AT_ONCE):
            for made in await asyncio.gather(*map(one, found[at : at + _AT_ONCE])):
                for item in made:
                    yield item

    async def from_pods(
        self, task: AnsibleTask, make: Callable[[AnsibleTask, Entry], T | None]
    ) -> list[T]:
        """The same of what the pods of one task still have, without any archive."""
        live = await self._live(task, ended=True)
        return await _sorted(
            task, self._entries(_Reading(task, listed=[], parts=False), live), make
        )

    async def _entries(
        self, reading: "_Reading", live: Mapping[int, bytes]
    ) -> AsyncIterator[Entry]:
        """The results in the archive, then those in pods' logs, then those beyond the limit of a
        pod's log, then what is under way."""
        task, newest = reading.task, reading.newest
        readers = {index: SliceReader(index) for index in range(task.spec.slice_count)}
        async for chunk in self._chunks(task, reading.listed):
            if chunk.index in readers:
                for entry in readers[chunk.index].feed(chunk.lines()):
                    yield entry
        for index, log in live.items():
            for entry in readers[index].feed(log.splitlines()):
                yield entry
        parts = [part for part in task.status.slices if part.index in readers]
        reading.lacking = any(readers[part.index].count < stored(task, part) for part in parts)
        for reader in readers.values():
            async for entry in self._overflow(reading, reader):
                yield entry
            if newest is None and not task.finished:
                for entry in reader.under_way():
                    yield entry

    async def _chunks(self, task: AnsibleTask, listed: list[Chunk] | None) -> AsyncIterator[Chunk]:
        if listed is not None:
            for chunk in listed:
                yield chunk
            return
        try:
            async for chunk in self._archives.of(task).walk(task):
                yield chunk
        except errors.StoreNotConfigured:
            return  # what the status tells of is lacking
        except errors.ClusterError as error:
            raise _away(task, error) from error

    async def _overflow(self, reading: "_Reading", reader: SliceReader) -> AsyncIterator[Entry]:
        """The parts from the last to the first, as far as they are asked for, then in short form
        what is in none of those that were read."""
        task, newest = reading.task, reading.newest
        read: list[Part] = []
        for part in reversed(reader.parts if reading.parts else []):
            found = await self._part(task, reader, part)
            if found is None:
                reading.lacking = True
                continue
            read.append(part)
            for entry in found:
                yield entry
            if (
                newest is not None
                and found
                and newest.leaves_out(min(found, key=attrgetter("place")))
            ):
                break  # parts before it are older still
        short = reader.short(read)
        for entry in short:
            yield entry
        if newest is not None:
            unread = sum(part.results for part in reader.parts if part not in read)
            newest.uncounted += max(0, unread - len(short) + len(reader.short(reader.parts)))

    async def _part(self, task: AnsibleTask, reader: SliceReader, part: Part) -> list[Entry] | None:
        """The results in a part; None where it is gone."""
        store = self._archives.store
        if store is None:
            return None
        async with self._parts:
            try:
                lines = await store.overflow(task, reader.index, part.part)
            except errors.NotFound:
                return None
            except errors.ClusterError as error:
                raise _away(task, error) from error
            # 8 MiB: others want to be answered meanwhile.
            return await asyncio.to_thread(reader.overflow, lines)

    async def _listed(self, found: list[AnsibleTask], label: str) -> dict[str, list[Chunk]]:
        """The chunks in ConfigMaps of some tasks by the task's uid."""
        here = list(filter(_in_config_maps, found))
        by_task: dict[str, list[Chunk]] = {task.metadata.uid: [] for task in here}
        if here:
            for chunk in await self._archives.config_maps.find(label):
                if chunk.task_uid in by_task:
                    by_task[chunk.task_uid].append(chunk)
        for chunks in by_task.values():
            chunks.sort(key=lambda chunk: (chunk.index, chunk.first))
        return by_task

    async def _live(
        self,
        task: AnsibleTask,
        until: float | None = None,
        places: asyncio.Semaphore | None = None,
        *,
        ended: bool = False,
    ) -> dict[int, bytes]:
        """The logs of a task's claimed pods, by slice; none once all of it is archived, but for
        `ended`."""
        if task.finished and not ended and not _refused(task):
            return {}
        last = _soon() if until is None else until
        turns = places or asyncio.Semaphore(_AT_ONCE)
        claimed = {part.index: part.pod for part in task.status.slices if part.pod}

        async def read(pod: str) -> bytes:
            async with turns:
                return await self._pod_log(pod, last)

        logs = await asyncio.gather(*map(read, claimed.values()))
        return dict(zip(claimed, logs, strict=True))

    async def _pod_log(self, pod: str, until: float) -> bytes:
        client, namespace = self._tasks.client, self._tasks.namespace
        try:
            async with asyncio.timeout_at(until):
                return await client.pod_log(namespace, pod, limit_bytes=_POD_LOG_BYTES)
        except (errors.ClusterError, TimeoutError):
            return b""  # not started, gone, or slow: the archive has what there is


async def _sorted(
    task: AnsibleTask,
    entries: AsyncIterator[Entry],
    make: Callable[[AnsibleTask, Entry], T | None],
) -> list[T]:
    """What is made of results, by end time, slice and sequence."""
    kept = [
        (entry.place, made) async for entry in entries if (made := make(task, entry)) is not None
    ]
    kept.sort(key=lambda pair: pair[0])
    return [made for _, made in kept]


def stored(task: AnsibleTask, part: SliceStatus) -> int:
    """How many frames of a slice are archived, as the status tells."""
    gaps = task.status.log.missing if task.status.log is not None else ()
    lost = sum(
        min(gap.last, part.last_sequence) - gap.first + 1
        for gap in gaps
        if gap.slice == part.index and gap.first <= min(gap.last, part.last_sequence)
    )
    return part.last_sequence - lost


def _refused(task: AnsibleTask) -> bool:
    """Whether the archive lacks some of the log, and not for its size."""
    log = task.status.log
    return log is not None and bool(log.missing) and not log.cut


def _in_config_maps(task: AnsibleTask) -> bool:
    return task.status.log is None or task.status.log.archive in (None, CONFIG_MAPS)


def _soon() -> float:
    return asyncio.get_running_loop().time() + _LIVE_SECONDS


def _away(task: AnsibleTask, error: errors.ClusterError) -> Exception:
    """Of an object store that it does not answer, of Kubernetes its own error."""
    if _in_config_maps(task):
        return error
    _log.warning("log not read", extra={"task": task.metadata.name, "reason": str(error)})
    return LogAway()
