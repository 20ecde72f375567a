"""`python -m controller.uninstall`: what the chart runs before its controllers go.

Nobody removes logs from the object store afterwards, so no task may wait for that any more.
"""

import asyncio
import logging
import sys
from typing import Final

from controller.settings import Settings
from crds import environment, errors, logs, names
from crds.client import Client
from crds.model import AnsibleTask
from crds.tasks import TaskStore

log = logging.getLogger("controller")

_ATTEMPTS: Final = 5
"""Of a write that meets others."""


def main() -> None:
    """Let go of all ended tasks; exit status 1 where that fails."""
    environment.allow_deep_json()
    settings = environment.load(Settings)
    logs.configure(settings.log_level)
    try:
        asyncio.run(_run(settings))
    except errors.ClusterError as error:
        log.error("tasks are still held", extra={"reason": str(error)})
        sys.exit(1)


async def _run(settings: Settings) -> None:
    client = await Client.connect()
    try:
        await let_go(TaskStore(client, settings.namespace))
    finally:
        await client.close()


async def let_go(tasks: TaskStore) -> None:
    """Take the finalizer for logs from all ended tasks; their objects stay in the store."""
    async for task in tasks.list(labels=names.LABEL_FINISHED):
        if names.ARCHIVE_FINALIZER in task.metadata.finalizers:
            await _let_go(tasks, task)


async def _let_go(tasks: TaskStore, task: AnsibleTask) -> None:
    found: AnsibleTask | None = task
    for _ in range(_ATTEMPTS):
        if found is None:
            return
        try:
            await tasks.drop_finalizer(found, names.ARCHIVE_FINALIZER)
        except errors.Conflict:
            found = await tasks.get(task.metadata.name)  # it has changed meanwhile
            continue
        return
    raise errors.Conflict(f"{task.metadata.name} goes on changing")


if __name__ == "__main__":
    main()
