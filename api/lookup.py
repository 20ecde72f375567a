"""Finding a task by its id or its name: one GET, unless it was made with kubectl."""

from collections.abc import Callable

from api.request import Target
from crds import names, provenance
from crds.model import AnsibleTask
from crds.tasks import TaskStore


async def find(tasks: TaskStore, target: Target) -> AnsibleTask | None:
    """The task that a target means; None where none is kept."""
    if target.id is not None:
        return await by_id(tasks, target.id)
    return await by_name(tasks, target.name)


async def by_id(tasks: TaskStore, number: int) -> AnsibleTask | None:
    """The task with an id."""
    found = await _get(tasks, names.object_name(number))
    if found is not None and provenance.number(found) == number:
        return found
    return await _oldest(
        tasks, f"{names.LABEL_TASK_ID}={number}", lambda task: provenance.number(task) == number
    )


async def by_name(tasks: TaskStore, name: str) -> AnsibleTask | None:
    """The task with the caller's name; of two the older."""
    for k in range(names.SLOTS):
        number = names.task_id(tasks.namespace, name, k)
        found = await _get(tasks, names.object_name(number))
        if found is not None and found.task_name == name:
            return found
    label = f"{names.LABEL_TASK_NAME}={names.label_value(name)}"
    return await _oldest(tasks, label, lambda task: task.task_name == name)


async def _get(tasks: TaskStore, name: str) -> AnsibleTask | None:
    # From the API server's memory first; what is too new for that is asked for again.
    return await tasks.get(name, cached=True) or await tasks.get(name)


async def _oldest(
    tasks: TaskStore, labels: str, fits: Callable[[AnsibleTask], bool]
) -> AnsibleTask | None:
    found = [task async for task in tasks.list(labels=labels, cached=True) if fits(task)]
    found.sort(key=lambda task: (task.metadata.creation_timestamp, task.metadata.name))
    return found[0] if found else None
