"""Carries a plan's steps out in the cluster; every step may be repeated without harm."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from controller import job as jobs
from controller import obstacles
from controller import plan as plans
from controller.capacity import Lack, quota_words
from controller.observed import JobView, Observed, PodView
from controller.plan import Step
from controller.session import Session, Sessions
from controller.settings import Settings
from crds import archive, errors, names, provenance
from crds.archive import CONFIG_MAPS
from crds.archives import Archives
from crds.client import EVENTS, JOBS, PODS, SECRETS, TASKS, Client
from crds.conditions import Reason
from crds.model import AnsibleTask
from crds.objectstore import Uploads
from crds.records import printable
from crds.tasks import TaskStore

log = logging.getLogger(__name__)

_SIGNING = 3.0
"""Seconds in which upload URLs are to be had; most stores need no call for them."""
Changed = Callable[[AnsibleTask], None]
"""Called when a task's log told something new."""
_EVENT_MESSAGE = 1000
"""Characters; Kubernetes refuses events with more than 1024."""


class Carrier:
    """Does steps; raises errors.ClusterError, Conflict where the task must be looked at again."""

    def __init__(
        self,
        client: Client,
        store: TaskStore,
        settings: Settings,
        sessions: Sessions,
        archives: Archives,
    ) -> None:
        self._client = client
        self._store = store
        self._settings = settings
        self._sessions = sessions
        self._archives = archives
        self._namespace = settings.namespace

    async def carry(self, step: Step, seen: Observed, session: Session, changed: Changed) -> None:
        """Do one step for the task that was seen."""
        task = seen.task
        match step:
            case plans.Adopt(changes):
                finalizers = (*task.metadata.finalizers, *archive.finalizers(seen.place))
                unique = tuple(dict.fromkeys(finalizers))
                await self._store.write_metadata(task, changes=changes, finalizers=unique)
            case plans.Discard():
                await self._discard(task)
            case plans.Start():
                await self._start(task, session)
            case plans.Ungate() | plans.Terminate() | plans.DeletePod():
                await self._carry_pod(step)
            case plans.Nudge():
                await self._nudge(task.metadata.name)
            case plans.Follow(index, pod):
                self._sessions.follow(session, index, pod.name, lambda: changed(task))
            case plans.DeleteJob(uid):
                await self._delete_job(task.metadata.name, uid)
            case plans.Retire():
                await self._retire(seen)
            case plans.Unarchive(give_up):
                await self._unarchive(task, give_up=give_up)
            case plans.Announce(reason, message, warning):
                await self._announce(task, reason, message, warning=warning)
            case _:
                raise TypeError(f"no such step: {step!r}")

    async def _carry_pod(self, step: plans.Ungate | plans.Terminate | plans.DeletePod) -> None:
        match step:
            case plans.Ungate(pod):
                await self._ungate(pod)
            case plans.Terminate(pod):
                await self._patch_pod(pod, [_set("/spec/activeDeadlineSeconds", 1)])
            case plans.DeletePod(pod):
                await self._delete_pod(pod)

    async def _discard(self, task: AnsibleTask) -> None:
        """As it was seen: its maker may be completing it at this moment."""
        meta = task.metadata
        await self._client.delete(
            TASKS, self._namespace, meta.name, uid=meta.uid, resource_version=meta.resource_version
        )

    async def _start(self, task: AnsibleTask, session: Session) -> None:
        """The Job's pods wait for the Secret by its name, so the order of the two is free; that it
        is begun is noted before any of its pods can run."""
        if not provenance.noted(task):
            await self._store.annotate(task, {**provenance.note_begun(task)})
        uploads = await self._uploads(task)
        for kind, body in (
            (SECRETS, jobs.input_secret(task, self._settings, uploads)),
            (JOBS, jobs.job(task, self._settings)),
        ):
            try:
                await self._client.create(kind, self._namespace, body)
            except errors.AlreadyExists:
                # Ours from before a crash; a stranger's Job is seen by its owner in the next pass.
                continue
            except errors.OverQuota as error:
                session.lack = Lack(Reason.WAITING_FOR_QUOTA, quota_words(str(error)))
                session.lack_told = False
                raise errors.Conflict("it waits for the quota") from error
            except (errors.Forbidden, errors.Invalid) as error:
                if (reason := obstacles.of_refusal(error)) is None:
                    raise
                session.refused = f"{reason}: {error}"
                raise errors.Conflict("the next pass ends the task") from error

    async def _uploads(self, task: AnsibleTask) -> Uploads:
        """Where its pods may upload what their logs can't hold; nowhere where that can't be had
        within a moment: then less of a large output is kept."""
        store = self._archives.store
        if store is None:
            return Uploads()
        try:
            async with asyncio.timeout(_SIGNING):
                return await store.uploads(task)
        except (errors.ClusterError, TimeoutError) as error:
            _not_recorded(task, "no uploads", error)
            return Uploads()

    async def _nudge(self, name: str) -> None:
        """Any change of a Job makes its controller look at it within a second."""
        note = {names.ANNOTATION_NUDGED: datetime.now(UTC).isoformat(timespec="seconds")}
        try:
            await self._client.patch(
                JOBS, self._namespace, name, {"metadata": {"annotations": note}}
            )
        except errors.NotFound:
            return

    async def _ungate(self, pod: PodView) -> None:
        # The gate's place is tested by its name, the pod by its uid: nothing else is ever opened.
        gate = "/spec/schedulingGates/0"
        await self._patch_pod(
            pod,
            [{"op": "test", "path": f"{gate}/name", "value": names.GATE},
             {"op": "remove", "path": gate}],
        )  # fmt: skip

    async def _patch_pod(self, pod: PodView, operations: list[dict[str, Any]]) -> None:
        test = {"op": "test", "path": "/metadata/uid", "value": pod.uid}
        try:
            await self._client.patch(PODS, self._namespace, pod.name, [test, *operations])
        except (errors.Invalid, errors.NotFound) as error:
            raise errors.Conflict(f"pod {pod.name} has changed: {error}") from error

    async def _delete_pod(self, pod: PodView) -> None:
        try:
            await self._client.delete(
                PODS, self._namespace, pod.name, uid=pod.uid, resource_version=pod.resource_version
            )
        except errors.NotFound:
            return

    async def _delete_job(self, name: str, uid: str) -> None:
        try:
            await self._client.delete(JOBS, self._namespace, name, uid=uid)
        except (errors.NotFound, errors.Conflict):
            return

    async def _retire(self, seen: Observed) -> None:
        """TTL first, the label last: a crash in between repeats all of it."""
        task = seen.task
        ended = task.status.completion_time or datetime.now(UTC)
        mine = seen.job is not None and seen.job.owner_uid == task.metadata.uid
        if seen.job is not None and mine and seen.job.ttl is None and not seen.job.deleting:
            await self._give_ttl(seen.job, ended, crowded=seen.crowded)
        await self._forget_secret(task, names.input_secret(task.metadata.name, task.metadata.uid))
        for ref in task.spec.vars_from or ():
            # Made by the API for this task; one that a person made is theirs.
            ours = names.ANNOTATION_PARAMS in task.metadata.annotations
            if ours and names.is_params_secret(task.metadata.name, ref.name):
                await self._forget_secret(task, ref.name)
        await self._release(task, ended)

    async def _give_ttl(self, job: JobView, ended: datetime, *, crowded: bool) -> None:
        patch = {"spec": jobs.end_of_life(job, self._settings, ended, crowded=crowded)}
        try:
            await self._client.patch(JOBS, self._namespace, job.name, patch)
        except errors.NotFound:
            return

    async def _unarchive(self, task: AnsibleTask, *, give_up: bool) -> None:
        try:
            await self._archives.of(task).clear(task)
        except errors.NotLeading:
            raise
        except errors.ClusterError as error:
            if not give_up and not isinstance(error, errors.StoreNotConfigured):
                raise
            text = f"{error} What it holds of this task's log, under {task.metadata.uid}, is left."
            await self._announce(task, "LogLeft", text, warning=True)
        await self._store.drop_finalizer(task, names.ARCHIVE_FINALIZER)

    async def _release(self, task: AnsibleTask, ended: datetime) -> None:
        out = {names.FINALIZER}
        if task.status.log is None or task.status.log.archive == CONFIG_MAPS:
            out.add(names.ARCHIVE_FINALIZER)  # there is nothing that could be left
        kept = tuple(name for name in task.metadata.finalizers if name not in out)
        ttl = task.spec.ttl_seconds_after_finished
        keep = self._settings.keep_seconds if ttl is None else ttl
        changes = provenance.filing(task, ended, keep)
        try:
            await self._store.write_metadata(task, changes=changes, finalizers=kept)
        except errors.NotFound:
            return

    async def _forget_secret(self, task: AnsibleTask, name: str) -> None:
        """Delete a Secret of the task; one that may not be deleted goes with the task."""
        try:
            await self._client.delete(SECRETS, self._namespace, name)
        except errors.NotFound:
            return
        except (errors.Forbidden, errors.Invalid) as error:
            _not_recorded(task, "Secret not deleted", error)

    async def _announce(
        self, task: AnsibleTask, reason: str, message: str, *, warning: bool
    ) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        meta = task.metadata
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            # Named by what it says: whoever says it again is refused.
            "metadata": {"name": names.event(meta.name, meta.uid, reason, message)},
            "involvedObject": {
                "apiVersion": names.API_VERSION, "kind": names.KIND,
                "name": meta.name, "namespace": self._namespace, "uid": meta.uid,
            },
            "reason": reason, "message": printable(message[:_EVENT_MESSAGE]),
            "type": "Warning" if warning else "Normal",
            "firstTimestamp": now, "lastTimestamp": now, "count": 1,
            "source": {"component": "octans-controller"},
        }  # fmt: skip
        try:
            await self._client.create(EVENTS, self._namespace, body)
        except errors.AlreadyExists:
            return
        except errors.ClusterError as error:
            # An event is news for people; status says the same.
            _not_recorded(task, "event not written", error)


def _not_recorded(task: AnsibleTask, what: str, error: Exception) -> None:
    """A failure that holds up nothing."""
    log.warning(what, extra={"task": task.metadata.name, "reason": str(error)})


def _set(path: str, value: object) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}
