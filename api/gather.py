"""Reading what tasks have left behind: the archive and, while they run, the pods' logs."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from api import results
from api.results import Entry
from crds import errors, names
from crds.archive import Chunk, ConfigMapArchive
from crds.model import AnsibleTask
from crds.tasks import TaskStore

_POD_LOG_BYTES: Final = 10 * 1024 * 1024
_LIVE_SECONDS: Final = 2.0
"""For all pods' logs together; what takes longer is left to the archive, at most 15 s behind."""
_AT_ONCE: Final = 8
"""Tasks whose results are in memory at a time, and pods whose logs are read."""
_LISTED_BYTES: Final = 64 * 1024 * 1024
"""Of archives, as the runners wrote them, that one list call may bring in."""


async def archived(tasks: TaskStore, task: AnsibleTask) -> list[Entry]:
    """The results that the archive holds of a task; of one that has ended also what it lacks, as
    long as the pods are there."""
    if task.status.log is None or not task.status.log.records:
        return []
    if task.finished and _refused(task):
        return await of_one(tasks, task)
    archive = ConfigMapArchive(tasks.client, tasks.namespace)
    return results.entries(await archive.walk(task))


async def of_one(tasks: TaskStore, task: AnsibleTask) -> list[Entry]:
    """The results of one task, also those not archived yet."""
    label = f"{names.LABEL_TASK_UID}={task.metadata.uid}"
    return [entry async for _, found in everything(tasks, [task], label) for entry in found]


async def everything(
    tasks: TaskStore, found: list[AnsibleTask], label: str
) -> AsyncIterator[tuple[AnsibleTask, list[Entry]]]:
    """The results of each of some tasks in turn, those not archived yet and what is under way, too.

    `label` fits the archives of all of them: one list call where they are small, as a rule.
    """
    archive = ConfigMapArchive(tasks.client, tasks.namespace)
    size = sum(task.status.log.bytes for task in found if task.status.log)
    listed = None  # a single task's chunks are read by their names
    if len(found) > 1 and size <= _LISTED_BYTES:
        listed = await _listed(archive, found, label)
    until = asyncio.get_running_loop().time() + _LIVE_SECONDS
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(task: AnsibleTask) -> list[Entry]:
        live = await _live(tasks, task, until, places)
        kept = await archive.walk(task) if listed is None else listed.pop(task.metadata.uid)
        return results.entries(kept, live, running=not task.finished)

    for at in range(0, len(found), _AT_ONCE):
        batch = found[at : at + _AT_ONCE]
        for task, entries in zip(batch, await asyncio.gather(*map(one, batch)), strict=True):
            yield task, entries


async def _listed(
    archive: ConfigMapArchive, found: list[AnsibleTask], label: str
) -> dict[str, list[Chunk]]:
    """The chunks of some tasks by the task's uid."""
    by_task: dict[str, list[Chunk]] = {task.metadata.uid: [] for task in found}
    for chunk in await archive.find(label):
        if chunk.task_uid in by_task:
            by_task[chunk.task_uid].append(chunk)
    return by_task


async def _live(
    tasks: TaskStore, task: AnsibleTask, until: float, places: asyncio.Semaphore
) -> dict[int, bytes]:
    """The logs of a running task's claimed pods, by slice; none once all of it is archived."""
    if task.finished and not _refused(task):
        return {}
    claimed = {part.index: part.pod for part in task.status.slices if part.pod}

    async def read(pod: str) -> bytes:
        async with places:
            return await _pod_log(tasks, pod, until)

    logs = await asyncio.gather(*map(read, claimed.values()))
    return dict(zip(claimed, logs, strict=True))


def _refused(task: AnsibleTask) -> bool:
    """Whether the archive lacks some of the log, and not for its size."""
    log = task.status.log
    return log is not None and bool(log.missing) and not log.cut


async def _pod_log(tasks: TaskStore, pod: str, until: float) -> bytes:
    try:
        async with asyncio.timeout_at(until):
            return await tasks.client.pod_log(tasks.namespace, pod, limit_bytes=_POD_LOG_BYTES)
    except (errors.ClusterError, TimeoutError):
        return b""  # not started, gone, or slow: the archive has what there is
