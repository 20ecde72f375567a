"""What is kept in memory of a task while it runs: its logs and their readers.

Never the truth: a new process reads the same back from the archive and the pods.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from controller.capacity import Lack, Retry
from controller.follow import Follower
from controller.observed import LogView
from controller.settings import Settings
from controller.slicelog import SliceLog
from crds.archive import ConfigMapArchive
from crds.client import Client
from crds.model import AnsibleTask

_SOON = 0.2


@dataclass(slots=True)
class Session:
    """One task's memory."""

    uid: str
    name: str
    logs: dict[int, SliceLog]
    readers: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    stop_since: datetime | None = None
    refused: str | None = None
    """Why the API server refused what the task needs to start, `REASON: sentence`."""
    lack: Lack | None = None
    """The quota that refused its Job the last time."""
    lack_since: datetime | None = None
    """Since when a quota has refused its Job."""
    lack_told: bool = True
    """The queue knows of it."""
    retry: Retry | None = None
    """When a quota that refuses its pods is tried again."""
    opened: dict[int, datetime] = field(default_factory=dict)
    """Since when each slice's claimed pod was seen without its gate."""
    last_write: datetime | None = None


class Sessions:
    """The sessions of all running tasks, and the one place that starts log readers."""

    def __init__(self, client: Client, settings: Settings, archive: ConfigMapArchive) -> None:
        self._client = client
        self._settings = settings
        self._archive = archive
        self._sessions: dict[str, Session] = {}
        self._live = asyncio.Semaphore(settings.max_followers)

    async def get(self, task: AnsibleTask) -> Session:
        """The task's session; a new one reads back what is archived."""
        uid = task.metadata.uid
        found = self._sessions.get(uid)
        if found is not None:
            return found
        logs = {index: SliceLog(index) for index in range(task.spec.slice_count)}
        if task.status.slices and not task.finished:
            chunks = await self._archive.read(task)
            for index, log in logs.items():
                log.restore([chunk for chunk in chunks if chunk.index == index])
                log.cut = task.status.log is not None and task.status.log.cut
        session = Session(uid, task.metadata.name, logs)
        self._sessions[uid] = session
        return session

    def follow(self, session: Session, index: int, pod: str, changed: Callable[[], None]) -> None:
        """See to it that a slice's pod is being read."""
        reader = session.readers.get(index)
        if reader is not None and not reader.done():
            return
        log = session.logs[index]
        follower = Follower(self._client, self._settings.namespace, pod, log, changed, self._live)
        log.following = True
        session.readers[index] = asyncio.create_task(follower.run(), name=f"follow {pod}")

    async def drop(self, uid: str) -> None:
        """The task has ended or is gone."""
        session = self._sessions.pop(uid, None)
        if session is not None:
            await self._cancel(session)

    async def drop_name(self, name: str) -> None:
        """The task object of that name is gone."""
        for session in [found for found in self._sessions.values() if found.name == name]:
            await self.drop(session.uid)

    def pause(self, uid: str) -> float:
        """Seconds to gather log lines for before progress is looked at; 0 at a log's end."""
        session = self._sessions.get(uid)
        if session is None or any(log.end is not None for log in session.logs.values()):
            return 0.0
        if session.last_write is None:
            return _SOON
        waited = (datetime.now(UTC) - session.last_write).total_seconds()
        return max(_SOON, self._settings.status_seconds - waited)

    async def close(self) -> None:
        """End all readers."""
        for session in list(self._sessions.values()):
            await self._cancel(session)
        self._sessions.clear()

    def views(self, session: Session) -> dict[int, LogView]:
        """What decisions see of the logs."""
        return {index: self._view(log) for index, log in session.logs.items()}

    def _view(self, log: SliceLog) -> LogView:
        settings = self._settings
        due = log.unarchived > 0 and (
            log.end is not None
            or log.exhausted
            or log.unarchived >= settings.archive_bytes
            or time.monotonic() - log.changed >= settings.archive_seconds
        )
        return log.view(archive_due=due)

    async def _cancel(self, session: Session) -> None:
        readers = list(session.readers.values())
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
