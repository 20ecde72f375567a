"""Reads what one pass needs from the cluster; judges nothing."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.observed import JobView, PodView
from controller.views import JOB_NAME_LABEL, job_view, moment, pod_view
from crds import errors
from crds.client import EVENTS, JOBS, PODS, Client
from crds.model import AnsibleTask
from crds.tasks import TaskStore


@dataclass(frozen=True, slots=True)
class Seen:
    """A task, its Job and pods, and warnings about them."""

    task: AnsibleTask
    job: JobView | None
    pods: tuple[PodView, ...]
    warnings: tuple[str, ...] = ()


_QUIET = timedelta(seconds=1)
"""How long a Job may be without pods, or a pod without a container, before events are read."""


async def observe(client: Client, store: TaskStore, name: str, now: datetime) -> Seen | None:
    """The task of an object's name with its Job and pods, read fresh; None: there is no task.

    Warnings are read only where something hangs.
    """
    namespace = store.namespace
    task, job, pods = await asyncio.gather(
        store.get(name), _job(client, namespace, name), _pods(client, namespace, name)
    )
    if task is None:
        return None
    claimed = {part.pod_uid for part in task.status.slices}
    if not task.finished:
        pods += await _unlisted(client, task, {pod.uid for pod in pods})
    mine = tuple(
        pod for pod in pods if pod.uid in claimed or (job is not None and pod.owner_uid == job.uid)
    )
    hanging = [] if task.finished else _hanging(job, mine, _podless(task, mine), now)
    texts = [text for uid in hanging for text in await warnings(client, namespace, uid)]
    return Seen(task, job, mine, tuple(texts))


async def _job(client: Client, namespace: str, name: str) -> JobView | None:
    try:
        return job_view(await client.get(JOBS, namespace, name))
    except errors.NotFound:
        return None


async def _pods(client: Client, namespace: str, name: str) -> tuple[PodView, ...]:
    """The pods of the Job of that name that belong to an index."""
    page = await client.list(PODS, namespace, labels=f"{JOB_NAME_LABEL}={name}")
    views = (pod_view(item) for item in page.items)
    return tuple(view for view in views if view.index >= 0)


async def _unlisted(client: Client, task: AnsibleTask, listed: set[str]) -> tuple[PodView, ...]:
    """The claimed pods that are there and were not listed: somebody has changed their labels."""
    wanted = {
        part.pod: part.pod_uid
        for part in task.status.slices
        if part.pod and part.pod_uid not in listed
    }
    found = []
    for name, uid in wanted.items():
        try:
            pod = pod_view(await client.get(PODS, task.metadata.namespace, name))
        except errors.NotFound:
            continue
        if pod.uid == uid:
            found.append(pod)
    return tuple(found)


def _podless(task: AnsibleTask, pods: tuple[PodView, ...]) -> bool:
    """Whether a slice of the task has never had a pod."""
    had = {pod.index for pod in pods} | {claim.index for claim in task.status.slices}
    return len(had) < task.spec.slice_count


def _hanging(
    job: JobView | None, pods: tuple[PodView, ...], podless: bool, now: datetime
) -> list[str]:
    """Uids of the objects whose events may say why nothing moves."""
    if job is None or job.finished:
        return []
    missing = podless and job.created is not None and now - job.created >= _QUIET
    return ([job.uid] if missing else []) + [
        pod.uid
        for pod in pods
        if not pod.gated and pod.started is None and not pod.over
        and pod.scheduled is not None and now - pod.scheduled >= _QUIET
    ]  # fmt: skip


async def warnings(client: Client, namespace: str, uid: str) -> list[str]:
    """Warning events about an object as `REASON: message`, oldest first."""
    fields = f"involvedObject.uid={uid},type=Warning"
    page = await client.list(EVENTS, namespace, fields=fields)
    ordered = sorted(page.items, key=lambda item: str(_time(item) or ""))
    return [f"{item.get('reason', '')}: {item.get('message', '')}" for item in ordered]


def _time(event: dict[str, object]) -> datetime | None:
    text = event.get("lastTimestamp") or event.get("eventTime")
    return moment(str(text)) if text else None
