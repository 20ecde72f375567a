"""ResourceQuotas of the tasks' namespace."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.cluster.platform.kubectl import Kubectl
from tests.cluster.platform.waiting import wait_for


@asynccontextmanager
async def quota(kubectl: Kubectl, name: str, resource: str, hard: int) -> AsyncIterator[None]:
    """A quota in the tasks' namespace that counts already."""
    await kubectl("create", "quota", name, f"--hard={resource}={hard}")
    try:
        await wait_for(
            "the quota counts",
            lambda: kubectl.json("get", "quota", name),
            lambda quota: quota["status"].get("hard") and quota["status"].get("used"),
            seconds=20,
        )
        yield
    finally:
        await kubectl("delete", "quota", name)
