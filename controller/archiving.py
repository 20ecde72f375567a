"""Keeps what was read of a task's log in its archive, and goes on without it where that fails.

Record-keeping never delays an end by more than some seconds: what the archive refuses is told in
`status.log`, and offered again, also for a while after the end.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from controller.capacity import quota_words
from controller.session import Session
from controller.settings import Settings
from controller.slicelog import SliceLog
from crds import errors
from crds.archive import CONFIG_MAPS, Archive
from crds.model import AnsibleTask

log = logging.getLogger(__name__)

_ATTEMPT: Final = 3.0
"""Seconds that one write may take: other steps of the task wait for it."""


class Archiver:
    """Appends to tasks' archives and keeps each within its limit; `clock` gives seconds."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._settings = settings

    async def keep(self, task: AnsibleTask, session: Session) -> None:
        """Archive what is due of a task's logs; a failure is noted in the session."""
        state = session.archiving
        due = [part for part in session.logs.values() if self._due(part)]
        if not due or self._clock() < state.next_attempt:
            return
        limit = self._settings.archive_limit // len(session.logs)
        try:
            for part in due:
                await self._append(task, session.archive, part)
        except (errors.ClusterError, TimeoutError) as error:
            self._failed(task, session, error, limit)
            return
        state.succeeded()
        for part in due if session.archive.bounded else ():
            _shorten(part, limit)

    async def prune(self, task: AnsibleTask, session: Session) -> None:
        """Remove what the stored status declares missing for want of room.

        In this order nothing is lost silently by a controller that believes to lead and does not:
        its status is refused.
        """
        due = [
            (part, chunk)
            for part in session.logs.values()
            for chunk in part.forgotten
            if _declared(task, part.index, *chunk)
        ]
        try:
            for part, chunk in due:
                await session.archive.remove(task, part.index, chunk[0])
                part.forgotten.remove(chunk)
        except errors.ClusterError as error:
            # It stays too long, which loses nothing.
            why = {"task": task.metadata.name, "reason": str(error)}
            log.warning("archive not shortened", extra=why)

    def _due(self, part: SliceLog) -> bool:
        settings = self._settings
        return part.due(settings.archive_bytes, settings.archive_seconds, self._clock())

    async def _append(self, task: AnsibleTask, archive: Archive, part: SliceLog) -> None:
        while (chunk := part.waiting.chunk(task.metadata.uid)) is not None:
            async with asyncio.timeout(_ATTEMPT):
                kept = await archive.append(task, chunk)
            part.archived(kept)

    def _failed(self, task: AnsibleTask, session: Session, error: Exception, limit: int) -> None:
        # A quota's own bookkeeping answers with a conflict when many objects are made at once.
        passing = isinstance(error, errors.Unavailable | errors.Conflict | TimeoutError)
        state = session.archiving
        before = state.refused
        why = f"The archive did not take it: {_words(error, session.archive)}"
        state.failed(why, self._clock(), passing=passing)
        for part in session.logs.values():
            part.waiting.pack(task.metadata.uid)
        if not state.refused:
            return
        for part in session.logs.values():
            part.shed(limit, why)
        if not before:
            log.warning("log not archived", extra={"task": task.metadata.name, "reason": why})


def _declared(task: AnsibleTask, index: int, first: int, last: int) -> bool:
    """Whether the stored status says that these frames of a slice are missing."""
    gaps = task.status.log.missing if task.status.log is not None else ()
    return any(gap.slice == index and gap.first <= first and last <= gap.last for gap in gaps)


def _shorten(part: SliceLog, limit: int) -> None:
    """Give up chunks out of the middle until the archive is within its limit."""
    while sum(size for _, _, size in part.chunks) > limit:
        victim = _middle(part.chunks, limit)
        if victim is None:
            return
        part.forget(victim[0], victim[1])


def _words(error: Exception, archive: Archive) -> str:
    """The API server's own words, where it had any."""
    who = "the Kubernetes API" if archive.place == CONFIG_MAPS else archive.place
    said = isinstance(error, errors.ClusterError) and error.reason
    return quota_words(str(error)) if said else f"{who} did not answer."


def _middle(chunks: list[tuple[int, int, int]], limit: int) -> tuple[int, int, int] | None:
    """The oldest chunk that is neither in the first half of the limit nor the newest."""
    size = 0
    for chunk in sorted(chunks)[:-1]:
        size += chunk[2]
        if size > limit // 2:
            return chunk
    return None
