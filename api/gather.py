"""Reading what tasks have left behind: the archive and, while they run, the pods' logs."""

import asyncio
from typing import Final

from api import results
from api.results import Entry
from crds import errors, names
from crds.archive import Chunk, ConfigMapArchive
from crds.model import AnsibleTask
from crds.tasks import TaskStore

_POD_LOG_BYTES: Final = 10 * 1024 * 1024
_POD_LOG_SECONDS: Final = 2.0
"""A pod's log that takes longer is left to the archive, at most 15 s behind."""
_LOGS_AT_ONCE: Final = 16


async def archived(tasks: TaskStore, task: AnsibleTask) -> list[Entry]:
    """The results that the archive holds of a task."""
    if task.status.log is None or not task.status.log.records:
        return []
    archive = ConfigMapArchive(tasks.client, tasks.namespace)
    return results.entries(await archive.walk(task))


async def everything(tasks: TaskStore, found: list[AnsibleTask], label: str) -> list[list[Entry]]:
    """The results of each of some tasks that share a label, also those not archived yet."""
    archive = ConfigMapArchive(tasks.client, tasks.namespace)
    by_task: dict[str, list[Chunk]] = {task.metadata.uid: [] for task in found}
    for chunk in await archive.find(label):
        if chunk.task_uid in by_task:
            by_task[chunk.task_uid].append(chunk)
    places = asyncio.Semaphore(_LOGS_AT_ONCE)
    lives = await asyncio.gather(*(_live(tasks, task, places) for task in found))
    return [
        results.entries(by_task[task.metadata.uid], live)
        for task, live in zip(found, lives, strict=True)
    ]


async def of_one(tasks: TaskStore, task: AnsibleTask) -> list[Entry]:
    """The results of one task, also those not archived yet."""
    return (await everything(tasks, [task], f"{names.LABEL_TASK_UID}={task.metadata.uid}"))[0]


async def _live(tasks: TaskStore, task: AnsibleTask, places: asyncio.Semaphore) -> dict[int, bytes]:
    """The logs of a running task's claimed pods, by slice; none once it has ended."""
    if task.finished:
        return {}
    claimed = {part.index: part.pod for part in task.status.slices if part.pod}
    logs = await asyncio.gather(*(_pod_log(tasks, pod, places) for pod in claimed.values()))
    return dict(zip(claimed, logs, strict=True))


async def _pod_log(tasks: TaskStore, pod: str, places: asyncio.Semaphore) -> bytes:
    async with places:
        try:
            async with asyncio.timeout(_POD_LOG_SECONDS):
                return await tasks.client.pod_log(tasks.namespace, pod, limit_bytes=_POD_LOG_BYTES)
        except (errors.ClusterError, TimeoutError):
            return b""  # not started, gone, or slow: the archive has what there is
