"""Whether what an object carries is its own, or was copied with it from another object. Pure.

An export, a backup or a GitOps tool copies labels, annotations and finalizers, some of them even
the status. Kubernetes gives every object a uid of its own, which nobody can choose. So whatever
says that something happened to an object also says that object's uid; `own` compares the two, and
what belongs to another uid counts as absent. The other labels (id, task name, source) follow from
the object itself and are computed, not believed.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from crds import names
from crds.model import AnsibleTask, Spec, Status

_CHANGEABLE: Final = {"cancel", "priority", "ttl_seconds_after_finished"}
"""What may be changed after creation: not part of the work."""
_AS_STORED: Final = {"tasks", "roles", "playbook", "vars"}
"""Any JSON; their names on the wire are the same."""
_OF_THE_END: Final = (
    names.ANNOTATION_ENDED, names.ANNOTATION_EXPIRES, names.ANNOTATION_GENERATION,
)  # fmt: skip
_OF_THE_REQUEST: Final = (
    names.ANNOTATION_REQUEST, names.ANNOTATION_CALLER, names.ANNOTATION_KEY,
    names.ANNOTATION_FINGERPRINT, names.ANNOTATION_PARAMS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Begun:
    """The annotation `octans.io/begun`, read: which object was begun, with which work."""

    uid: str
    name: str
    work: str
    ended: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """Labels and annotations to be set; None removes one."""

    labels: dict[str, str | None]
    annotations: dict[str, str | None]

    def __bool__(self) -> bool:
        return bool(self.labels or self.annotations)


def own(written_for: str | None, uid: str) -> bool:
    """Whether what was written for the object `written_for` belongs to the object `uid`."""
    return written_for is not None and written_for == uid


def read(stored: Mapping[str, Any]) -> AnsibleTask:
    """A stored object as a task; a status that was copied with it stands in `copied` instead.

    A status without a uid counts as the object's own: controllers before this field wrote none, and
    what may have run is not run again.
    """
    task = AnsibleTask.model_validate(stored)
    if task.status.uid is None or own(task.status.uid, task.metadata.uid):
        return task
    return task.model_copy(update={"status": Status(), "copied": task.status})


def work_hash(spec: Spec) -> str:
    """SHA-256 of a spec without what may be changed after creation.

    Fields with their default are left out, so that one that is added to the resource later does not
    change the hash of what was stored before. (Another default of an old field would.)
    """
    data = spec.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude=_CHANGEABLE | _AS_STORED
    )
    # NB: pydantic does not dump what nests deeper than 255 levels.
    stored = {name: getattr(spec, name) for name in _AS_STORED}
    data |= {name: value for name, value in stored.items() if value is not None}
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def number(task: AnsibleTask) -> int:
    """A task's id: in the name of an object that the API makes, else from the task's name."""
    found = names.id_in_object_name(task.metadata.name)
    if found is None or task.spec.task_name is None:
        return names.task_id(task.metadata.namespace, task.task_name)
    return found


def slot(task: AnsibleTask) -> int | None:
    """Which of its name's candidate ids the object is named after; None: none, the API did not
    make it."""
    meta = task.metadata
    for k in range(names.SLOTS):
        if names.object_name(names.task_id(meta.namespace, task.task_name, k)) == meta.name:
            return k
    return None


def note_begun(task: AnsibleTask, *, ended: bool = False) -> dict[str, str]:
    """The annotation that says that this object was begun, or has ended."""
    meta = task.metadata
    words = [meta.uid, meta.name, work_hash(task.spec), *(["ended"] if ended else [])]
    return {names.ANNOTATION_BEGUN: " ".join(words)}


def begun(task: AnsibleTask) -> Begun | None:
    """Which object is said to have been begun; None: nothing is, or nothing that is understood."""
    match task.metadata.annotations.get(names.ANNOTATION_BEGUN, "").split():
        case [uid, name, work, *rest]:
            return Begun(uid, name, work, ended="ended" in rest)
        case _:
            return None


def noted(task: AnsibleTask) -> bool:
    """Whether it is noted that this very object was begun."""
    found = begun(task)
    return found is not None and own(found.uid, task.metadata.uid)


def restored(task: AnsibleTask) -> bool:
    """Whether a task without a status is one that was begun before: a backup came back.

    That is another object of this name with the same work, in whatever namespace: a task that was
    moved has run as well. Or this one had ended, and another's status was put over its own.
    """
    found = begun(task)
    if found is None:
        return False
    if own(found.uid, task.metadata.uid):
        return found.ended
    return found.name == task.metadata.name and found.work == work_hash(task.spec)


def corrections(task: AnsibleTask) -> Changes:
    """What the labels and annotations of a task that has not ended must be changed to.

    Labels are what tasks are found by; each follows from the object itself.
    """
    spec, place, have = task.spec, slot(task), task.metadata.labels
    wanted: dict[str, str | None] = {
        names.LABEL_TASK_ID: str(number(task)),
        names.LABEL_TASK_NAME: names.label_value(task.task_name),
        names.LABEL_SLOT: None if place is None else str(place),
        names.LABEL_CORRELATION: _label(spec.correlation_id),
        names.LABEL_SOURCE: _label(spec.source),
        names.LABEL_FINISHED: None,
    }
    strange = _OF_THE_END if place is not None else (*_OF_THE_END, *_OF_THE_REQUEST)
    return Changes(
        {label: value for label, value in wanted.items() if have.get(label) != value},
        {note: None for note in strange if note in task.metadata.annotations},
    )


def _label(text: str | None) -> str | None:
    return None if text is None else names.label_value(text)


def filing(task: AnsibleTask, ended: datetime, keep: int) -> Changes:
    """What marks an ended task as such; it goes `keep` seconds after its end."""
    at = int(ended.timestamp())
    return Changes(
        {names.LABEL_FINISHED: task.metadata.uid},
        {
            names.ANNOTATION_ENDED: str(at),
            names.ANNOTATION_EXPIRES: str(at + keep),
            names.ANNOTATION_GENERATION: str(task.metadata.generation),
            **note_begun(task, ended=True),
        },
    )


def filed(task: AnsibleTask) -> bool:
    """Whether an ended task is marked as such, and for its present generation."""
    meta = task.metadata
    current = meta.annotations.get(names.ANNOTATION_GENERATION) == str(meta.generation)
    return current and own(meta.labels.get(names.LABEL_FINISHED), meta.uid)
