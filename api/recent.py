"""What was last told of tasks, for a moment in which the Kubernetes API does not answer.

A caller that polls then hears what was true a moment ago, with its age, instead of an error.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from api.request import Target
from api.view import TaskView
from crds.model import AnsibleTask

SECONDS: Final = 60.0
"""Age up to which an answer is given again."""
_MOST_BYTES: Final = 16 * 1024 * 1024
_TASK_BYTES: Final = 2000
_NODE_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class Told:
    """What `check` told of one state of a task."""

    uid: str
    version: int
    """The object's resourceVersion: of two states of an object the later one has the larger."""
    view: TaskView
    correlation: str | None
    read: float
    """When it was read, seconds on the clock of `Recent`."""

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return _TASK_BYTES + _NODE_BYTES * len(self.view.nodes) + 2 * self.view.log_size


class Recent:
    """The answers given last, within a bounded age and size; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float], most_bytes: int = _MOST_BYTES) -> None:
        self._clock = clock
        self._most = most_bytes
        self._told: OrderedDict[str, tuple[Told, set[Target]]] = OrderedDict()
        """By the object's uid, the one that was told longest ago first."""
        self._uids: dict[Target, str] = {}
        self._size = 0

    def note(self, task: AnsibleTask, view: TaskView, *targets: Target) -> Told:
        """Keep what is about to be told of a task, for later requests with the same target.

        Returned is what to tell: what was told before, where the API server's memory lags behind
        that.
        """
        meta = task.metadata
        told = Told(
            meta.uid, _number(meta.resource_version), view, task.spec.correlation_id, self._clock()
        )
        before, known = self._told.get(meta.uid, (None, set[Target]()))
        if before is not None and before.version > told.version and self._fresh(before):
            told = before
        self._drop(meta.uid)
        for target in targets:
            self.forget(target)
        self._told[meta.uid] = (told, known | {*targets})
        self._uids |= dict.fromkeys(known | {*targets}, meta.uid)
        self._size += told.size
        while self._size > self._most:
            self._drop(next(iter(self._told)))
        return told

    def find(self, target: Target) -> Told | None:
        """What was last told of a task; None where that is too long ago."""
        uid = self._uids.get(target)
        told = self._told[uid][0] if uid is not None else None
        return told if told is not None and self._fresh(told) else None

    def age(self, told: Told) -> float:
        """Seconds since it was read."""
        return self._clock() - told.read

    def forget(self, target: Target) -> None:
        """There is no such task any more."""
        if (uid := self._uids.get(target)) is not None:
            self._drop(uid)

    def _fresh(self, told: Told) -> bool:
        return self.age(told) <= SECONDS

    def _drop(self, uid: str) -> None:
        if (found := self._told.pop(uid, None)) is not None:
            told, targets = found
            self._size -= told.size
            for target in targets:
                del self._uids[target]


def _number(resource_version: str) -> int:
    return int(resource_version) if resource_version.isdigit() else 0
