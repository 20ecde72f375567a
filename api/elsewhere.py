"""Task names in use that creating an object does not find, without a call for every request.

An API-made task stands in the first slot of its name, the object that is named after the name's
first id, and creating that object is the duplicate check. Two kinds of task stand elsewhere: those
made with kubectl, and those whose first slot was taken by another name (once in some 400,000
requests where 5,000 tasks are kept). They are few and rarely new, so they are listed every few
seconds instead of asked for.

A name that came into use elsewhere since the last list is not refused here. Made with kubectl and
still unfinished, it is the controller that sees the conflict: the younger task ends NameConflict.
Displaced, it is still found by its slots for as long as the other name's task stands in the first;
only one that is deleted within these seconds leaves a gap.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Final

from api.remembered import Remembered
from crds import names
from crds.client import TASKS
from crds.model import AnsibleTask
from crds.tasks import TaskStore

FRESH_SECONDS: Final = 5.0
"""Age up to which a list is used; one of 3,000 tasks costs the API server about 35 ms."""


class Elsewhere:
    """The tasks that do not stand in their names' first slots; `clock` gives seconds."""

    def __init__(self, tasks: TaskStore, clock: Callable[[], float]) -> None:
        self._tasks = tasks
        self._lists: Remembered[dict[str, set[str]]] = Remembered(FRESH_SECONDS, 1, clock)
        self._made: dict[str, str] = {}
        """Object names of what this process made elsewhere, by task name; so few that all stay."""

    async def find(self, name: str) -> AnsibleTask | None:
        """The task of a name that stands elsewhere; raises errors.ClusterError."""
        listed = await self._lists.get("", self._list)
        objects = listed.get(name, set())
        if name in self._made:
            objects = objects | {self._made[name]}
        for known in sorted(objects):
            found = await self._tasks.get(known)
            if found is not None and found.task_name == name:
                return found
        return None

    def add(self, task: AnsibleTask) -> None:
        """Note a task that was just made elsewhere."""
        self._made[task.task_name] = task.metadata.name

    async def _list(self) -> dict[str, set[str]]:
        rows = await self._tasks.client.table(
            TASKS, self._tasks.namespace, labels=f"{names.LABEL_SLOT}!=0"
        )
        objects = defaultdict(set)
        for row in rows:
            objects[row.get(names.COLUMN_TASK) or row["Name"]].add(row["Name"])
        return objects
