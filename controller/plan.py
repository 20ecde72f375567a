"""What a decision may ask for: steps, and the status they belong to."""

from dataclasses import dataclass, replace
from typing import Any

from controller.observed import PodView
from crds.model import Status
from crds.provenance import Changes


class Step:
    """One thing to do in the cluster; doing it twice does no harm."""


@dataclass(frozen=True, slots=True)
class Adopt(Step):
    """Set the finalizer, and labels and annotations to what is the object's own."""

    changes: Changes


@dataclass(frozen=True, slots=True)
class Discard(Step):
    """Delete a task that was never completed by whoever made it."""


@dataclass(frozen=True, slots=True)
class Start(Step):
    """Note that the task is begun, write the input Secret, create the Job."""


@dataclass(frozen=True, slots=True)
class Ungate(Step):
    """Open the gate of a pod that is claimed in status."""

    pod: PodView


@dataclass(frozen=True, slots=True)
class Nudge(Step):
    """Have the Job controller try at once to make the pods that a quota refused.

    By itself it waits longer after each refusal, up to a minute.
    """


@dataclass(frozen=True, slots=True)
class Follow(Step):
    """See to it that the pod's log is being read."""

    index: int
    pod: PodView


@dataclass(frozen=True, slots=True)
class Terminate(Step):
    """SIGTERM to a running container, by a deadline of one second, so that all of it stays."""

    pod: PodView


@dataclass(frozen=True, slots=True)
class DeletePod(Step):
    """Delete a pod exactly as it was seen, else look again."""

    pod: PodView


@dataclass(frozen=True, slots=True)
class DeleteJob(Step):
    """Delete the Job with its pods."""

    uid: str


@dataclass(frozen=True, slots=True)
class Retire(Step):
    """After the end: give the Job its TTL, delete the task's own Secrets, mark the task as
    ended and let go of it."""


@dataclass(frozen=True, slots=True)
class Unarchive(Step):
    """Of a deleted task: remove its log from the object store, then let go of the object; with
    `give_up` let go of it also where the log can't be removed, and say so."""

    give_up: bool


@dataclass(frozen=True, slots=True)
class Announce(Step):
    """An event on the task: a reason and a message."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps before and after the status is written (if it differs); `again` in seconds."""

    before: tuple[Step, ...] = ()
    status: Status | None = None
    after: tuple[Step, ...] = ()
    again: float | None = None

    def merge(self, **changes: Any) -> "Plan":  # noqa: ANN401 - forwarded to replace
        """This plan with some fields changed."""
        return replace(self, **changes)
