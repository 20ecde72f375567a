"""Reading and writing AnsibleTasks of one namespace, as models."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from crds import errors, names, provenance
from crds.client import TASKS, Client, Object
from crds.model import AnsibleTask, Spec, Status

_PAGE = 500


class TaskStore:
    """The tasks of one namespace; raises errors.ClusterError only."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    async def get(self, name: str, *, cached: bool = False) -> AnsibleTask | None:
        """The task object of a name; None where there is none."""
        try:
            found = await self.client.get(TASKS, self.namespace, name, cached=cached)
        except errors.NotFound:
            return None
        return provenance.read(found)

    async def create(
        self,
        name: str,
        spec: Spec,
        *,
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        finalizers: tuple[str, ...] = (),
    ) -> AnsibleTask:
        """The task as stored; AlreadyExists where the object's name is in use."""
        body: Object = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {
                "name": name,
                "labels": labels or {},
                "annotations": annotations or {},
                "finalizers": list(finalizers),
            },
            "spec": spec.wire(),
        }
        return provenance.read(await self.client.create(TASKS, self.namespace, body))

    async def list(self, *, labels: str = "", cached: bool = False) -> AsyncIterator[AnsibleTask]:
        """All tasks that a label selector fits, page by page."""
        more = ""
        while True:
            page = await self.client.list(
                TASKS, self.namespace, labels=labels, cached=cached,
                limit=0 if cached else _PAGE, more=more,
            )  # fmt: skip
            for item in page.items:
                yield provenance.read(item)
            more = page.more
            if not more:
                return

    async def cancel(self, name: str) -> AnsibleTask:
        """Ask for a task's end."""
        patch = {"spec": {"cancel": True}}
        return provenance.read(await self.client.patch(TASKS, self.namespace, name, patch))

    async def annotate(self, task: AnsibleTask, changes: dict[str, str | None]) -> AnsibleTask:
        """Set annotations, None removes one; Conflict where the task has changed since."""
        patch = {
            "metadata": {
                "resourceVersion": task.metadata.resource_version,
                "annotations": changes,
            }
        }
        return provenance.read(
            await self.client.patch(TASKS, self.namespace, task.metadata.name, patch)
        )

    async def write_status(self, task: AnsibleTask, status: Status) -> AnsibleTask:
        """Replace the status; Conflict where the task has changed since it was read."""
        patch: list[Object] = [
            # A resourceVersion in a patch is a precondition: stale reads are answered with 409.
            {"op": "replace", "path": "/metadata/resourceVersion",
             "value": task.metadata.resource_version},
            {"op": "add", "path": "/status", "value": status.wire()},
        ]  # fmt: skip
        return provenance.read(
            await self.client.patch(
                TASKS, self.namespace, task.metadata.name, patch, subresource="status"
            )
        )

    async def drop_finalizer(self, task: AnsibleTask, finalizer: str) -> None:
        """Hold the task by that no longer; Conflict where it has changed since it was read."""
        kept = tuple(name for name in task.metadata.finalizers if name != finalizer)
        nothing = provenance.Changes({}, {})
        with suppress(errors.NotFound):
            await self.write_metadata(task, changes=nothing, finalizers=kept)

    async def write_metadata(
        self,
        task: AnsibleTask,
        *,
        changes: provenance.Changes,
        finalizers: tuple[str, ...],
    ) -> AnsibleTask:
        """Change labels and annotations, set the finalizers; Conflict where it has changed."""
        patch = {
            "metadata": {
                "resourceVersion": task.metadata.resource_version,
                "labels": changes.labels,
                "annotations": changes.annotations,
                "finalizers": list(finalizers),
            }
        }
        return provenance.read(
            await self.client.patch(TASKS, self.namespace, task.metadata.name, patch)
        )


def owner_of(task: AnsibleTask) -> dict[str, Any]:
    """Owner reference that makes an object go with its task."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": task.metadata.name,
        "uid": task.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
