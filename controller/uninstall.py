"""`python -m controller.uninstall`: what the chart runs before its controllers go.

Nobody removes logs from the object store afterwards, so no task may wait for that any more.
"""

import asyncio
import logging

from controller.settings import Settings
from crds import environment, errors, logs, names, provenance
from crds.client import Client
from crds.tasks import TaskStore

log = logging.getLogger("controller")


def main() -> None:
    """Let go of all ended tasks; exit status 1 where that fails."""
    environment.allow_deep_json()
    settings = environment.load(Settings)
    logs.configure(settings.log_level)
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    client = await Client.connect()
    try:
        await let_go(TaskStore(client, settings.namespace))
    finally:
        await client.close()


async def let_go(tasks: TaskStore) -> None:
    """Take the finalizer for logs from all ended tasks; their objects stay in the store."""
    async for task in tasks.list(labels=names.LABEL_FINISHED):
        if names.ARCHIVE_FINALIZER not in task.metadata.finalizers:
            continue
        kept = (name for name in task.metadata.finalizers if name != names.ARCHIVE_FINALIZER)
        nothing = provenance.Changes({}, {})
        try:
            await tasks.write_metadata(task, changes=nothing, finalizers=tuple(kept))
        except errors.NotFound:
            continue
        except errors.Conflict:
            log.warning("changed meanwhile", extra={"task": task.metadata.name})


if __name__ == "__main__":
    main()
