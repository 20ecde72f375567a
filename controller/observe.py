"""Reads what one pass needs from the cluster; judges nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.observed import JobView, PodView, job_view, moment, pod_view
from crds import errors, names
from crds.client import EVENTS, JOBS, PODS, Client
from crds.model import AnsibleTask


@dataclass(frozen=True, slots=True)
class Seen:
    """The Job and pods of a task, and warnings about them."""

    job: JobView | None
    pods: tuple[PodView, ...]
    warnings: tuple[str, ...] = ()


_QUIET = timedelta(seconds=1)
"""How long a Job may be without pods, or a pod without a container, before events are read."""


async def observe(client: Client, task: AnsibleTask, now: datetime) -> Seen:
    """The Job of the task's name and its pods, read fresh, with warnings where something hangs."""
    namespace, name = task.metadata.namespace, task.metadata.name
    try:
        job = job_view(await client.get(JOBS, namespace, name))
    except errors.NotFound:
        job = None
    labels = f"{names.LABEL_TASK_UID}={task.metadata.uid}"
    pods = await pods_of(client, namespace, labels)
    if job is not None:
        pods = tuple(pod for pod in pods if pod.owner_uid == job.uid)
    hanging = _hanging(job, pods, now)
    texts = [text for uid in hanging for text in await warnings(client, namespace, uid)]
    return Seen(job, pods, tuple(texts))


async def pods_of(client: Client, namespace: str, labels: str) -> tuple[PodView, ...]:
    """The pods a label selector fits that belong to a Job's index."""
    page = await client.list(PODS, namespace, labels=labels)
    views = (pod_view(item) for item in page.items)
    return tuple(view for view in views if view.index >= 0)


def _hanging(job: JobView | None, pods: tuple[PodView, ...], now: datetime) -> list[str]:
    """Uids of the objects whose events may say why nothing moves."""
    if job is None or job.finished:
        return []
    if not pods:
        return [job.uid] if job.created and now - job.created >= _QUIET else []
    return [
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
