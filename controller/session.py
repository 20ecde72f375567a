"""What is kept in memory of a task while it runs: its logs and their readers.

Never the truth: a new process reads the same back from the archive and the pods.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from controller.capacity import Lack, Retry
from controller.follow import Follower
from controller.observed import LogView, PodView
from controller.settings import Settings
from controller.slicelog import SliceLog
from crds import errors
from crds.archive import Archive
from crds.archives import Archives
from crds.client import Client
from crds.model import AnsibleTask

log = logging.getLogger(__name__)

_SOON = 0.2
_MOMENT: Final = 10.0
"""Seconds for which an archive that does not answer is waited for: as a rule the Kubernetes API
answers nothing else then."""
LAST_SHOWN: Final = 1.0
"""Seconds within which a watch shows a pod once more that a list does not find any more."""
_LONGEST_PAUSE: Final = 15.0
_MOST_LINGERING: Final = 64
"""Ended tasks whose lines are kept for an archive that refuses them; by default 1 MiB each."""


@dataclass(slots=True)
class ArchiveState:
    """What became of the last attempts to archive a task's logs; times on a monotonic clock."""

    why: str = ""
    """Why the last attempt failed, a sentence; empty: it did not."""
    refused: bool = False
    """It was refused, or has failed for so long that no end waits for it any more."""
    next_attempt: float = 0.0
    _since: float | None = None
    _attempts: int = 0

    def succeeded(self) -> None:
        """Everything that was due is archived."""
        self.why, self.refused, self.next_attempt = "", False, 0.0
        self._since, self._attempts = None, 0

    def failed(self, why: str, clock: float, *, passing: bool) -> None:
        """An attempt failed; `passing`: in a way that may come right in a moment."""
        self.why = why
        self._since = clock if self._since is None else self._since
        self.refused = self.refused or not passing or clock - self._since >= _MOMENT
        if self.refused:
            self._attempts += 1
            self.next_attempt = clock + min(_LONGEST_PAUSE, 2.0 ** min(self._attempts, 10))
        else:
            self.next_attempt = clock + _SOON

    def wait(self, clock: float) -> float:
        """Seconds until the next attempt."""
        return max(0.0, self.next_attempt - clock)


@dataclass(slots=True)
class Session:
    """One task's memory."""

    uid: str
    name: str
    logs: dict[int, SliceLog]
    archive: Archive
    """Where its log is kept."""
    readers: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    followers: dict[int, Follower] = field(default_factory=dict)
    last_seen: dict[str, PodView] = field(default_factory=dict)
    """Pods that are over, about to be ended by the cluster or gone, as a watch showed them last, by
    uid."""
    missing: dict[str, float] = field(default_factory=dict)
    """Since when claimed pods are not there any more, by uid, on a monotonic clock."""
    archiving: ArchiveState = field(default_factory=ArchiveState)
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

    def pod_missing(self, index: int, uid: str) -> None:
        """The pod that a slice has claimed is not there any more."""
        self.missing.setdefault(uid, time.monotonic())
        if index in self.followers:
            self.followers[index].pod_gone()

    def pod_there(self, index: int, pod: PodView, now: datetime) -> None:
        """The pod that a slice has claimed is there, whatever was said: a watch also calls gone
        what lost its labels."""
        self.missing.pop(pod.uid, None)
        if pod.uid in self.last_seen and self.last_seen[pod.uid].gone:
            del self.last_seen[pod.uid]
        if not pod.gated:
            self.opened.setdefault(index, now)

    def last_words(self) -> Mapping[str, PodView]:
        """Missing pods as they were last seen, by uid."""
        return {uid: self.last_seen[uid] for uid in self.missing if uid in self.last_seen}

    def awaited(self) -> frozenset[str]:
        """Uids of missing pods that a watch will show once more, in a moment."""
        begin = time.monotonic() - LAST_SHOWN
        return frozenset(
            uid
            for uid, since in self.missing.items()
            if since > begin and not (uid in self.last_seen and self.last_seen[uid].gone)
        )


class Sessions:
    """The sessions of all running tasks, and the one place that starts log readers."""

    def __init__(self, client: Client, settings: Settings, archives: Archives) -> None:
        self._client = client
        self._settings = settings
        self._archives = archives
        self._sessions: dict[str, Session] = {}
        self._uids: defaultdict[str, set[str]] = defaultdict(set)
        """Of the sessions of task objects, by their name."""
        self._unread: dict[str, float] = {}
        """Uids of tasks whose archive could not be read yet; since when."""
        self._lingering: dict[str, None] = {}
        """Uids of ended tasks, the oldest first."""
        self._live = asyncio.Semaphore(settings.max_followers)

    async def get(self, task: AnsibleTask) -> Session:
        """The task's session; a new one reads back what is archived."""
        uid = task.metadata.uid
        found = self._sessions.get(uid)
        if found is not None:
            return found
        archive, logs = self._archive_of(task), _empty(task)
        if task.status.slices and not task.finished:
            logs = await self._restored(task, archive)
        session = Session(uid, task.metadata.name, logs, archive)
        self._sessions[uid] = session
        self._uids[session.name].add(uid)
        return session

    def _archive_of(self, task: AnsibleTask) -> Archive:
        try:
            return self._archives.of(task)
        except errors.StoreNotConfigured:
            # Its pod is read from the beginning, and what it says kept where logs go now.
            return self._archives.current

    async def _restored(self, task: AnsibleTask, archive: Archive) -> dict[int, SliceLog]:
        """The logs as far as they are archived; from the beginning again, where the archive has
        been away for so long that the task may not wait for it."""
        uid, now = task.metadata.uid, time.monotonic()
        since = self._unread.setdefault(uid, now)
        logs = _empty(task)
        try:
            async with asyncio.timeout(_MOMENT) as limit:
                async for chunk in archive.read(task):
                    limit.reschedule(asyncio.get_running_loop().time() + _MOMENT)
                    if chunk.index in logs:
                        logs[chunk.index].restore(chunk)
        except (errors.ClusterError, TimeoutError) as error:
            if now - since < _MOMENT and not isinstance(error, TimeoutError):
                raise
            log.warning("archive not read", extra={"task": task.metadata.name})
            logs = _empty(task)
        self._unread.pop(uid, None)
        for found in logs.values():
            found.cut = task.status.log is not None and task.status.log.cut
        return logs

    def follow(self, session: Session, index: int, pod: str, changed: Callable[[], None]) -> None:
        """See to it that a slice's pod is being read."""
        reader = session.readers.get(index)
        if reader is not None and not reader.done():
            return
        log = session.logs[index]
        follower = Follower(self._client, self._settings.namespace, pod, log, changed, self._live)
        log.following = True
        session.followers[index] = follower
        session.readers[index] = asyncio.create_task(follower.run(), name=f"follow {pod}")

    def shown(self, name: str, pod: PodView) -> None:
        """A watch has shown a pod of a task object of that name."""
        if not (pod.gone or pod.over or pod.disruption):
            return
        for session in self._named(name):
            session.last_seen[pod.uid] = pod

    async def linger(self, uid: str) -> None:
        """The task has ended, but not all of its log is archived; of too many the oldest goes."""
        self._lingering[uid] = None
        while len(self._lingering) > _MOST_LINGERING:
            await self.drop(next(iter(self._lingering)))

    async def drop(self, uid: str) -> None:
        """The task has ended or is gone."""
        self._lingering.pop(uid, None)
        session = self._sessions.pop(uid, None)
        if session is not None:
            self._uids[session.name].discard(uid)
            if not self._uids[session.name]:
                del self._uids[session.name]
            await self._cancel(session)

    async def drop_name(self, name: str) -> None:
        """The task object of that name is gone."""
        for session in self._named(name):
            await self.drop(session.uid)

    def _named(self, name: str) -> list["Session"]:
        return [self._sessions[uid] for uid in self._uids.get(name, ())]

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
        self._uids.clear()

    def views(self, session: Session) -> dict[int, LogView]:
        """What decisions see of the logs."""
        state = session.archiving
        return {
            index: log.view(
                archiving=log.over and log.unarchived > 0 and not state.refused,
                refused=state.why if state.refused and log.unarchived else "",
            )
            for index, log in session.logs.items()
        }

    async def _cancel(self, session: Session) -> None:
        readers = list(session.readers.values())
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


def _empty(task: AnsibleTask) -> dict[int, SliceLog]:
    return {index: SliceLog(index) for index in range(task.spec.slice_count)}
