"""AnsibleTask objects, as a person with kubectl makes and reads them."""

from typing import Any

from crds import names
from crds.client import TASKS, Client, Object
from crds.model import AnsibleTask
from tests.cluster.platform.waiting import wait_for

TERMINAL = {"Succeeded", "PartlySucceeded", "Failed", "Stopped"}


def manifest(name: str, hosts: list[str], **spec: Any) -> Object:
    """A task object; without other work one raw `true` on each host, facts not gathered."""
    work = (
        {} if {"tasks", "roles", "playbook", "work"} & spec.keys() else {"tasks": [{"raw": "true"}]}
    )
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": name},
        "spec": {"hosts": hosts, "gatherFacts": False, **work, **spec},
    }


class Tasks:
    """The task objects of one namespace, with admin rights."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    async def create(self, body: Object) -> AnsibleTask:
        """The task as stored."""
        return AnsibleTask.model_validate(await self.client.create(TASKS, self.namespace, body))

    async def get(self, name: str) -> AnsibleTask:
        """The task as it is now."""
        return AnsibleTask.model_validate(await self.client.get(TASKS, self.namespace, name))

    async def by_id(self, number: int) -> AnsibleTask:
        """The task that the API made for an id."""
        return await self.get(names.object_name(number))

    async def reaches(self, name: str, phases: set[str], *, seconds: float = 60) -> AnsibleTask:
        """The task once its phase is one of these."""
        return await wait_for(
            f"{name} in {'/'.join(sorted(phases))}",
            lambda: self.get(name),
            lambda task: task.status.phase.value in phases,
            seconds=seconds,
            every=0.1,
        )

    async def ended(self, name: str, *, seconds: float = 60) -> AnsibleTask:
        """The task once it has ended."""
        return await self.reaches(name, TERMINAL, seconds=seconds)

    async def let_go(self, name: str) -> AnsibleTask:
        """The ended task without our finalizer, which goes right after the terminal status."""
        return await wait_for(
            f"{name} is let go",
            lambda: self.get(name),
            lambda task: names.FINALIZER not in task.metadata.finalizers,
            seconds=10,
        )

    async def cancel_all(self) -> int:
        """Ask for the end of every task that goes on; how many there are."""
        page = await self.client.list(TASKS, self.namespace, labels=f"!{names.LABEL_FINISHED}")
        for item in page.items:
            patch = {"spec": {"cancel": True}}
            await self.client.patch(TASKS, self.namespace, item["metadata"]["name"], patch)
        return len(page.items)

    async def wipe(self) -> None:
        """Delete every task, whatever holds it: for tests without a controller."""
        page = await self.client.list(TASKS, self.namespace, metadata_only=True)
        for item in page.items:
            name = item["metadata"]["name"]
            if item["metadata"].get("finalizers"):
                free = {"metadata": {"finalizers": None}}
                await self.client.patch(TASKS, self.namespace, name, free)
            await self.client.delete(TASKS, self.namespace, name)
