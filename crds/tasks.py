"""Reading and writing AnsibleTasks of one namespace, as models."""

from collections.abc import AsyncIterator

from crds import errors, names
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
        return AnsibleTask.model_validate(found)

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
        return AnsibleTask.model_validate(await self.client.create(TASKS, self.namespace, body))

    async def list(self, *, labels: str = "", cached: bool = False) -> AsyncIterator[AnsibleTask]:
        """All tasks that a label selector fits, page by page."""
        more = ""
        while True:
            page = await self.client.list(
                TASKS, self.namespace, labels=labels, cached=cached,
                limit=0 if cached else _PAGE, more=more,
            )  # fmt: skip
            for item in page.items:
                yield AnsibleTask.model_validate(item)
            more = page.more
            if not more:
                return

    async def cancel(self, name: str) -> AnsibleTask:
        """Ask for a task's end."""
        patch = {"spec": {"cancel": True}}
        return AnsibleTask.model_validate(
            await self.client.patch(TASKS, self.namespace, name, patch)
        )

    async def annotate(self, task: AnsibleTask, changes: dict[str, str | None]) -> AnsibleTask:
        """Set annotations, None removes one; Conflict where the task has changed since."""
        patch = {
            "metadata": {
                "resourceVersion": task.metadata.resource_version,
                "annotations": changes,
            }
        }
        return AnsibleTask.model_validate(
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
        return AnsibleTask.model_validate(
            await self.client.patch(
                TASKS, self.namespace, task.metadata.name, patch, subresource="status"
            )
        )

    async def write_metadata(
        self,
        task: AnsibleTask,
        *,
        labels: dict[str, str],
        finalizers: tuple[str, ...],
        annotations: dict[str, str] | None = None,
    ) -> AnsibleTask:
        """Add labels and annotations, set the finalizers; Conflict where the task has changed."""
        patch = {
            "metadata": {
                "resourceVersion": task.metadata.resource_version,
                "labels": labels,
                "annotations": annotations or {},
                "finalizers": list(finalizers),
            }
        }
        return AnsibleTask.model_validate(
            await self.client.patch(TASKS, self.namespace, task.metadata.name, patch)
        )
