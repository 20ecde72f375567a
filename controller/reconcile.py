"""One look at one task: read, decide, carry out, write the status if it differs."""

import logging
import time
from dataclasses import replace
from datetime import UTC, datetime

from controller import job as jobs
from controller import metrics
from controller.archiving import Archiver
from controller.capacity import Retry, Room
from controller.carry import Carrier
from controller.decide import decide
from controller.handlers import Shown
from controller.observe import Seen, observe
from controller.observed import Limits, Observed, Turn
from controller.obstacles import room_of
from controller.plan import Plan, Start
from controller.registry import Registry
from controller.session import LAST_SHOWN, Session, Sessions
from controller.settings import Settings
from controller.workqueue import WorkQueue
from crds import errors, names
from crds.archives import Archives
from crds.client import PODS, TASKS, Client
from crds.conditions import Reason
from crds.model import AnsibleTask
from crds.tasks import TaskStore

log = logging.getLogger(__name__)

_FRONT = 20
_RETRY = 1.0
_GATHER = 0.02
"""Seconds in which events about one task's Job and pods are taken together."""


class Reconciler:
    """Brings every task of the namespace nearer to its end, one look at a time."""

    def __init__(self, client: Client, settings: Settings) -> None:
        archives = Archives(client, settings.namespace, settings)
        self._client = client
        self._settings = settings
        self._store = TaskStore(client, settings.namespace)
        self._limits = Limits(
            start_margin=settings.start_margin,
            unschedulable=settings.unschedulable_seconds,
            quota=settings.quota_seconds,
            refused=settings.refused_seconds,
            grace=settings.stop_grace,
            status_every=settings.status_seconds,
            archive_give_up=settings.archive_give_up,
        )
        self.registry = Registry(settings.max_running, datetime.now(UTC))
        self.sessions = Sessions(client, settings, archives)
        self._archiver = Archiver(settings)
        self._carrier = Carrier(client, self._store, settings, self.sessions, archives)
        self.queue = WorkQueue(self.reconcile, _report)

    async def reconcile(self, name: str) -> float | None:
        """Look at the task of an object's name; seconds until the next look, None: on an event."""
        now = datetime.now(UTC)
        found = await observe(self._client, self._store, name, now)
        if found is None:
            await self._gone(name)
            return None
        session = await self.sessions.get(found.task)
        if found.task.finished:
            self._ended(name)
        # Before it is looked at what to do: a status tells what is archived.
        await self._archiver.keep(found.task, session)
        seen = await self._judge(found, session, now)
        plan = decide(seen, now)
        await self._carry_out(plan, seen, session, now)
        if seen.awaited and plan.again is None:
            return LAST_SHOWN
        return plan.again

    async def _judge(self, found: Seen, session: Session, now: datetime) -> Observed:
        """What was seen, with what only this process knows: the queue and the logs."""
        task = found.task
        wanted = task.spec.cancel or task.metadata.deletion_timestamp is not None
        if wanted and session.stop_since is None:
            session.stop_since = now
        begun = found.job is not None or task.status.job_name is not None
        if not task.finished:
            self._line_up(task, active=begun)
        there = {pod.uid: pod for pod in found.pods}
        for part in task.status.slices:
            pod = there.get(part.pod_uid or "")
            if pod is not None:
                session.pod_there(part.index, pod, now)
            elif part.pod_uid and not task.finished:
                session.pod_missing(part.index, part.pod_uid)
        seen = Observed(
            task=task,
            turn=Turn(admitted=False),
            limits=self._limits,
            job=found.job,
            pods=found.pods,
            logs=self.sessions.views(session),
            warnings=found.warnings,
            rival=None if begun or task.finished else await self._rival(task),
            refusal=session.refused or jobs.refusal(task, self._settings),
            pending_since=task.metadata.creation_timestamp if task.pending else None,
            place=session.archive.place,
            archive_in=session.archiving.wait(time.monotonic()),
            stop_since=session.stop_since,
            opened=session.opened,
            last_write=session.last_write,
            last_seen=session.last_words(),
            awaited=session.awaited(),
        )
        return seen if task.finished else self._queue_up(seen, session, now, begun=begun)

    def _queue_up(
        self, seen: Observed, session: Session, now: datetime, *, begun: bool
    ) -> Observed:
        """Tell the queue what the task has found, and ask it for the task's turn."""
        name = seen.task.metadata.name
        room = room_of(seen) if begun else Room(lack=session.lack)
        if begun:
            if self.registry.note(name, room, now):
                self._wake()
        elif session.lack is not None and not session.lack_told:
            session.lack_told, session.lack_since = True, session.lack_since or now
            self.registry.refuse(name, session.lack, now)
        if self.registry.reopened(now):
            self._wake()
        return replace(
            seen,
            turn=self.registry.turn(name),
            lack=room.lack,
            lack_since=session.lack_since,
            idle_since=self.registry.idle_since(),
            crowded=bool(self.registry.refused()),
            retry_in=self._retry_in(session, room, now) if begun else self.registry.shut_for(now),
        )

    def _retry_in(self, session: Session, room: Room, now: datetime) -> float | None:
        """Seconds until a quota that refuses the task's pods is to be tried again; 0: now."""
        if room.lack is None or room.lack.reason is not Reason.WAITING_FOR_QUOTA:
            session.retry = None
            return None
        if session.retry is None:
            session.retry = Retry.after(now, tries=1)  # the Job controller itself has just tried
        wait = session.retry.wait(now, self.registry.freed)
        if wait == 0:
            session.retry = session.retry.next(now, self.registry.freed)
        return wait

    async def _rival(self, task: AnsibleTask) -> str | None:
        """An older object with the task's name; the API's objects are named after it instead."""
        if (found := self.registry.rival(task)) is not None:
            return found
        if names.id_in_object_name(task.metadata.name) is not None:
            return None
        mine = (task.metadata.creation_timestamp, task.metadata.uid)
        labels = f"{names.LABEL_TASK_NAME}={names.label_value(task.task_name)}"
        async for other in self._store.list(labels=labels):
            if other.metadata.uid == task.metadata.uid or other.task_name != task.task_name:
                continue
            if (other.metadata.creation_timestamp, other.metadata.uid) < mine:
                return other.metadata.name
        return None

    async def _carry_out(self, plan: Plan, seen: Observed, session: Session, now: datetime) -> None:
        if any(isinstance(step, Start) for step in plan.before):
            self.registry.put(seen.task, active=True)
        for step in plan.before:
            await self._carrier.carry(step, seen, session, self._changed)
        if plan.status is not None and plan.status.wire() != seen.task.status.wire():
            task = await self._store.write_status(seen.task, plan.status)
            session.last_write = now
            if plan.status.phase is not seen.task.status.phase:
                _tell(task)
                if task.finished:
                    metrics.count_end(task, seen.stop_since, now)
            seen = replace(seen, task=task)
        await self._archiver.prune(seen.task, session)
        for step in plan.after:
            await self._carrier.carry(step, seen, session, self._changed)
        if seen.task.finished:
            self._ended(seen.task.metadata.name)
            if plan.again is None:
                await self.sessions.drop(seen.task.metadata.uid)
            else:
                await self.sessions.linger(seen.task.metadata.uid)

    def _changed(self, task: AnsibleTask) -> None:
        self.queue.add(task.metadata.name, self.sessions.pause(task.metadata.uid))

    def _line_up(self, task: AnsibleTask, *, active: bool) -> None:
        """Give a task its place in the queue; those it goes before near the front hear of it."""
        news = self.registry.put(task, active=active)
        if news and 0 < self.registry.turn(task.metadata.name).position < _FRONT:
            self._front_moved()

    def _ended(self, name: str) -> None:
        """A place is free: wake who may take it, and soon those who move up near the front."""
        if self.registry.remove(name, datetime.now(UTC)):
            self._wake()
            self._front_moved()

    def _wake(self) -> None:
        """Wake those that may start now, and soon those that a quota refused."""
        for ready in self.registry.admitted():
            self.queue.add(ready)
        for refused in self.registry.refused():
            self.queue.add(refused, _RETRY)

    def _front_moved(self) -> None:
        """Those far behind learn their place at the next resync, so that a move among thousands
        costs no thousands of writes."""
        for waiting in self.registry.next(_FRONT):
            self.queue.add(waiting, self._settings.status_seconds)

    def shown(self, seen: Shown) -> None:
        """A watch has shown a task, or a Job or a pod of one; after its end the latter are no
        news."""
        if seen.kind == TASKS.plural:
            self.queue.add(seen.name)
            return
        name = seen.job if seen.kind == PODS.plural else seen.name
        if seen.pod is not None:
            self.sessions.shown(name, replace(seen.pod, gone=seen.deleted))
        if name and self.registry.knows(name):
            self.queue.add(name, _GATHER)
        elif name and self.registry.free(datetime.now(UTC)):
            self._wake()

    async def resync(self) -> None:
        """Look at every task that has not ended, so that a missed event does no harm."""
        found = set(self.registry.names())
        async for task in self._store.list(labels=f"!{names.LABEL_FINISHED}"):
            found.add(task.metadata.name)
            if not task.finished:
                self.registry.put(task, active=task.status.job_name is not None)
        for name in found:
            self.queue.add(name)

    async def _gone(self, name: str) -> None:
        self._ended(name)
        await self.sessions.drop_name(name)


def _tell(task: AnsibleTask) -> None:
    status = task.status
    log.info(
        "task moved",
        extra={
            "task": task.metadata.name, "phase": status.phase.value, "reason": status.reason,
            "job": status.job_name,
        },
    )  # fmt: skip


def _report(name: str, error: Exception) -> None:
    metrics.ERRORS.labels(type(error).__name__).inc()
    # Messages of the API server are bounded and free of secrets; anything else is a bug of ours.
    ours = not isinstance(error, errors.ClusterError)
    log.warning(
        "task could not be looked at",
        extra={
            "task": name, "error": type(error).__name__, "reason": "" if ours else str(error),
        },
        exc_info=error if ours else None,
    )  # fmt: skip
